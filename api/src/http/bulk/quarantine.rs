//! Many parked messages at once.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use actors::ParkedAction;
use domain::Service;

use super::{FROM_THE_START, Given, Kind, OnAll, one_of, required_of, text_that};
use crate::http::commands::{self, Doors};
use crate::http::fields::{Errors, Fields};
use crate::http::meter::{Meter, Meters};
use crate::http::params::{self, AGES};
use crate::http::quarantine::MAX_TYPE_CHARS;
use crate::http::sagas::MAX_CAUSE_CHARS;
use crate::http::schema::params::KeyHeader;
use crate::http::{Api, schema};
use crate::ports::{BulkFuture, BulkOutcome, Page, ParkedBulk, ParkedQuery};

const FILTER: [&str; 5] = ["service", "entity", "type", "cause", "olderThan"];

/// Replay or discard all parked messages that a filter finds
///
/// A request is about at most `limit` messages, oldest first; while the answer has a `next`, send
/// it again with that as its `cursor`. With `dryRun` nothing is done. A repeat under the same key
/// goes on with the same messages, and gets the same answer; another key begins anew. The messages
/// of one entity are tried in their order.
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
    commands::run::<OnAll<ParkedMessages>>(request, api, payload).await
}

/// Parked messages.
struct ParkedMessages;

impl Kind for ParkedMessages {
    const PATH: &'static str = "/quarantine/bulk";

    type Action = ParkedAction;
    type Query = ParkedQuery;

    fn meter(meters: &Meters) -> &Meter {
        &meters.operate_quarantine
    }

    fn name_of(action: &ParkedAction) -> &'static str {
        action.name()
    }

    fn read(
        body: &mut Fields<'_>,
        errors: &mut Errors,
    ) -> (Option<(ParkedAction, ParkedQuery)>, Given) {
        let actions = [ParkedAction::Replay, ParkedAction::Discard];
        let actions = actions.map(|action| (action.name(), action));
        let action = required_of(body, "action", &actions, errors);

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
        let message_type = filter.text_if_any("type", MAX_TYPE_CHARS, errors);
        let cause = filter.text_if_any("cause", MAX_CAUSE_CHARS, errors);
        let age = text_that(&mut filter, "olderThan", params::age, AGES, errors);
        filter.finish(&FILTER, errors);

        let mut given = Given::default();
        given.add("service", service.map(Service::name));
        given.add("entity", entity.as_ref().map(|(text, _)| text.as_str()));
        given.add("type", message_type.as_deref());
        given.add("cause", cause.as_deref());
        given.add("olderThan", age.as_ref().map(|(text, _)| text.as_str()));

        if matches!(action, Some(ParkedAction::Discard)) && given.0.is_empty() {
            errors.add(
                "filter",
                "is required: nobody discards everything that is in quarantine",
            );
        }

        let query = ParkedQuery {
            service,
            entity: entity.map(|(_, id)| id),
            message_type,
            cause,
            older_than: age.map(|(_, age)| age),
            page: FROM_THE_START,
        };
        (action.map(|action| (action, query)), given)
    }

    fn page_of(query: &mut ParkedQuery) -> &mut Page {
        &mut query.page
    }

    fn carry_out(doors: &Doors, asked: ParkedBulk) -> BulkFuture<'_> {
        doors.bulk().parked(asked)
    }
}
