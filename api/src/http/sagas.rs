//! Sagas: list and show them; have a stuck one try again, stop one so that it compensates, or give
//! a stuck one up.

#[cfg(test)]
mod tests;

use std::marker::PhantomData;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use actors::{SagaAction, SagaAnswer};
use domain::saga::{self, SagaState};
use domain::{OrderId, SagaId};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::CommandHeaders;
use super::commands::{self, Asked, Caller, Command, Doors, Takes};
use super::fields::Fields;
use super::meter::{Meter, Meters};
use super::params::{self, Params, path_id};
use super::prefer::Prefer;
use super::problem::refuse_other_methods;
use super::schema::params::{KeyHeader, PageParams, SagaParams};
use super::{Api, Problem, reads, schema};
use crate::ports::{Listed, SagaDetails, SagaQuery};

/// So many characters of a cause are looked for.
pub const MAX_CAUSE_CHARS: usize = 200;

const LIST_PARAMS: [&str; 7] = [
    "type",
    "state",
    "olderThan",
    "entity",
    "cause",
    "limit",
    "cursor",
];

/// The routes below `/sagas`, but for the bulk one.
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
            web::resource("/sagas/{id}/abandon")
                .route(web::post().to(abandon))
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
        let mut params = Params::of(&request, &LIST_PARAMS);
        let query = SagaQuery {
            kind: params.named("type", &saga::TYPES, |name| name),
            state: params.named("state", &SagaState::ALL, SagaState::name),
            older_than: params.age("olderThan"),
            order: params.uuid("entity").map(OrderId),
            cause: params.text("cause", MAX_CAUSE_CHARS),
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
    request_body(content = Option<schema::OperatorReason>),
    responses(
        (status = 202, body = SagaOutcome),
        (status = 409, description = "It is not stuck"),
    ),
)]
pub async fn retry(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    commands::run::<Operate<Retry>>(request, api, payload).await
}

/// Stop a saga, so that it compensates
#[utoipa::path(
    post, path = "/sagas/{id}/cancel", operation_id = "cancelSaga", tag = "operations",
    params(("id" = Uuid, Path), KeyHeader),
    request_body(content = Option<schema::OperatorReason>),
    responses(
        (status = 202, body = SagaOutcome),
        (status = 409, description = "It has ended, or can only go on"),
    ),
)]
pub async fn cancel(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    commands::run::<Operate<Cancel>>(request, api, payload).await
}

/// Give a stuck saga up
///
/// It ends `ABANDONED` at once: its order is rejected or cancelled, and its customer is told once
/// more to release the credit, without anybody waiting for it. A saga that was given up before
/// tells the customer again.
#[utoipa::path(
    post, path = "/sagas/{id}/abandon", operation_id = "abandonSaga", tag = "operations",
    params(("id" = Uuid, Path), KeyHeader),
    request_body(content = Option<schema::OperatorReason>),
    responses(
        (status = 202, body = SagaOutcome),
        (status = 409, description = "It is not stuck"),
    ),
)]
pub async fn abandon(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    commands::run::<Operate<Abandon>>(request, api, payload).await
}

/// An operator does something about a saga.
struct Operate<A> {
    saga: SagaId,
    reason: Option<String>,
    action: PhantomData<A>,
}

/// What that is.
trait Act: 'static {
    const ACTION: SagaAction;

    fn meter(meters: &Meters) -> &Meter;
}

struct Retry;
struct Cancel;
struct Abandon;

impl Act for Retry {
    const ACTION: SagaAction = SagaAction::Retry;

    fn meter(meters: &Meters) -> &Meter {
        &meters.retry_saga
    }
}

impl Act for Cancel {
    const ACTION: SagaAction = SagaAction::Cancel;

    fn meter(meters: &Meters) -> &Meter {
        &meters.cancel_saga
    }
}

impl Act for Abandon {
    const ACTION: SagaAction = SagaAction::Abandon;

    fn meter(meters: &Meters) -> &Meter {
        &meters.abandon_saga
    }
}

impl<A: Act> Command for Operate<A> {
    const TAKES: Takes = Takes::AtMostAnObject;

    type Effect = SagaAnswer;

    fn meter(meters: &Meters) -> &Meter {
        A::meter(meters)
    }

    fn read(asked: &Asked<'_>, body: Fields<'_>) -> Result<Self, Problem> {
        let reason = commands::reason(body)?;
        Ok(Operate {
            saga: SagaId(asked.id()?),
            reason,
            action: PhantomData,
        })
    }

    fn value(&self) -> impl Serialize {
        &self.reason
    }

    async fn carry_out(self, doors: &Doors, caller: Caller) -> Result<SagaAnswer, Problem> {
        let (saga, by) = (self.saga, caller.as_operator(self.reason));
        let commands = doors.commands();
        let done = commands.operate_saga(saga, A::ACTION, by, caller.binding);
        Ok(done.await?)
    }

    async fn answer(effect: SagaAnswer, asked: &Asked<'_>) -> Result<HttpResponse, Problem> {
        Ok(accepted(asked.api, &effect))
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
