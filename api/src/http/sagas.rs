//! Sagas: list and show them; have a stuck one try again, or stop one so that it compensates.

#[cfg(test)]
mod tests;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use actors::SagaAnswer;
use domain::saga::{self, SagaState};
use domain::{OrderId, SagaId};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::CommandHeaders;
use super::commands::{self, Asked, Caller, Command, Doors, Takes};
use super::fields::{Errors, Fields};
use super::meter::{Meter, Meters};
use super::params::{self, Params, path_id};
use super::prefer::Prefer;
use super::problem::refuse_other_methods;
use super::schema::params::{KeyHeader, PageParams, SagaParams};
use super::{Api, Problem, reads, schema};
use crate::ports::{Listed, SagaDetails, SagaQuery};

/// The reason of a cancellation has at most this many characters.
const MAX_REASON_CHARS: usize = 2_000;

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/sagas")
                .route(reads::route().to(list))
                .default_service(refuse_other_methods("GET, HEAD")),
        )
        .service(
            web::resource("/sagas/{id}")
                .route(reads::route().to(show))
                .default_service(refuse_other_methods("GET, HEAD")),
        )
        .service(
            web::resource("/sagas/{id}/retry")
                .route(web::post().to(retry))
                .default_service(refuse_other_methods("POST")),
        )
        .service(
            web::resource("/sagas/{id}/cancel")
                .route(web::post().to(cancel))
                .default_service(refuse_other_methods("POST")),
        );
}

/// A part of the list of sagas.
#[derive(Serialize, ToSchema)]
pub struct SagaList {
    sagas: Vec<SagaDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What became of a command on a saga.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SagaOutcome {
    #[schema(value_type = Uuid)]
    saga_id: SagaId,
    #[schema(value_type = Uuid)]
    order_id: OrderId,
    #[schema(value_type = schema::SagaState)]
    state: SagaState,
    version: u64,
}

/// List sagas
#[utoipa::path(
    get, path = "/sagas", operation_id = "listSagas", tag = "operations",
    params(SagaParams, PageParams),
    responses((status = 200, description = "Newest first", body = SagaList)),
)]
pub async fn list(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = async {
        let mut params = Params::of(&request, &["type", "state", "limit", "cursor"]);
        let query = SagaQuery {
            kind: params.named("type", &saga::TYPES, |name| name),
            state: params.named("state", &SagaState::ALL, SagaState::name),
            page: params.page(),
        };
        let seal = params.seal();
        params.finish()?;
        let Listed { items: sagas, next } = reads::run(&api, api.ports.sagas.list(query)).await?;
        let next = seal.put_on(next);
        Ok(HttpResponse::Ok().json(SagaList { sagas, next }))
    };
    api.meters.list_sagas.watch(&request, work).await
}

/// Show a saga with its steps, done and remaining
#[utoipa::path(
    get, path = "/sagas/{id}", operation_id = "showSaga", tag = "operations",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = SagaDetails)),
)]
pub async fn show(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = async {
        params::none(&request)?;
        let id = SagaId(path_id(&request)?);
        let saga = reads::run(&api, api.ports.sagas.show(id)).await?;
        Ok(HttpResponse::Ok().json(saga))
    };
    api.meters.show_saga.watch(&request, work).await
}

/// Have a stuck saga try again
#[utoipa::path(
    post, path = "/sagas/{id}/retry", operation_id = "retrySaga", tag = "operations",
    params(("id" = Uuid, Path), KeyHeader),
    responses(
        (status = 202, body = SagaOutcome),
        (status = 409, description = "It is not stuck"),
    ),
)]
pub async fn retry(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    commands::run::<Retry>(request, api, payload).await
}

struct Retry(SagaId);

impl Command for Retry {
    const TAKES: Takes = Takes::AtMostAnObject;

    type Effect = SagaAnswer;

    fn meter(meters: &Meters) -> &Meter {
        &meters.retry_saga
    }

    fn read(asked: &Asked<'_>, body: Fields<'_>) -> Result<Self, Problem> {
        body.none()?;
        Ok(Retry(SagaId(asked.id()?)))
    }

    fn value(&self) -> impl Serialize {}

    async fn carry_out(self, doors: &Doors, by: Caller) -> Result<SagaAnswer, Problem> {
        Ok(doors.commands().retry_saga(self.0, by.binding).await?)
    }

    async fn answer(effect: SagaAnswer, asked: &Asked<'_>) -> HttpResponse {
        accepted(asked.api, &effect)
    }
}

/// Stop a saga, so that it compensates
#[utoipa::path(
    post, path = "/sagas/{id}/cancel", operation_id = "cancelSaga", tag = "operations",
    params(("id" = Uuid, Path), KeyHeader),
    request_body(content = Option<schema::SagaCancellation>),
    responses(
        (status = 202, body = SagaOutcome),
        (status = 409, description = "It has ended"),
    ),
)]
pub async fn cancel(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    commands::run::<Cancel>(request, api, payload).await
}

struct Cancel {
    saga: SagaId,
    reason: Option<String>,
}

impl Command for Cancel {
    const TAKES: Takes = Takes::AtMostAnObject;

    type Effect = SagaAnswer;

    fn meter(meters: &Meters) -> &Meter {
        &meters.cancel_saga
    }

    fn read(asked: &Asked<'_>, mut body: Fields<'_>) -> Result<Self, Problem> {
        let mut errors = Errors::default();
        let reason = body.optional_text("reason", MAX_REASON_CHARS, &mut errors);
        body.finish(&["reason"], &mut errors);
        errors.finish(Some(()))?;

        let saga = SagaId(asked.id()?);
        Ok(Cancel { saga, reason })
    }

    fn value(&self) -> impl Serialize {
        &self.reason
    }

    async fn carry_out(self, doors: &Doors, by: Caller) -> Result<SagaAnswer, Problem> {
        let Cancel { saga, reason } = self;
        Ok(doors
            .commands()
            .cancel_saga(saga, reason, by.binding)
            .await?)
    }

    async fn answer(effect: SagaAnswer, asked: &Asked<'_>) -> HttpResponse {
        accepted(asked.api, &effect)
    }
}

/// Views do not know versions of sagas, so the token names the order.
fn accepted(api: &Api, answer: &SagaAnswer) -> HttpResponse {
    let SagaAnswer {
        saga_id,
        entity,
        state,
        version,
        seen,
    } = *answer;

    let token = api.ports.queries.token_of(&[seen]);

    let headers = CommandHeaders {
        version,
        token,
        applied: Prefer::default(),
        location: None,
        saga: Some(saga_id),
        entity,
    };

    headers.answer(
        StatusCode::ACCEPTED,
        &SagaOutcome {
            saga_id,
            order_id: OrderId(entity),
            state,
            version,
        },
    )
}
