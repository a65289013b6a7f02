//! Many entities at once that views take in no longer.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use domain::Service;

use super::{FROM_THE_START, Given, Kind, OnAll, Wanted, one_of, required_of, text_that};
use crate::http::commands::{self, Doors};
use crate::http::fields::{Errors, Fields};
use crate::http::meter::{Meter, Meters};
use crate::http::params::{self, AGES};
use crate::http::sagas::MAX_CAUSE_CHARS;
use crate::http::schema::params::KeyHeader;
use crate::http::{Api, schema};
use crate::ports::{BulkFuture, BulkOutcome, InViewsBulk, InViewsQuery, Page, VIEWS, ViewAction};

const FILTER: [&str; 5] = ["view", "service", "entity", "cause", "olderThan"];

/// Heal all customers and orders that a filter finds in the quarantine of views
///
/// A request is about at most `limit` of them, oldest first; while the answer has a `next`, send it
/// again with that as its `cursor`. With `dryRun` nothing is done. A repeat under the same key goes
/// on with the same ones, and gets the same answer; another key begins anew. An entity that several
/// views take in no longer is meant in each of them.
#[utoipa::path(
    post, path = "/views/quarantine/bulk", operation_id = "operateQuarantineOfViews",
    tag = "operations",
    params(KeyHeader),
    request_body(content = schema::InViewsBulk),
    responses((status = 200, description = "What was done to how many", body = BulkOutcome)),
)]
pub async fn operate_quarantine_of_views(
    request: HttpRequest,
    api: Data<Api>,
    payload: Payload,
) -> HttpResponse {
    commands::run::<OnAll<InViews>>(request, api, payload).await
}

/// Entities in views.
struct InViews;

impl Kind for InViews {
    const PATH: &'static str = "/views/quarantine/bulk";

    type Action = ViewAction;
    type Query = InViewsQuery;

    fn meter(meters: &Meters) -> &Meter {
        &meters.operate_quarantine_of_views
    }

    fn name_of(action: &ViewAction) -> &'static str {
        action.name()
    }

    fn read(body: &mut Fields<'_>, errors: &mut Errors) -> (Wanted<Self>, Given) {
        let actions = [(ViewAction::Heal.name(), ViewAction::Heal)];
        let action = required_of(body, "action", &actions, errors);

        let mut filter = body.object("filter", errors);
        let view = one_of(&mut filter, "view", &VIEWS.map(|view| (view, view)), errors);
        let services = domain::SERVICES.map(|service| (service.name(), service));
        let service = one_of(&mut filter, "service", &services, errors);
        let allowed = "must be a UUID";
        let entity = text_that(&mut filter, "entity", params::uuid, allowed, errors);
        let cause = filter.text_if_any("cause", MAX_CAUSE_CHARS, errors);
        let age = text_that(&mut filter, "olderThan", params::age, AGES, errors);
        filter.finish(&FILTER, errors);

        let mut given = Given::default();
        given.add("view", view);
        given.add("service", service.map(Service::name));
        given.add("entity", entity.as_ref().map(|(text, _)| text.as_str()));
        given.add("cause", cause.as_deref());
        given.add("olderThan", age.as_ref().map(|(text, _)| text.as_str()));

        let query = InViewsQuery {
            view,
            service,
            entity: entity.map(|(_, id)| id),
            cause,
            older_than: age.map(|(_, age)| age),
            page: FROM_THE_START,
        };
        (action.map(|action| (action, query)), given)
    }

    fn page_of(query: &mut InViewsQuery) -> &mut Page {
        &mut query.page
    }

    fn carry_out(doors: &Doors, asked: InViewsBulk) -> BulkFuture<'_> {
        doors.bulk().in_views(asked)
    }
}
