//! Many sagas at once.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use actors::SagaAction;
use domain::OrderId;
use domain::saga::{self, SagaState};
use serde::Serialize;

use super::{Given, MAX_BODY_BYTES, Manner, answered, one_of, required_of, some_text, text_that};
use crate::http::commands::{self, Asked, Caller, Command, Doors, Takes};
use crate::http::fields::{Errors, Fields};
use crate::http::meter::{Meter, Meters};
use crate::http::params::{self, AGES};
use crate::http::sagas::MAX_CAUSE_CHARS;
use crate::http::schema::params::KeyHeader;
use crate::http::{Api, Problem, schema};
use crate::ports::{BulkOutcome, SagaBulk, SagaQuery};

const PATH: &str = "/sagas/bulk";
const FILTER: [&str; 5] = ["type", "state", "olderThan", "entity", "cause"];

/// Do something to all sagas that a filter finds
///
/// A request is about at most `limit` sagas, newest first; while the answer has a `next`, send it
/// again with that as its `cursor`. With `dryRun` nothing is done. A repeat under the same key goes
/// on with the same sagas, and gets the same answer; another key begins anew.
#[utoipa::path(
    post, path = "/sagas/bulk", operation_id = "operateSagas", tag = "operations",
    params(KeyHeader),
    request_body(content = schema::SagaBulk),
    responses((status = 200, description = "What was done to how many", body = BulkOutcome)),
)]
pub async fn operate_sagas(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    commands::run::<OperateSagas>(request, api, payload).await
}

/// An operator does something to many sagas.
struct OperateSagas {
    action: SagaAction,
    which: SagaQuery,
    given: Given,
    dry_run: bool,
    reason: Option<String>,
}

impl OperateSagas {
    fn of(mut body: Fields<'_>, errors: &mut Errors) -> Option<Self> {
        let actions = SagaAction::ALL.map(|action| (action.name(), action));
        let action = required_of(&mut body, "action", &actions, errors);

        let mut filter = body.object("filter", errors);
        let types = saga::TYPES.map(|kind| (kind, kind));
        let kind = one_of(&mut filter, "type", &types, errors);
        let states = SagaState::ALL.map(|state| (state.name(), state));
        let state = one_of(&mut filter, "state", &states, errors);
        let age = text_that(&mut filter, "olderThan", params::age, AGES, errors);
        let entity = text_that(
            &mut filter,
            "entity",
            params::uuid,
            "must be a UUID",
            errors,
        );
        let cause = some_text(&mut filter, "cause", MAX_CAUSE_CHARS, errors);
        filter.finish(&FILTER, errors);

        let mut given = Given::default();
        given.add("type", kind);
        given.add("state", state.map(SagaState::name));
        given.add("olderThan", age.as_ref().map(|(text, _)| text.as_str()));
        given.add("entity", entity.as_ref().map(|(text, _)| text.as_str()));
        given.add("cause", cause.as_deref());

        let manner = Manner::of(body, &given.seal(PATH), errors);
        let action = action?;
        let state = state_for(action, state, given.0.is_empty(), errors)?;
        Some(OperateSagas {
            action,
            which: SagaQuery {
                kind,
                state: Some(state),
                older_than: age.map(|(_, age)| age),
                order: entity.map(|(_, id)| OrderId(id)),
                cause,
                page: manner.page,
            },
            given,
            dry_run: manner.dry_run,
            reason: manner.reason,
        })
    }
}

/// The state of the sagas that are meant: only stuck ones can be retried or given up.
fn state_for(
    action: SagaAction,
    asked: Option<SagaState>,
    is_unfiltered: bool,
    errors: &mut Errors,
) -> Option<SagaState> {
    match (action, asked) {
        (SagaAction::Cancel, _) if is_unfiltered => {
            errors.add(
                "filter",
                "is required: nobody cancels everything that is under way",
            );
            None
        }
        (SagaAction::Cancel, asked) => Some(asked.unwrap_or(SagaState::Running)),
        (SagaAction::Retry | SagaAction::Abandon, None | Some(SagaState::Stuck)) => {
            Some(SagaState::Stuck)
        }
        (SagaAction::Abandon, Some(SagaState::Abandoned)) => asked,
        (SagaAction::Retry | SagaAction::Abandon, Some(_)) => {
            errors.add(
                "filter.state",
                "must be STUCK: only those can be retried or given up",
            );
            None
        }
    }
}

impl Command for OperateSagas {
    const TAKES: Takes = Takes::Object(MAX_BODY_BYTES);

    type Effect = (BulkOutcome, Given);

    fn meter(meters: &Meters) -> &Meter {
        &meters.operate_sagas
    }

    fn read(_: &Asked<'_>, body: Fields<'_>) -> Result<Self, Problem> {
        let mut errors = Errors::default();
        let command = OperateSagas::of(body, &mut errors);
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
        let outcome = doors.bulk().sagas(SagaBulk {
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
