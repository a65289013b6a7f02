//! The commands on orders: create, cancel, ship. A repeat under the same `Idempotency-Key` answers
//! with the same status.

use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use actors::{Accepted, Follow, OrderAnswer, RequestBinding, Seen};
use domain::{OrderId, OrderState, RejectionReason, SagaId};
use serde::Serialize;
use utoipa::ToSchema;

use super::body;
use crate::http::answer::CommandHeaders;
use crate::http::body::{Errors, expect_json, optional_object, read};
use crate::http::params::{self, path_id};
use crate::http::prefer::Prefer;
use crate::http::schema;
use crate::http::schema::params::{KeyHeader, WaitHeader};
use crate::http::{Api, Problem, idempotency};

/// What became of an order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderOutcome {
    #[schema(value_type = Uuid)]
    order_id: OrderId,
    #[schema(value_type = schema::OrderState)]
    state: OrderState,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::RejectionReason>)]
    rejection_reason: Option<RejectionReason>,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    saga_id: Option<SagaId>,
}

/// Create an order
///
/// It is `PENDING` at once; with `Prefer: wait=SECONDS` the answer comes when the saga has approved
/// or rejected it.
#[utoipa::path(
    post, path = "/orders", operation_id = "createOrder", tag = "orders",
    params(KeyHeader, WaitHeader), request_body = schema::NewOrder,
    responses((status = 201, body = OrderOutcome)),
)]
pub async fn create(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    let work = async {
        params::none(&request)?;
        let prefer = Prefer::of(&request, api.waits)?;
        let wait = Wait::of(prefer);
        let key = idempotency::key(&request)?;
        expect_json(&request)?;
        let bytes = read(&request, payload).await?;
        let permit = api.commands.enter()?;
        let order = body::new_order(&bytes)?;
        drop(bytes);

        let binding = idempotency::bind(
            key,
            format_args!("POST /orders"),
            &body::Canonical::of(&order),
        )?;

        let accepted = api
            .ports
            .commands
            .create_order(order, binding, wait.follow())
            .await?;
        // Who waits for the saga does no work, and keeps nobody from it.
        drop(permit);
        let answer = wait.end_of(accepted).await;
        let location = format!("/orders/{}", answer.order_id);

        Ok(headers(&api, &answer, prefer, Some(location))
            .answer(StatusCode::CREATED, &OrderOutcome::of(&answer)))
    };
    api.meters.create_order.watch(&request, work).await
}

/// Cancel an approved order
///
/// Its credit is released by a saga; with `Prefer: wait=SECONDS` the answer comes when that has
/// ended.
#[utoipa::path(
    post, path = "/orders/{id}/cancel", operation_id = "cancelOrder", tag = "orders",
    params(("id" = Uuid, Path), KeyHeader, WaitHeader),
    responses(
        (status = 200, description = "Cancelled", body = OrderOutcome),
        (status = 202, description = "Being cancelled", body = OrderOutcome),
        (status = 409, description = "Its state does not allow it; or, with the headers, the cancel fell back to APPROVED",
            headers(("ETag"), ("Consistency-Token"), ("Preference-Applied"))),
    ),
)]
pub async fn cancel(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    let work = async {
        let prefer = Prefer::of(&request, api.waits)?;
        let wait = Wait::of(prefer);
        let (order, binding) = order_command(&request, payload, "cancel").await?;
        let permit = api.commands.enter()?;

        let accepted = api
            .ports
            .commands
            .cancel_order(order, binding, wait.follow())
            .await?;
        drop(permit);
        let answer = wait.end_of(accepted).await;

        let headers = headers(&api, &answer, prefer, None);
        Ok(
            match cancel_status(&answer, wait.follow() == Follow::Saga) {
                Some(status) => headers.answer(status, &OrderOutcome::of(&answer)),
                None => {
                    let state = answer.state.name();
                    let problem = Problem::conflict(format!(
                        "the cancel could not be carried through; the order is {state}"
                    ));
                    headers.put_on(problem.error_response())
                }
            },
        )
    };
    api.meters.cancel_order.watch(&request, work).await
}

