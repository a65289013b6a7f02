//! What operators do to many things at once: an action, a filter, and a dry run to look first.
//!
//! Sagas and parked messages differ in their actions and filters; how many are taken at once, where
//! a request goes on, and how a filter is read, is the same.

mod quarantine;
mod sagas;
#[cfg(test)]
mod tests;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use serde::Serialize;

use super::commands::MAX_REASON_CHARS;
use super::cursor::Seal;
use super::fields::{Errors, Fields};
use super::problem::refuse_other_methods;
use crate::ports::{BulkOutcome, Page};

pub use quarantine::*;
pub use sagas::*;

/// One request is about at most so many.
const MAX_AT_ONCE: usize = 500;
const DEFAULT_AT_ONCE: usize = 100;
/// The largest body: a filter, a reason and a cursor.
const MAX_BODY_BYTES: usize = 65_536;

/// The fields of a body.
const FIELDS: [&str; 6] = ["action", "filter", "dryRun", "reason", "limit", "cursor"];

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
            reason: body.optional_text("reason", MAX_REASON_CHARS, errors),
            page: page(&mut body, seal, errors),
        };
        body.finish(&FIELDS, errors);
        manner
    }
}

/// How many at once, and from where on.
fn page(body: &mut Fields<'_>, seal: &Seal, errors: &mut Errors) -> Page {
    // A whole number may have zeros behind the point.
    let asked: Option<f64> = body.optional("limit", errors);
    let mut allowed = 1..=MAX_AT_ONCE;
    let limit = asked.map_or(Some(DEFAULT_AT_ONCE), |asked| {
        allowed.find(|limit| asked.to_string() == limit.to_string())
    });
    if limit.is_none() {
        let allowed = format!("must be a whole number from 1 to {MAX_AT_ONCE}");
        errors.add("limit", allowed);
    }

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

/// A text that may be left out, but not be empty.
fn some_text(
    fields: &mut Fields<'_>,
    field: &'static str,
    longest: usize,
    errors: &mut Errors,
) -> Option<String> {
    if !fields.has(field) {
        // It may be there and say nothing.
        return fields.optional::<String>(field, errors);
    }
    fields.text(field, longest, errors)
}

/// The cursor of what comes next is bound to the filter.
fn answered(outcome: BulkOutcome, seal: &Seal) -> HttpResponse {
    HttpResponse::Ok().json(BulkOutcome {
        next: seal.put_on(outcome.next),
        ..outcome
    })
}
