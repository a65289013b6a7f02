//! What operators do to many things at once: an action, a filter, and a dry run to look first.
//!
//! Sagas, parked messages and entities in views differ in their actions and filters; how many are
//! taken at once, where a request goes on, and how a filter is read, is the same.

mod quarantine;
mod sagas;
#[cfg(test)]
mod tests;
mod views;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use serde::Serialize;

use super::Problem;
use super::commands::{Asked, Caller, Command, Doors, MAX_REASON_CHARS, Takes};
use super::cursor::Seal;
use super::fields::{Errors, Fields};
use super::meter::{Meter, Meters};
use super::problem::refuse_other_methods;
use crate::ports::{BulkFuture, BulkOutcome, OnMany, Page};

pub use quarantine::*;
pub use sagas::*;
pub use views::*;

/// One request is about this many at most.
const MAX_AT_ONCE: usize = 500;
const DEFAULT_AT_ONCE: usize = 100;
/// The largest body: a filter, a reason and a cursor.
const MAX_BODY_BYTES: usize = 65_536;

/// The fields of a body.
const FIELDS: [&str; 6] = ["action", "filter", "dryRun", "reason", "limit", "cursor"];

/// The routes `/sagas/bulk` and `/quarantine/bulk`; that of views is among the views' own.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/sagas/bulk")
                .route(web::post().to(operate_sagas))
                .default_service(refuse_other_methods("POST")),
        )
        .service(
            web::resource("/quarantine/bulk")
                .route(web::post().to(operate_quarantine))
                .default_service(refuse_other_methods("POST")),
        );
}

/// What of a filter was given, by name.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
struct Given(Vec<(&'static str, String)>);

impl Given {
    fn add(&mut self, name: &'static str, value: Option<impl Into<String>>) {
        self.0.extend(value.map(|value| (name, value.into())));
    }

    fn seal(&self, path: &str) -> Seal {
        let pairs = self.0.iter();
        Seal::of(path, pairs.map(|(name, value)| (*name, value.as_str())))
    }
}

/// The action and the filter of a request, when both can be read.
type Wanted<K> = Option<(<K as Kind>::Action, <K as Kind>::Query)>;

/// One kind of things that operators act on.
trait Kind: Sized + 'static {
    const PATH: &'static str;

    type Action: 'static;
    type Query: 'static;

    fn meter(meters: &Meters) -> &Meter;

    fn name_of(action: &Self::Action) -> &'static str;

    /// Takes action and filter. The query's page is not known yet.
    fn read(body: &mut Fields<'_>, errors: &mut Errors) -> (Wanted<Self>, Given);

    fn page_of(query: &mut Self::Query) -> &mut Page;

    fn carry_out(doors: &Doors, asked: OnMany<Self::Action, Self::Query>) -> BulkFuture<'_>;
}

/// Where a query begins before anything else is known.
const FROM_THE_START: Page = Page {
    limit: DEFAULT_AT_ONCE,
    cursor: None,
};

/// An operator does something to many things of one kind.
struct OnAll<K: Kind> {
    action: K::Action,
    query: K::Query,
    given: Given,
    manner: Manner,
}

impl<K: Kind> Command for OnAll<K> {
    const TAKES: Takes = Takes::Object(MAX_BODY_BYTES);

    type Effect = (BulkOutcome, Given);

    fn meter(meters: &Meters) -> &Meter {
        K::meter(meters)
    }

    fn read(_: &Asked<'_>, mut body: Fields<'_>) -> Result<Self, Problem> {
        let mut errors = Errors::default();
        let (asked, given) = K::read(&mut body, &mut errors);
        let manner = Manner::of(body, &given.seal(K::PATH), &mut errors);
        let (action, query) = errors.finish(asked)?;
        Ok(OnAll {
            action,
            query,
            given,
            manner,
        })
    }

    fn value(&self) -> impl Serialize {
        let Manner {
            dry_run,
            reason,
            page,
        } = &self.manner;
        (
            (K::name_of(&self.action), &self.given),
            (dry_run, reason),
            (page.limit, &page.cursor),
        )
    }

    async fn carry_out(self, doors: &Doors, caller: Caller) -> Result<Self::Effect, Problem> {
        let Manner {
            dry_run,
            reason,
            page,
        } = self.manner;
        let mut which = self.query;
        *K::page_of(&mut which) = page;

        let outcome = K::carry_out(
            doors,
            OnMany {
                action: self.action,
                which,
                dry_run,
                by: caller.as_operator(reason),
                binding: caller.binding,
            },
        );
        Ok((outcome.await?, self.given))
    }

    /// The cursor of what comes next is bound to the filter.
    async fn answer(
        (outcome, given): Self::Effect,
        _: &Asked<'_>,
    ) -> Result<HttpResponse, Problem> {
        Ok(HttpResponse::Ok().json(BulkOutcome {
            next: given.seal(K::PATH).put_on(outcome.next),
            ..outcome
        }))
    }
}

/// What every such request has.
struct Manner {
    dry_run: bool,
    reason: Option<String>,
    page: Page,
}

impl Manner {
    /// Takes the rest of the body.
    fn of(mut body: Fields<'_>, seal: &Seal, errors: &mut Errors) -> Self {
        let manner = Manner {
            dry_run: body.optional("dryRun", errors).unwrap_or(false),
            reason: body.text_if_any("reason", MAX_REASON_CHARS, errors),
            page: page(&mut body, seal, errors),
        };
        body.finish(&FIELDS, errors);
        manner
    }
}

/// How many at once, and from where on.
fn page(body: &mut Fields<'_>, seal: &Seal, errors: &mut Errors) -> Page {
    let limit = body.whole_number("limit", MAX_AT_ONCE, errors);

    let given: Option<String> = body.optional("cursor", errors);
    let cursor = given.as_deref().and_then(|text| seal.take_off(text));
    if given.is_some() && cursor.is_none() {
        errors.add(
            "cursor",
            "must be the next of an earlier answer to the same filter",
        );
    }
    Page {
        limit: limit.unwrap_or(DEFAULT_AT_ONCE),
        cursor: cursor.map(str::to_owned),
    }
}

/// A value that must be there, by its name, out of all there are.
fn required_of<T: Clone>(
    body: &mut Fields<'_>,
    field: &'static str,
    all: &[(&'static str, T)],
    errors: &mut Errors,
) -> Option<T> {
    if !body.has(field) {
        errors.add(field, "is required");
    }
    one_of(body, field, all, errors)
}

/// A value by its name, out of all there are.
fn one_of<T: Clone>(
    fields: &mut Fields<'_>,
    field: &'static str,
    all: &[(&'static str, T)],
    errors: &mut Errors,
) -> Option<T> {
    let find = |text: &str| {
        let found = all.iter().find(|(name, _)| *name == text);
        found.map(|(_, one)| one.clone())
    };
    let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
    let allowed = format!("must be one of {}", names.join(", "));
    text_that(fields, field, find, &allowed, errors).map(|(_, one)| one)
}

/// A text, and what it is read as; `None` when it is not there or wrong.
fn text_that<T>(
    fields: &mut Fields<'_>,
    field: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
    allowed: &str,
    errors: &mut Errors,
) -> Option<(String, T)> {
    let text: String = fields.optional(field, errors)?;
    let found = read(&text);
    if found.is_none() {
        errors.add(fields.path(field), allowed);
    }
    found.map(|found| (text, found))
}
