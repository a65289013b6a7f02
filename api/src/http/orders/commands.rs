//! The commands on orders: create, cancel, ship. A repeat under the same `Idempotency-Key` answers
//! with the same status.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use actors::{NewOrder, OrderAccepted, OrderAnswer};
use domain::{OrderId, OrderState, RejectionReason, SagaId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::body;
use crate::http::answer::CommandHeaders;
use crate::http::commands::{self, Asked, Caller, Command, Doors, Takes};
use crate::http::fields::Fields;
use crate::http::meter::{Meter, Meters};
use crate::http::prefer::Prefer;
use crate::http::schema;
use crate::http::schema::params::{KeyHeader, WaitHeader};
use crate::http::{Api, Problem};

/// A new order has at most this many bytes, enough for five hundred lines with long names.
const MAX_ORDER_BYTES: usize = 1024 * 1024;

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
    commands::run::<Create>(request, api, payload).await
}

struct Create(NewOrder);

impl Command for Create {
    const TAKES: Takes = Takes::Object(MAX_ORDER_BYTES);

    type Effect = OrderAccepted;

    fn meter(meters: &Meters) -> &Meter {
        &meters.create_order
    }

    fn read(_: &Asked<'_>, body: Fields<'_>) -> Result<Self, Problem> {
        body::new_order(body).map(Create)
    }

    fn value(&self) -> impl Serialize {
        body::Canonical::of(&self.0)
    }

    fn followed(&self) -> Option<Uuid> {
        Some(self.0.customer_id.0)
    }

    async fn carry_out(self, doors: &Doors, by: Caller) -> Result<OrderAccepted, Problem> {
        let Create(order) = self;
        let commands = doors.commands();
        Ok(commands.create_order(order, by.binding, by.follow).await?)
    }

    async fn answer(effect: OrderAccepted, asked: &Asked<'_>) -> Result<HttpResponse, Problem> {
        let answer = asked.end_of(effect).await?;
        let location = format!("/orders/{}", answer.entity.id);
        Ok(headers(asked.api, &answer, asked.prefer, Some(location))
            .answer(StatusCode::CREATED, &OrderOutcome::of(&answer)))
    }
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
        (
            status = 202,
            description = "Being cancelled; also to a repeat that does not wait, whatever has \
                become of the order since, unless the first answer told of the end",
            body = OrderOutcome
        ),
        (status = 409,
            description = "Its state does not allow it; or, with the headers, \
                the cancel fell back to APPROVED",
            headers(("ETag"), ("Consistency-Token"), ("Preference-Applied"))),
    ),
)]
pub async fn cancel(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    commands::run::<Cancel>(request, api, payload).await
}

struct Cancel(OrderId);

impl Command for Cancel {
    const TAKES: Takes = Takes::AtMostAnObject;

    type Effect = OrderAccepted;

    fn meter(meters: &Meters) -> &Meter {
        &meters.cancel_order
    }

    fn read(asked: &Asked<'_>, body: Fields<'_>) -> Result<Self, Problem> {
        body.none()?;
        Ok(Cancel(OrderId(asked.id()?)))
    }

    fn value(&self) -> impl Serialize {}

    fn followed(&self) -> Option<Uuid> {
        Some(self.0.0)
    }

    async fn carry_out(self, doors: &Doors, by: Caller) -> Result<OrderAccepted, Problem> {
        let Cancel(order) = self;
        let commands = doors.commands();
        Ok(commands.cancel_order(order, by.binding, by.follow).await?)
    }

    async fn answer(effect: OrderAccepted, asked: &Asked<'_>) -> Result<HttpResponse, Problem> {
        let answer = asked.end_of(effect).await?;
        let headers = headers(asked.api, &answer, asked.prefer, None);

        Ok(match cancel_status(&answer, asked.waits()) {
            Some(status) => headers.answer(status, &OrderOutcome::of(&answer)),
            None => {
                let state = answer.entity.state.name();
                let problem = Problem::conflict(format!(
                    "the cancel could not be carried through; the order is {state}"
                ));
                headers.put_on(problem.error_response())
            }
        })
    }
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
    commands::run::<Ship>(request, api, payload).await
}

struct Ship(OrderId);

impl Command for Ship {
    const TAKES: Takes = Takes::AtMostAnObject;

    type Effect = OrderAnswer;

    fn meter(meters: &Meters) -> &Meter {
        &meters.ship_order
    }

    fn read(asked: &Asked<'_>, body: Fields<'_>) -> Result<Self, Problem> {
        body.none()?;
        Ok(Ship(OrderId(asked.id()?)))
    }

    fn value(&self) -> impl Serialize {}

    async fn carry_out(self, doors: &Doors, by: Caller) -> Result<OrderAnswer, Problem> {
        Ok(doors.commands().ship_order(self.0, by.binding).await?)
    }

    async fn answer(answer: OrderAnswer, asked: &Asked<'_>) -> Result<HttpResponse, Problem> {
        let outcome = OrderOutcome {
            saga_id: None,
            ..OrderOutcome::of(&answer)
        };
        Ok(headers(asked.api, &answer, Prefer::default(), None).answer(StatusCode::OK, &outcome))
    }
}

impl OrderOutcome {
    fn of(answer: &OrderAnswer) -> Self {
        OrderOutcome {
            order_id: answer.entity.id,
            state: answer.entity.state,
            rejection_reason: answer.entity.rejection_reason,
            version: answer.entity.version,
            saga_id: answer.saga_id,
        }
    }
}

/// The status of a cancel; `None` when it fell back. A repeat that does not wait gets that of the
/// first answer, which told of the end, or did not.
fn cancel_status(answer: &OrderAnswer, waited: bool) -> Option<StatusCode> {
    let told_of_end = waited || answer.end_told;
    match answer.entity.state {
        OrderState::Cancelled if told_of_end || !answer.repeated => Some(StatusCode::OK),
        _ if told_of_end && answer.saga_ended => None,
        _ => Some(StatusCode::ACCEPTED),
    }
}

fn headers(
    api: &Api,
    answer: &OrderAnswer,
    prefer: Prefer,
    location: Option<String>,
) -> CommandHeaders {
    // A command honours the wait alone.
    let applied = Prefer {
        lenient: false,
        ..prefer
    };

    CommandHeaders {
        version: answer.entity.version,
        token: api.ports.queries.token_of(&answer.seen),
        applied,
        location,
        saga: answer.saga_id,
        entity: answer.entity.id.0,
    }
}
