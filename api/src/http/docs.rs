//! The OpenAPI document, made from the annotations of the handlers, and Swagger UI, whose files are part of the binary.

#[cfg(test)]
mod tests;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

use super::{customers, health, operations, orders, quarantine, sagas, schema};

/// Not `description` from the crate's manifest: the document is the API's own.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Counterfoil",
        description = "Orders and credit, kept consistent across services by sagas and a transactional outbox.\n\n\
            Send the `Consistency-Token` of any earlier answer with a query, and it never shows less than you have seen. \
            Send an `Idempotency-Key` with a command, and repeating it is always safe. Errors are \
            `application/problem+json` (RFC 9457).",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "customers", description = "Customers and their credit"),
        (name = "orders", description = "Orders and their states"),
        (name = "operations", description = "Sagas, quarantine, views, cluster and health"),
    ),
    // Those that only parameters refer to are not found by themselves.
    components(schemas(
        schema::OrderSort, schema::OrderState, schema::SagaState, schema::SagaType, schema::Time,
    )),
    paths(
        customers::create, customers::list, customers::count, customers::show, customers::orders, customers::events,
        orders::commands::create, orders::commands::cancel, orders::commands::ship,
        orders::list, orders::show, orders::events,
        sagas::list, sagas::show, sagas::retry, sagas::cancel,
        quarantine::list, quarantine::show, quarantine::replay, quarantine::discard,
        operations::views, operations::cluster,
        health::live, health::ready, health::metrics,
    ),
)]
struct Document;

/// The OpenAPI 3.1 document of all routes.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/docs", web::get().to(to_docs))
        .service(SwaggerUi::new("/docs/{_:.*}").url("/openapi.json", document()));
}

async fn to_docs() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/docs/")).finish()
}
