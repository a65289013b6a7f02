//! One violation, with both values, and how the first difference between two documents is found.

use std::error::Error as _;
use std::fmt;

use serde::Serialize;
use serde_json::Value;
use store::StoreError;
use store::mapping::UnreadableColumn;
use store::snapshot::UnreadableRow;

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

    /// What is known of a row with a value that its column should not hold.
    pub(super) fn unreadable(row: &UnreadableRow) -> Self {
        let what = match &row.column {
            Some(column) => format!("column {column}"),
            None => "row".to_owned(),
        };
        let expected = "what can be read";
        Problem::new(row_of(row.table, &row.key), what, expected, &row.found)
    }

    pub(super) fn of(subject: impl fmt::Display, mismatch: Mismatch) -> Self {
        Problem::new(subject, mismatch.what, mismatch.expected, mismatch.found)
    }
}

/// A row by its table and key.
pub(super) fn row_of(table: &str, key: impl fmt::Display) -> String {
    format!("row {key} of {table}")
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
        Mismatch::new(what, "something readable", store::error::chain(error))
    }

    /// Of a row that a node could not read: which column is to blame, when that is known.
    pub(super) fn of_row(error: &StoreError) -> Self {
        if let StoreError::Corrupt { source, .. } = error
            && let Some(unreadable) = source.downcast_ref::<UnreadableColumn>()
        {
            let found = unreadable
                .source()
                .map_or_else(String::new, store::error::chain);
            let what = format_args!("column {}", unreadable.column);
            return Mismatch::new(what, "what can be read", found);
        }
        Mismatch::unreadable("row", error)
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