/// Ship an approved order
#[utoipa::path(
    post, path = "/orders/{id}/ship", operation_id = "shipOrder", tag = "orders",
    params(("id" = Uuid, Path), KeyHeader),
    responses(
        (status = 200, description = "Shipped, now or before", body = OrderOutcome),
        (status = 409, description = "It is not approved"),
    ),
)]
pub async fn ship(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    let work = async {
        // A wait that cannot be read is wrong here too, though there is nothing to wait for.
        Prefer::of(&request, api.waits)?;
        let (order, binding) = order_command(&request, payload, "ship").await?;
        let _permit = api.commands.enter()?;
        let answer = api.ports.commands.ship_order(order, binding).await?;

        let outcome = OrderOutcome {
            saga_id: None,
            ..OrderOutcome::of(&answer)
        };

        Ok(headers(&api, &answer, Prefer::default(), None).answer(StatusCode::OK, &outcome))
    };
    api.meters.ship_order.watch(&request, work).await
}

impl OrderOutcome {
    fn of(answer: &OrderAnswer) -> Self {
        OrderOutcome {
            order_id: answer.order_id,
            state: answer.state,
            rejection_reason: answer.rejection_reason,
            version: answer.version,
            saga_id: answer.saga_id,
        }
    }
}

/// What cancel and ship have in common: an order, an empty body, a key.
async fn order_command(
    request: &HttpRequest,
    payload: Payload,
    command: &'static str,
) -> Result<(OrderId, Option<RequestBinding>), Problem> {
    params::none(request)?;
    let id = path_id(request)?;
    let key = idempotency::key(request)?;
    let bytes = read(request, payload).await?;
    let mut errors = Errors::default();
    optional_object(request, &bytes)?.finish(&[], &mut errors);
    errors.finish(Some(()))?;
    let binding = idempotency::bind(key, format_args!("POST /orders/{id}/{command}"), &())?;

    Ok((OrderId(id), binding))
}

/// The status of a cancel; `None` when it fell back. A repeat that does not wait is answered as the
/// first request was: it was accepted.
fn cancel_status(answer: &OrderAnswer, waited: bool) -> Option<StatusCode> {
    match answer.state {
        OrderState::Cancelled if waited || !answer.repeated => Some(StatusCode::OK),
        _ if waited && answer.saga_ended => None,
        _ => Some(StatusCode::ACCEPTED),
    }
}

/// How long a caller waits for the end of a saga, from its request on.
#[derive(Clone, Copy)]
struct Wait {
    since: Instant,
    /// A wait of no time is none.
    at_most: Option<Duration>,
}

impl Wait {
    fn of(prefer: Prefer) -> Self {
        Wait {
            since: Instant::now(),
            at_most: prefer.wait.filter(|wait| !wait.is_zero()),
        }
    }

    fn follow(self) -> Follow {
        self.at_most.map_or(Follow::Nothing, |_| Follow::Saga)
    }

    async fn end_of(self, accepted: Accepted) -> OrderAnswer {
        let at_most = self.at_most.unwrap_or_default();
        accepted
            .ended_within(at_most.saturating_sub(self.since.elapsed()))
            .await
    }
}

fn headers(
    api: &Api,
    answer: &OrderAnswer,
    prefer: Prefer,
    location: Option<String>,
) -> CommandHeaders {
    let order = [Seen {
        service: domain::ORDERS,
        entity: answer.order_id.0,
        version: answer.version,
    }];

    let seen = if answer.seen.is_empty() {
        &order[..]
    } else {
        &answer.seen
    };
    // A command honours the wait alone.
    let applied = Prefer {
        lenient: false,
        ..prefer
    };

    CommandHeaders {
        version: answer.version,
        token: api.ports.queries.token_of(seen),
        applied,
        location,
    }
}
