//! The views: how they are, building one anew while the old one answers, going back, and healing
//! one entity.

pub mod quarantine;
#[cfg(test)]
mod tests;

use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::commands::{self, Asked, Caller, Command, Doors, Takes};
use super::fields::Fields;
use super::meter::{Meter, Meters};
use super::params::{self, Params};
use super::problem::refuse_other_methods;
use super::schema::params::{KeyHeader, RebuildParams};
use super::{Api, Problem, reads, schema};
use crate::ports::{BuildFrom, RebuildBegun, ViewHealed, ViewReverted, ViewStatus};

/// The routes below `/views`.
pub fn routes(config: &mut ServiceConfig) {
    quarantine::routes(config);
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

/// All views that the node knows, with their states.
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
    request_body(content = Option<schema::OperatorReason>),
    responses(
        (status = 202, body = RebuildBegun),
        (status = 409, description = "A rebuild is under way"),
    ),
)]
pub async fn rebuild(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    commands::run::<Rebuild>(request, api, payload).await
}

struct Rebuild {
    view: String,
    from: BuildFrom,
    reason: Option<String>,
}

impl Command for Rebuild {
    const TAKES: Takes = Takes::AtMostAnObject;
    const PARAMS: &'static [&'static str] = &["from"];

    type Effect = RebuildBegun;

    fn meter(meters: &Meters) -> &Meter {
        &meters.rebuild_view
    }

    fn read(asked: &Asked<'_>, body: Fields<'_>) -> Result<Self, Problem> {
        let reason = commands::reason(body)?;

        let mut params = Params::of(asked.request, Self::PARAMS);
        let from = params
            .named("from", &BuildFrom::ALL, BuildFrom::name)
            .unwrap_or_default();
        params.finish()?;

        let view = asked.name().to_owned();
        Ok(Rebuild { view, from, reason })
    }

    fn value(&self) -> impl Serialize {
        // Views keep what their keys are bound to, those of before there were reasons, too.
        match &self.reason {
            None => json!(self.from),
            Some(reason) => json!([self.from, reason]),
        }
    }

    async fn carry_out(self, doors: &Doors, caller: Caller) -> Result<RebuildBegun, Problem> {
        let Rebuild { view, from, reason } = self;
        let by = caller.as_operator(reason);
        let views = doors.views();
        Ok(views.rebuild(&view, from, by, caller.binding).await?)
    }

    async fn answer(begun: RebuildBegun, _: &Asked<'_>) -> Result<HttpResponse, Problem> {
        Ok(HttpResponse::Accepted().json(begun))
    }
}

/// Go back to the generation that has answered before
///
/// It has been fed since, so nothing is lost; the other one is kept in its place.
#[utoipa::path(
    post, path = "/views/{name}/revert", operation_id = "revertView", tag = "operations",
    params(("name" = String, Path), KeyHeader),
    request_body(content = Option<schema::OperatorReason>),
    responses(
        (status = 200, description = "It answers", body = ViewReverted),
        (status = 202, description = "It answers as soon as it has what the present one has",
            body = ViewReverted),
        (status = 409, description = "None is kept, or a rebuild is under way"),
    ),
)]
pub async fn revert(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    commands::run::<Revert>(request, api, payload).await
}

struct Revert {
    view: String,
    reason: Option<String>,
}

impl Command for Revert {
    const TAKES: Takes = Takes::AtMostAnObject;

    type Effect = ViewReverted;

    fn meter(meters: &Meters) -> &Meter {
        &meters.revert_view
    }

    fn read(asked: &Asked<'_>, body: Fields<'_>) -> Result<Self, Problem> {
        let reason = commands::reason(body)?;
        let view = asked.name().to_owned();
        Ok(Revert { view, reason })
    }

    fn value(&self) -> impl Serialize {
        &self.reason
    }

    async fn carry_out(self, doors: &Doors, caller: Caller) -> Result<ViewReverted, Problem> {
        let by = caller.as_operator(self.reason);
        let views = doors.views();
        Ok(views.revert(&self.view, by, caller.binding).await?)
    }

    async fn answer(reverted: ViewReverted, _: &Asked<'_>) -> Result<HttpResponse, Problem> {
        let mut answer = if reverted.done {
            HttpResponse::Ok()
        } else {
            HttpResponse::Accepted()
        };
        Ok(answer.json(reverted))
    }
}

/// Heal one customer or order in a view
///
/// It is put as its history has it in the place of what the view shows, and taken out of the view's
/// quarantine.
#[utoipa::path(
    post, path = "/views/{name}/heal/{id}", operation_id = "healView", tag = "operations",
    params(
        ("name" = String, Path),
        ("id" = Uuid, Path, description = "The customer or order"),
        KeyHeader,
    ),
    request_body(content = Option<schema::OperatorReason>),
    responses(
        (status = 200, body = ViewHealed),
        (status = 404, description = "There is no such view, or the view has no such entity"),
        (status = 409, description = "Its history cannot be taken in"),
    ),
)]
pub async fn heal(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    commands::run::<Heal>(request, api, payload).await
}

struct Heal {
    view: String,
    entity: Uuid,
    reason: Option<String>,
}

impl Command for Heal {
    const TAKES: Takes = Takes::AtMostAnObject;

    type Effect = ViewHealed;

    fn meter(meters: &Meters) -> &Meter {
        &meters.heal_view
    }

    fn read(asked: &Asked<'_>, body: Fields<'_>) -> Result<Self, Problem> {
        let reason = commands::reason(body)?;
        Ok(Heal {
            view: asked.name().to_owned(),
            entity: asked.id()?,
            reason,
        })
    }

    fn value(&self) -> impl Serialize {
        &self.reason
    }

    async fn carry_out(self, doors: &Doors, caller: Caller) -> Result<ViewHealed, Problem> {
        let Heal {
            view,
            entity,
            reason,
        } = self;
        let by = caller.as_operator(reason);
        let views = doors.views();
        Ok(views.heal(&view, entity, by, caller.binding).await?)
    }

    async fn answer(healed: ViewHealed, _: &Asked<'_>) -> Result<HttpResponse, Problem> {
        Ok(HttpResponse::Ok().json(healed))
    }
}
