//! One violation, with both values, and how the first difference between two documents is found.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// What is wrong with one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// For example `order 0190a5c8-…`.
    pub subject: String,
    /// Which of its values, for example `state`.
    pub what: String,
    /// The value that it should have.
    pub expected: String,
    /// The value that it has.
    pub found: String,
}

impl Problem {
    pub(super) fn new(
        subject: impl fmt::Display,
        what: impl fmt::Display,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Problem {
            subject: subject.to_string(),
            what: what.to_string(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    pub(super) fn of(subject: impl fmt::Display, mismatch: Mismatch) -> Self {
        Problem::new(subject, mismatch.what, mismatch.expected, mismatch.found)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}: expected {}, found {}",
            self.subject, self.what, self.expected, self.found
        )
    }
}

/// A [`Problem`] whose subject the caller knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    pub what: String,
    /// The value that it should have.
    pub expected: String,
    /// The value that it has.
    pub found: String,
}

impl Mismatch {
    pub(super) fn new(
        what: impl fmt::Display,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Mismatch {
            what: what.to_string(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    pub(super) fn unreadable(what: impl fmt::Display, error: &dyn std::error::Error) -> Self {
        let mut found = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            found = format!("{found}: {cause}");
            source = cause.source();
        }
        Mismatch::new(what, "something readable", found)
    }
}

/// The first field in which two documents of one type differ; `None` when they are equal.
pub(super) fn difference<T: PartialEq + Serialize>(
    what: &str,
    expected: &T,
    found: &T,
) -> Option<Mismatch> {
    if expected == found {
        return None;
    }

    let fields = |value: &T| match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (expected, found) = (fields(expected), fields(found));

    let shown = |fields: &serde_json::Map<String, Value>, name: &str| match fields.get(name) {
        None | Some(Value::Null) => "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };

    let mut names = expected.keys().chain(found.keys());
    let differs = names.find(|name| expected.get(*name) != found.get(*name));

    let name = differs.map_or("value", String::as_str);
    Some(Mismatch::new(
        format_args!("{what} {name}"),
        shown(&expected, name),
        shown(&found, name),
    ))
}
