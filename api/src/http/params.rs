//! Query strings and path ids, read strictly: an unknown or repeated parameter is an error, and one
//! answer names all mistakes.

use std::time::Duration;

use actix_web::HttpRequest;
use domain::{Money, OrderState, Timestamp};
use uuid::Uuid;

use super::Problem;
use super::cursor::Seal;
use super::fields::{Errors, NOT_STORABLE, storable};
use crate::config::value;
use crate::ports::Page;

const MAX_PAGE: usize = 200;
const DEFAULT_PAGE: usize = 20;
const MAX_CURSOR_BYTES: usize = 2048;

/// The parameters that say which part of a list to show and in which order, not what belongs to it.
/// A list's own cursor tells its order.
const NO_FILTERS: [&str; 3] = ["limit", "cursor", "sort"];

/// The parameters of a query string, and what is wrong with them.
pub struct Params {
    path: String,
    /// By name; a value is absent when it cannot be read.
    pairs: Vec<(String, Option<String>)>,
    errors: Errors,
}

impl Params {
    /// Takes the query string apart; [`Params::finish`] tells what is wrong with its parts.
    pub fn of(request: &HttpRequest, known: &[&'static str]) -> Self {
        let mut params = Params {
            path: request.path().to_owned(),
            pairs: Vec::new(),
            errors: Errors::default(),
        };

        for pair in request
            .query_string()
            .split('&')
            .filter(|pair| !pair.is_empty())
        {
            let (raw_name, raw_value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(raw_name).unwrap_or_else(|| raw_name.to_owned());
            if !known.contains(&name.as_str()) {
                let allowed = if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                };
                params
                    .errors
                    .add(name, format!("is an unknown parameter; allowed: {allowed}"));
            } else if params.pairs.iter().any(|(earlier, _)| *earlier == name) {
                params.errors.add(name, "must be given once");
            } else {
                params.pairs.push((name, decoded(raw_value)));
            }
        }

        params
    }

    /// # Errors
    /// All that is wrong with the parameters.
    pub fn finish(self) -> Result<(), Problem> {
        self.errors.finish(Some(()))
    }

    /// A parameter as `parse` reads it; `None` when it is not there or wrong.
    pub fn get<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
        allowed: impl FnOnce() -> String,
    ) -> Option<T> {
        let (_, value) = self.pairs.iter().find(|(given, _)| given == name)?;
        let Some(value) = value else {
            self.errors.add(
                name,
                "must be UTF-8, with %XX for the bytes that are escaped",
            );
            return None;
        };

        let parsed = parse(value);
        if parsed.is_none() {
            self.errors.add(name, allowed());
        }

        parsed
    }

    /// A value by its name, out of all there are.
    pub fn named<T: Copy>(
        &mut self,
        name: &'static str,
        all: &[T],
        name_of: fn(T) -> &'static str,
    ) -> Option<T> {
        let parse = |text: &str| all.iter().copied().find(|one| name_of(*one) == text);
        self.get(name, parse, || {
            let names: Vec<&str> = all.iter().map(|one| name_of(*one)).collect();
            format!("must be one of {}", names.join(", "))
        })
    }

    /// A state of orders, by its name.
    pub fn order_state(&mut self, name: &'static str) -> Option<OrderState> {
        self.named(name, &OrderState::ALL, OrderState::name)
    }

    /// An RFC 3339 time. An unescaped `+` has become a space on its way here; it counts as a `+`.
    pub fn time(&mut self, name: &'static str) -> Option<Timestamp> {
        let parse = |text: &str| match text.rsplit_once(' ') {
            Some((time, offset)) if time.contains(['T', 't']) => {
                format!("{time}+{offset}").parse().ok()
            }
            _ => text.parse().ok(),
        };
        self.get(name, parse, || {
            "must be an RFC 3339 time such as 2026-01-31T12:00:00Z".to_owned()
        })
    }

    /// A length of time, with its unit.
    pub fn age(&mut self, name: &'static str) -> Option<Duration> {
        self.get(name, age, || AGES.to_owned())
    }

    /// An amount of money, 0 or more.
    pub fn money(&mut self, name: &'static str) -> Option<Money> {
        let parse = |text: &str| {
            text.parse()
                .ok()
                .filter(|amount: &Money| !amount.is_negative())
        };
        self.get(name, parse, || {
            "must be an amount such as 12.34, 0 or more, with at most two decimals".to_owned()
        })
    }

