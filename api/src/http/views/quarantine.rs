//! What views take in no longer: listed over all views, and shown one by one. Healing is next door.

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use domain::Service;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::params::{self, Params, path_id};
use crate::http::problem::refuse_other_methods;
use crate::http::sagas::MAX_CAUSE_CHARS;
use crate::http::schema::params::{InViewsParams, PageParams};
use crate::http::{Api, bulk, reads};
use crate::ports::{InViewsQuery, Listed, ParkedInView, VIEWS};

const LIST_PARAMS: [&str; 7] = [
    "view",
    "service",
    "entity",
    "cause",
    "olderThan",
    "limit",
    "cursor",
];

/// The routes below `/views/quarantine`, and that of an entity in a view.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/views/quarantine")
                .route(reads::route().to(list))
                .default_service(refuse_other_methods("GET, HEAD")),
        )
        .service(
            web::resource("/views/quarantine/bulk")
                .route(web::post().to(bulk::operate_quarantine_of_views))
                .default_service(refuse_other_methods("POST")),
        )
        .service(
            web::resource("/views/{name}/quarantine/{id}")
                .route(reads::route().to(show))
                .default_service(refuse_other_methods("GET, HEAD")),
        );
}

/// A part of what views take in no longer.
#[derive(Serialize, ToSchema)]
pub struct InViewsList {
    quarantine: Vec<ParkedInView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// List the customers and orders that views take in no longer
///
/// Each was stopped by one event in one view, and is shown as it was before; heal it to have it
/// taken in again.
#[utoipa::path(
    get, path = "/views/quarantine", operation_id = "listQuarantineOfViews", tag = "operations",
    params(InViewsParams, PageParams),
    responses((status = 200, description = "Oldest first", body = InViewsList)),
)]
pub async fn list(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = async {
        let mut params = Params::of(&request, &LIST_PARAMS);
        let query = InViewsQuery {
            view: params.named("view", &VIEWS, |view| view),
            service: params.named("service", &domain::SERVICES, Service::name),
            entity: params.uuid("entity"),
            cause: params.text("cause", MAX_CAUSE_CHARS),
            older_than: params.age("olderThan"),
            page: params.page(),
        };
        let seal = params.seal();
        params.finish()?;
        let read = api.ports.quarantine.list_in_views(query);
        let Listed {
            items: quarantine,
            next,
        } = reads::run(&api, read).await?;
        let next = seal.put_on(next);
        Ok(HttpResponse::Ok().json(InViewsList { quarantine, next }))
    };
    api.meters
        .list_quarantine_of_views
        .watch(&request, work)
        .await
}

/// Show a customer or order that a view takes in no longer, and the event that stops it
#[utoipa::path(
    get, path = "/views/{name}/quarantine/{id}", operation_id = "showQuarantinedInView",
    tag = "operations",
    params(("name" = String, Path), ("id" = Uuid, Path)),
    responses(
        (status = 200, body = ParkedInView),
        (status = 404, description = "There is no such view, or it takes the entity in"),
    ),
)]
pub async fn show(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = async {
        params::none(&request)?;
        let entity = path_id(&request)?;
        let view = request.match_info().get("name").unwrap_or_default();
        let read = api.ports.quarantine.show_in_view(view, entity);
        let found = reads::run(&api, read).await?;
        Ok(HttpResponse::Ok().json(found))
    };
    let meter = &api.meters.show_quarantined_in_view;
    meter.watch(&request, work).await
}
