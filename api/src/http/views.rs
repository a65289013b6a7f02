//! The views: how they are, building one anew while the old one answers, going back, and healing
//! one entity.

#[cfg(test)]
mod tests;

use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::{Errors, optional_object, read};
use super::params::{self, Params, path_id};
use super::problem::refuse_other_methods;
use super::schema::params::{KeyHeader, RebuildParams};
use super::{Api, Problem, idempotency, reads};
use crate::ports::{BuildFrom, RebuildBegun, ViewHealed, ViewReverted, ViewStatus};

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/views")
                .route(reads::route().to(list))
                .default_service(refuse_other_methods("GET, HEAD")),
        )
        .service(
            web::resource("/views/{name}/rebuild")
                .route(web::post().to(rebuild))
                .default_service(refuse_other_methods("POST")),
        )
        .service(
            web::resource("/views/{name}/revert")
                .route(web::post().to(revert))
                .default_service(refuse_other_methods("POST")),
        )
        .service(
            web::resource("/views/{name}/heal/{id}")
                .route(web::post().to(heal))
                .default_service(refuse_other_methods("POST")),
        );
}

#[derive(Serialize, ToSchema)]
pub struct ViewList {
    views: Vec<ViewStatus>,
}

/// Show the views and how far they are behind
#[utoipa::path(
    get, path = "/views", operation_id = "listViews", tag = "operations",
    responses((status = 200, body = ViewList)),
)]
pub async fn list(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = async {
        params::none(&request)?;
        let views = reads::run(&api, api.ports.views.views()).await?;
        Ok(HttpResponse::Ok().json(ViewList { views }))
    };
    api.meters.views.watch(&request, work).await
}

/// Build a new generation of a view while the old one answers
///
/// It is built from all events, or from the entities as they stand and the events since. When it
/// has reached what the old one has and nothing is lost, it takes its place; the old one is kept
/// for a while, to go back to.
#[utoipa::path(
    post, path = "/views/{name}/rebuild", operation_id = "rebuildView", tag = "operations",
    params(("name" = String, Path), RebuildParams, KeyHeader),
    responses(
        (status = 202, body = RebuildBegun),
        (status = 409, description = "A rebuild is under way"),
    ),
)]
pub async fn rebuild(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    let work = async {
        let mut params = Params::of(&request, &["from"]);
        let from = params
            .named("from", &BuildFrom::ALL, BuildFrom::name)
            .unwrap_or_default();

        params.finish()?;
        let scope = format_args!("POST /views/{}/rebuild", name(&request));
        let by = idempotency::bind(idempotency::key(&request)?, scope, &from)?;
        no_body(&request, payload).await?;
        let _permit = api.commands.enter()?;
        let begun = api.ports.views.rebuild(name(&request), from, by).await?;

        Ok(HttpResponse::Accepted().json(begun))
    };
    api.meters.rebuild_view.watch(&request, work).await
}

/// Go back to the generation that has answered before
///
/// It has been fed since, so nothing is lost; the other one is kept in its place.
#[utoipa::path(
    post, path = "/views/{name}/revert", operation_id = "revertView", tag = "operations",
    params(("name" = String, Path), KeyHeader),
    responses(
        (status = 200, description = "It answers", body = ViewReverted),
        (status = 202, description = "It answers as soon as it has what the present one has", body = ViewReverted),
        (status = 409, description = "None is kept, or a rebuild is under way"),
    ),
)]
pub async fn revert(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    let work = async {
        params::none(&request)?;
        let scope = format_args!("POST /views/{}/revert", name(&request));
        let by = idempotency::bind(idempotency::key(&request)?, scope, &())?;
        no_body(&request, payload).await?;

        let _permit = api.commands.enter()?;
        let reverted = api.ports.views.revert(name(&request), by).await?;
        let mut answer = if reverted.done {
            HttpResponse::Ok()
        } else {
            HttpResponse::Accepted()
        };

        Ok(answer.json(reverted))
    };
    api.meters.revert_view.watch(&request, work).await
}

/// Heal one customer or order in a view
///
/// It is put as its history has it in the place of what the view shows, and taken out of the view's
/// quarantine.
#[utoipa::path(
    post, path = "/views/{name}/heal/{id}", operation_id = "healView", tag = "operations",
    params(("name" = String, Path), ("id" = Uuid, Path, description = "The customer or order"), KeyHeader),
    responses(
        (status = 200, body = ViewHealed),
        (status = 404, description = "There is no such view, or the view has no such entity"),
        (status = 409, description = "Its history cannot be taken in"),
    ),
)]
pub async fn heal(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    let work = async {
        params::none(&request)?;
        idempotency::key(&request)?;
        let entity = path_id(&request)?;
        no_body(&request, payload).await?;
        let _permit = api.commands.enter()?;
        let healed = api.ports.views.heal(name(&request), entity).await?;
        Ok(HttpResponse::Ok().json(healed))
    };
    api.meters.heal_view.watch(&request, work).await
}

fn name(request: &HttpRequest) -> &str {
    request.match_info().get("name").unwrap_or_default()
}

async fn no_body(request: &HttpRequest, payload: Payload) -> Result<(), Problem> {
    let bytes = read(request, payload).await?;
    let mut errors = Errors::default();
    optional_object(request, &bytes)?.finish(&[], &mut errors);
    errors.finish(Some(()))
}
