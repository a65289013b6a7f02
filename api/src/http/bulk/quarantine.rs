//! Many parked messages at once.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use actors::ParkedAction;
use domain::Service;
use serde::Serialize;

use super::{Given, MAX_BODY_BYTES, Manner, answered, one_of, required_of, some_text, text_that};
use crate::http::commands::{self, Asked, Caller, Command, Doors, Takes};
use crate::http::fields::{Errors, Fields};
use crate::http::meter::{Meter, Meters};
use crate::http::params::{self, AGES};
use crate::http::quarantine::MAX_TYPE_CHARS;
use crate::http::sagas::MAX_CAUSE_CHARS;
use crate::http::schema::params::KeyHeader;
use crate::http::{Api, Problem, schema};
use crate::ports::{BulkOutcome, ParkedBulk, ParkedQuery};

const PATH: &str = "/quarantine/bulk";
const FILTER: [&str; 5] = ["service", "entity", "type", "cause", "olderThan"];

/// Replay or discard all parked messages that a filter finds
///
/// A request is about at most `limit` messages, oldest first; while the answer has a `next`, send it
/// again with that as its `cursor`. With `dryRun` nothing is done. A repeat under the same key goes
/// on with the same messages, and gets the same answer; another key begins anew. The messages of one
/// entity are tried in their order.
#[utoipa::path(
    post, path = "/quarantine/bulk", operation_id = "operateQuarantine", tag = "operations",
    params(KeyHeader),
    request_body(content = schema::ParkedBulk),
    responses((status = 200, description = "What was done to how many", body = BulkOutcome)),
)]
pub async fn operate_quarantine(
    request: HttpRequest,
    api: Data<Api>,
    payload: Payload,
) -> HttpResponse {
    commands::run::<OperateQuarantine>(request, api, payload).await
}

/// An operator does something to many parked messages.
struct OperateQuarantine {
    action: ParkedAction,
    which: ParkedQuery,
    given: Given,
    dry_run: bool,
    reason: Option<String>,
}

impl OperateQuarantine {
    fn of(mut body: Fields<'_>, errors: &mut Errors) -> Option<Self> {
        let actions = [ParkedAction::Replay, ParkedAction::Discard];
        let actions = actions.map(|action| (action.name(), action));
        let action = required_of(&mut body, "action", &actions, errors);

        let mut filter = body.object("filter", errors);
        let services = domain::SERVICES.map(|service| (service.name(), service));
        let service = one_of(&mut filter, "service", &services, errors);
        let entity = text_that(
            &mut filter,
            "entity",
            params::uuid,
            "must be a UUID",
            errors,
        );
        let message_type = some_text(&mut filter, "type", MAX_TYPE_CHARS, errors);
        let cause = some_text(&mut filter, "cause", MAX_CAUSE_CHARS, errors);
        let age = text_that(&mut filter, "olderThan", params::age, AGES, errors);
        filter.finish(&FILTER, errors);

        let mut given = Given::default();
        given.add("service", service.map(Service::name));
        given.add("entity", entity.as_ref().map(|(text, _)| text.as_str()));
        given.add("type", message_type.as_deref());
        given.add("cause", cause.as_deref());
        given.add("olderThan", age.as_ref().map(|(text, _)| text.as_str()));

        let manner = Manner::of(body, &given.seal(PATH), errors);
        let action = action?;
        if matches!(action, ParkedAction::Discard) && given.0.is_empty() {
            errors.add(
                "filter",
                "is required: nobody discards everything that is in quarantine",
            );
        }

        Some(OperateQuarantine {
            action,
            which: ParkedQuery {
                service,
                entity: entity.map(|(_, id)| id),
                message_type,
                cause,
                older_than: age.map(|(_, age)| age),
                page: manner.page,
            },
            given,
            dry_run: manner.dry_run,
            reason: manner.reason,
        })
    }
}

impl Command for OperateQuarantine {
    const TAKES: Takes = Takes::Object(MAX_BODY_BYTES);

    type Effect = (BulkOutcome, Given);

    fn meter(meters: &Meters) -> &Meter {
        &meters.operate_quarantine
    }

    fn read(_: &Asked<'_>, body: Fields<'_>) -> Result<Self, Problem> {
        let mut errors = Errors::default();
        let command = OperateQuarantine::of(body, &mut errors);
        errors.finish(command)
    }

    fn value(&self) -> impl Serialize {
        let page = &self.which.page;
        (
            (self.action.name(), &self.given),
            (self.dry_run, &self.reason),
            (page.limit, &page.cursor),
        )
    }

    async fn carry_out(self, doors: &Doors, caller: Caller) -> Result<Self::Effect, Problem> {
        let outcome = doors.bulk().parked(ParkedBulk {
            action: self.action,
            which: self.which,
            dry_run: self.dry_run,
            by: caller.as_operator(self.reason),
            binding: caller.binding,
        });
        Ok((outcome.await?, self.given))
    }

    async fn answer((outcome, given): Self::Effect, _: &Asked<'_>) -> HttpResponse {
        answered(outcome, &given.seal(PATH))
    }
}
