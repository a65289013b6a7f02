//! Moments in order, with the time between them: how `explain` tells what happened.
//!
//! Pure layout. Times of several services may be equal or a little apart in the wrong direction; a
//! rank puts causes before effects when times are equal, and a negative distance is shown as it is.

use std::fmt::Write;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::table::one_line;

/// Who did something, causes before effects: a saga notes a step after its participant has done it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    Http,
    Customers,
    Orders,
    Saga,
    Operator,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Orders => "orders",
            Self::Saga => "saga",
            Self::Operator => "operator",
            Self::Customers => "customers",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// When it happened.
    #[serde(serialize_with = "as_text")]
    pub at: Timestamp,
    /// Who did it.
    pub place: Place,
    /// What happened, in words.
    pub what: String,
    /// The entity's version after it, where it is an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The event's own id, where it is an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// More of it, for a line beneath.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Since the moment before, in milliseconds.
    pub delta_ms: f64,
}

fn as_text<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// Puts moments in order and computes the distances.
pub fn arrange(mut moments: Vec<Moment>) -> Vec<Moment> {
    moments.sort_by_key(|moment| (moment.at, moment.place));
    let mut before: Option<Timestamp> = None;
    for moment in &mut moments {
        moment.delta_ms = before.map_or(0.0, |before| millis(before, moment.at));
        before = Some(moment.at);
    }
    moments
}

/// One line per moment, its detail and message id beneath.
pub fn render(moments: &[Moment]) -> String {
    let mut text = String::new();

    for moment in moments {
        let version = moment
            .version
            .map_or_else(String::new, |version| format!(" (version {version})"));
        let place = moment.place.name();
        let _ = writeln!(
            text,
            "{:<27} {:>+11.3} ms  {place:<9}  {}{version}",
            moment.at,
            moment.delta_ms,
            one_line(&moment.what)
        );
        if let Some(id) = &moment.message_id {
            let _ = writeln!(text, "{:55}message {id}", "");
        }
        if let Some(detail) = &moment.detail {
            let _ = writeln!(text, "{:55}{}", "", one_line(detail));
        }
    }

    text
}

/// Milliseconds between two times as the contract writes them; `None` when one is no time.
pub fn millis_between(from: &str, to: &str) -> Option<f64> {
    Some(millis(from.parse().ok()?, to.parse().ok()?))
}

fn millis(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(at: &str, place: Place, what: &str) -> Moment {
        Moment {
            at: at.parse().unwrap(),
            place,
            what: what.into(),
            version: None,
            message_id: None,
            detail: None,
            delta_ms: 0.0,
        }
    }

    #[test]
    fn moments_are_in_order_with_the_time_between_them() {
        let moments = arrange(vec![
            moment(
                "2026-01-01T00:00:00.004Z",
                Place::Customers,
                "credit.reserved",
            ),
            moment("2026-01-01T00:00:00.001Z", Place::Orders, "order.created"),
            moment("2026-01-01T00:00:00.001Z", Place::Http, "POST /orders"),
        ]);
        let what: Vec<&str> = moments.iter().map(|moment| moment.what.as_str()).collect();
        assert_eq!(what, ["POST /orders", "order.created", "credit.reserved"]);

        assert!((moments[2].delta_ms - 3.0).abs() < 0.0001);
        let text = render(&moments);
        assert!(
            text.contains("+3.000 ms  customers  credit.reserved\n"),
            "{text}"
        );
    }

    #[test]
    fn what_is_no_time_has_no_distance() {
        assert_eq!(
            millis_between("2026-01-01T00:00:00Z", "2026-01-01T00:00:01.5Z"),
            Some(1500.0)
        );
        assert_eq!(millis_between("yesterday", "2026-01-01T00:00:01.5Z"), None);
    }
}
