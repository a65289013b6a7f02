//! Many sagas at once.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use actors::SagaAction;
use domain::OrderId;
use domain::saga::{self, SagaState};

use super::{FROM_THE_START, Given, Kind, OnAll, one_of, required_of, text_that};
use crate::http::commands::{self, Doors};
use crate::http::fields::{Errors, Fields};
use crate::http::meter::{Meter, Meters};
use crate::http::params::{self, AGES};
use crate::http::sagas::MAX_CAUSE_CHARS;
use crate::http::schema::params::KeyHeader;
use crate::http::{Api, schema};
use crate::ports::{BulkFuture, BulkOutcome, Page, SagaBulk, SagaQuery};

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
    commands::run::<OnAll<ManySagas>>(request, api, payload).await
}

/// Sagas.
struct ManySagas;

impl Kind for ManySagas {
    const PATH: &'static str = "/sagas/bulk";

    type Action = SagaAction;
    type Query = SagaQuery;

    fn meter(meters: &Meters) -> &Meter {
        &meters.operate_sagas
    }

    fn name_of(action: &SagaAction) -> &'static str {
        action.name()
    }

    fn read(
        body: &mut Fields<'_>,
        errors: &mut Errors,
    ) -> (Option<(SagaAction, SagaQuery)>, Given) {
        let actions = SagaAction::ALL.map(|action| (action.name(), action));
        let action = required_of(body, "action", &actions, errors);

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
        let cause = filter.text_if_any("cause", MAX_CAUSE_CHARS, errors);
        filter.finish(&FILTER, errors);

        let mut given = Given::default();
        given.add("type", kind);
        given.add("state", state.map(SagaState::name));
        given.add("olderThan", age.as_ref().map(|(text, _)| text.as_str()));
        given.add("entity", entity.as_ref().map(|(text, _)| text.as_str()));
        given.add("cause", cause.as_deref());

        let state = action.and_then(|action| state_for(action, state, given.0.is_empty(), errors));
        let query = SagaQuery {
            kind,
            state,
            older_than: age.map(|(_, age)| age),
            order: entity.map(|(_, id)| OrderId(id)),
            cause,
            page: FROM_THE_START,
        };
        let is_whole = query.state.is_some();
        (
            action.filter(|_| is_whole).map(|action| (action, query)),
            given,
        )
    }

    fn page_of(query: &mut SagaQuery) -> &mut Page {
        &mut query.page
    }

    fn carry_out(doors: &Doors, asked: SagaBulk) -> BulkFuture<'_> {
        doors.bulk().sagas(asked)
    }
}

/// The state of the sagas that are meant: only stuck ones can be retried or given up, and only open
/// ones cancelled.
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
        (SagaAction::Cancel, Some(state)) if state.has_ended() => {
            errors.add(
                "filter.state",
                "must be RUNNING, COMPENSATING or STUCK: what has ended cannot be cancelled",
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
