//! An operator puts a customer's credit limit right.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use actors::CustomerAnswer;
use domain::{CustomerId, Money};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::answer::CommandHeaders;
use crate::http::body::MAX_BODY_BYTES;
use crate::http::commands::{self, Asked, Caller, Command, Doors, MAX_REASON_CHARS, Takes};
use crate::http::fields::{Errors, Fields};
use crate::http::meter::{Meter, Meters};
use crate::http::prefer::Prefer;
use crate::http::schema;
use crate::http::schema::params::KeyHeader;
use crate::http::{Api, Problem};

/// What has become of a customer whose credit limit was put right.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitOutcome {
    #[schema(value_type = Uuid)]
    customer_id: CustomerId,
    #[schema(value_type = schema::Money)]
    credit_limit: Money,
    #[schema(value_type = schema::Money)]
    available_credit: Money,
    version: u64,
}

/// Put a wrong credit limit right
///
/// An event says so in the customer's history, and what was decided under the wrong limit stands.
/// Who has done it and why is among the actions of operators. A limit that is right already changes
/// nothing.
#[utoipa::path(
    post, path = "/customers/{id}/credit-limit", operation_id = "correctCreditLimit",
    tag = "customers",
    params(("id" = Uuid, Path), KeyHeader), request_body = schema::LimitCorrection,
    responses(
        (status = 200, body = LimitOutcome),
        (status = 409, description = "Its open orders hold more than that"),
    ),
)]
pub async fn correct(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    commands::run::<CorrectLimit>(request, api, payload).await
}

struct CorrectLimit {
    customer: CustomerId,
    limit: Money,
    reason: Option<String>,
}

/// The value of a correction, to which an `Idempotency-Key` is bound.
#[derive(Serialize)]
struct Canonical<'a> {
    credit_limit: Money,
    reason: &'a Option<String>,
}

impl Command for CorrectLimit {
    const TAKES: Takes = Takes::Object(MAX_BODY_BYTES);

    type Effect = CustomerAnswer;

    fn meter(meters: &Meters) -> &Meter {
        &meters.correct_credit_limit
    }

    fn read(asked: &Asked<'_>, mut body: Fields<'_>) -> Result<Self, Problem> {
        let mut errors = Errors::default();
        let limit: Option<Money> = body.required("creditLimit", &mut errors);
        if limit.is_some_and(Money::is_negative) {
            errors.add("creditLimit", "must be 0 or more");
        }
        let reason = body.text_if_any("reason", MAX_REASON_CHARS, &mut errors);
        body.finish(&["creditLimit", "reason"], &mut errors);

        let limit = errors.finish(limit)?;
        Ok(CorrectLimit {
            customer: CustomerId(asked.id()?),
            limit,
            reason,
        })
    }

    fn value(&self) -> impl Serialize {
        Canonical {
            credit_limit: self.limit,
            reason: &self.reason,
        }
    }

    async fn carry_out(self, doors: &Doors, caller: Caller) -> Result<CustomerAnswer, Problem> {
        let by = caller.as_operator(self.reason);
        let commands = doors.commands();
        let corrected =
            commands.correct_credit_limit(self.customer, self.limit, by, caller.binding);
        Ok(corrected.await?)
    }

    async fn answer(effect: CustomerAnswer, asked: &Asked<'_>) -> Result<HttpResponse, Problem> {
        let customer = &effect.entity;
        let headers = CommandHeaders {
            version: customer.version,
            token: asked.api.ports.queries.token_of(&effect.seen),
            applied: Prefer::default(),
            location: None,
            saga: None,
            entity: customer.id.0,
        };

        Ok(headers.answer(
            StatusCode::OK,
            &LimitOutcome {
                customer_id: customer.id,
                credit_limit: customer.credit_limit,
                available_credit: customer.available_credit(),
                version: customer.version,
            },
        ))
    }
}
