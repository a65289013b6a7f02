//! The OpenAPI document, made from the annotations of the handlers, and Swagger UI, whose files are
//! part of the binary.

mod omitted;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use actix_web::http::header;
use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use utoipa::OpenApi;
use utoipa_swagger_ui::Config as Ui;

use self::omitted::Omitted;
use self::rules::Rules;
use super::compression::Fixed;
use super::problem::refuse_other_methods;
use super::{
    Problem, actions, bulk, customers, health, operations, orders, problem, quarantine, reads,
    sagas, schema, views,
};

/// Not `description` from the crate's manifest: the document is the API's own.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Counterfoil",
        description = "Orders and credit, kept consistent across services by sagas and a \
            transactional outbox.\n\n\
            Send the `Consistency-Token` of any earlier answer with a query, and it never shows \
            less than you have seen. \
            Send an `Idempotency-Key` with a command, and repeating it is always safe. Errors are \
            `application/problem+json` (RFC 9457).",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "customers", description = "Customers and their credit"),
        (name = "orders", description = "Orders and their states"),
        (name = "operations", description = "Sagas, quarantine, views, cluster and health"),
    ),
    // Of the node that shows it, whatever its address is.
    servers((url = "/")),
    modifiers(&Omitted, &Rules),
    // utoipa does not find types that only parameters or the rules refer to.
    components(schemas(
        problem::Body, schema::OrderSort, schema::OrderState, schema::SagaState,
        schema::SagaType, schema::Time, schema::ViewName,
    )),
    paths(
        customers::create, customers::list, customers::count, customers::show, customers::orders,
        customers::events, customers::limit::correct,
        orders::commands::create, orders::commands::cancel, orders::commands::ship,
        orders::list, orders::show, orders::events,
        sagas::list, sagas::show, sagas::retry, sagas::cancel, sagas::abandon,
        bulk::operate_sagas,
        actions::list, quarantine::list, quarantine::causes, quarantine::show, quarantine::edit,
        quarantine::replay, quarantine::discard, bulk::operate_quarantine,
        views::list, views::rebuild, views::revert, views::heal, views::quarantine::list,
        views::quarantine::show, bulk::operate_quarantine_of_views, operations::cluster,
        health::live, health::ready, health::metrics,
    ),
)]
struct Document;

/// The document as a file: made once for all worker threads, when somebody asks for it.
static OPENAPI: LazyLock<Fixed> = LazyLock::new(|| {
    // The document holds texts and numbers only, which always have a JSON form.
    let json = serde_json::to_vec(&document()).unwrap_or_default();
    Fixed::new("application/json".to_owned(), json)
});

static UI_FILES: LazyLock<UiFiles> = LazyLock::new(UiFiles::default);

/// The OpenAPI 3.1 document of all routes.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// The routes of the OpenAPI document and of Swagger UI.
pub fn routes(config: &mut ServiceConfig) {
    let resource = |path| web::resource(path).default_service(refuse_other_methods("GET, HEAD"));
    config
        // Not the badge of a validator elsewhere, which would hear of every look at the page.
        .app_data(Data::new(Ui::from("/openapi.json").validator_url("none")))
        .service(resource("/openapi.json").route(reads::route().to(openapi)))
        .service(resource("/docs").route(reads::route().to(to_docs)))
        .service(resource("/docs/{file:.*}").route(reads::route().to(ui)));
}

/// The document, written once.
async fn openapi(request: HttpRequest) -> HttpResponse {
    OPENAPI.answer(&request)
}

/// A file of Swagger UI; the first one gets the address of the document put into it.
async fn ui(request: HttpRequest, file: Path<String>, config: Data<Ui<'static>>) -> HttpResponse {
    if let Some(known) = UI_FILES.get(&file) {
        return known.answer(&request);
    }
    match utoipa_swagger_ui::serve(&file, Arc::clone(&config)) {
        Ok(Some(found)) => {
            let fixed = Fixed::new(found.content_type, found.bytes.into_owned());
            let answer = fixed.answer(&request);
            UI_FILES.keep(file.into_inner(), fixed);
            answer
        }
        Ok(None) => Problem::not_found("file").error_response(),
        Err(error) => {
            tracing::error!(error = %error, "the documentation cannot be served");
            Problem::unavailable("the documentation cannot be shown").error_response()
        }
    }
}

/// The files of Swagger UI that somebody has asked for: compressed once. They are as many as the
/// binary has.
#[derive(Default)]
struct UiFiles(RwLock<HashMap<String, Fixed>>);

impl UiFiles {
    // Nothing panics while it holds the lock.
    fn get(&self, name: &str) -> Option<Fixed> {
        let files = self.0.read().unwrap_or_else(PoisonError::into_inner);
        files.get(name).cloned()
    }

    fn keep(&self, name: String, file: Fixed) {
        let mut files = self.0.write().unwrap_or_else(PoisonError::into_inner);
        files.insert(name, file);
    }
}

async fn to_docs() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, "/docs/"))
        .finish()
}