    /// A UUID of 36 characters, with hyphens.
    pub fn uuid(&mut self, name: &'static str) -> Option<Uuid> {
        self.get(name, uuid, || "must be a UUID".to_owned())
    }

    /// A text of 1 to `longest` characters after trimming, such as databases take it.
    pub fn text(&mut self, name: &'static str, longest: usize) -> Option<String> {
        let parse = |text: &str| {
            let text = text.trim();
            (1..=longest)
                .contains(&text.chars().count())
                .then(|| text.to_owned())
        };
        let text = self.get(name, parse, || {
            format!("must have 1 to {longest} characters")
        })?;
        if !storable(&text) {
            self.errors.add(name, NOT_STORABLE);
            return None;
        }
        Some(text)
    }

    /// A whole number, in digits alone.
    pub fn number(&mut self, name: &'static str) -> Option<u64> {
        self.get(name, digits, || "must be a whole number".to_owned())
    }

    /// `limit` and `cursor` of a list.
    pub fn page(&mut self) -> Page {
        let seal = self.seal();
        let limit = self.limit(MAX_PAGE).unwrap_or(DEFAULT_PAGE);
        let cursor = self.cursor_that(|text| seal.take_off(text).map(str::to_owned));
        Page { limit, cursor }
    }

    /// The seal on the cursors of this query.
    pub fn seal(&self) -> Seal {
        let filters = self
            .pairs
            .iter()
            .filter(|(name, _)| !NO_FILTERS.contains(&name.as_str()));
        Seal::of(
            &self.path,
            filters.filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?))),
        )
    }

    /// `limit`, when it is given.
    pub fn limit(&mut self, largest: usize) -> Option<usize> {
        let parse = |text: &str| {
            let limit = digits(text).and_then(|limit| usize::try_from(limit).ok());
            limit.filter(|limit| (1..=largest).contains(limit))
        };
        self.get("limit", parse, || {
            format!("must be a whole number from 1 to {largest}")
        })
    }

    /// `cursor`, when it is given. Only the list can tell whether it is one of its own.
    pub fn cursor(&mut self) -> Option<String> {
        self.cursor_that(|text| Some(text.to_owned()))
    }

    fn cursor_that(&mut self, read: impl FnOnce(&str) -> Option<String>) -> Option<String> {
        let parse = |text: &str| {
            let fits = (1..=MAX_CURSOR_BYTES).contains(&text.len());
            fits.then(|| read(text)).flatten()
        };
        self.get("cursor", parse, || {
            "must be the next of an earlier answer to the same query".to_owned()
        })
    }

    /// Notes what is wrong with a parameter that could be read.
    pub fn add_error(&mut self, name: &'static str, message: &str) {
        self.errors.add(name, message);
    }
}

/// What a length of time may be.
pub const AGES: &str =
    "must be a whole number of at most nine digits with a unit, such as 500ms, 30s, 10m, 24h";
/// Longer than anything is ago here.
const LONGEST_AGE: Duration = Duration::from_secs(999_999_999 * 3_600);

/// A length of time as callers write it.
pub fn age(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let parsed = || value::duration(text, Duration::ZERO..=LONGEST_AGE).ok();
    (1..=9).contains(&digits).then(parsed).flatten()
}

/// Refuses any query parameter.
///
/// # Errors
/// The parameters that are there.
pub fn none(request: &HttpRequest) -> Result<(), Problem> {
    Params::of(request, &[]).finish()
}

/// Decodes a name or value of a query string: `+` for a space, `%XX` for a byte. `None` when it is
/// not escaped in this way, or is no UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());

    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || {
                    char::from(rest.next()?)
                        .to_digit(16)
                        .and_then(|digit| u8::try_from(digit).ok())
                };
                digit()? * 16 + digit()?
            }
            other => other,
        });
    }

    String::from_utf8(bytes).ok()
}

/// The `{id}` of the path.
///
/// # Errors
/// An id that is no UUID.
pub fn path_id(request: &HttpRequest) -> Result<Uuid, Problem> {
    let id = request.match_info().get("id").and_then(uuid);
    id.ok_or_else(|| Problem::invalid_field("id", "must be a UUID"))
}

/// A UUID in its one usual form, with hyphens.
pub fn uuid(text: &str) -> Option<Uuid> {
    const LENGTH: usize = 36;
    Uuid::try_parse(text).ok().filter(|_| text.len() == LENGTH)
}

fn digits(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
