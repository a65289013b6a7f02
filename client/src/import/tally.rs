//! What an import has done, counted as it goes, and the summary made of it.
//!
//! Orders are counted by the state they were last seen in, so a run that repeats an earlier one
//! counts the same.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::book::OrderState;
use crate::ClientError;

/// Errors kept for the summary; each is reported when it happens, and all are counted.
const MOST_ERRORS: usize = 1_000;
/// Latencies are kept in microseconds up to an hour, to three digits.
const LONGEST_MICROS: u64 = 3_600_000_000;

/// The end of an import, as `--json` prints it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Customers that the file has opened.
    pub customers: u64,
    /// Orders that the file has placed.
    pub orders: u64,
    /// Orders by the state in which they were seen last.
    pub states: BTreeMap<OrderState, u64>,
    /// Rejected orders by their reason.
    pub rejected_by: BTreeMap<String, u64>,
    /// Lines that asked to ship or cancel an order, and were refused.
    pub refused: Refused,
    /// Lines that were not played.
    pub skipped: u64,
    /// From the first line to the end of the last saga.
    pub seconds: f64,
    /// How long it then took until every view showed it.
    pub views_seconds: f64,
    /// Orders placed, by `seconds`.
    pub orders_per_second: f64,
    /// From request to final state.
    pub latency_ms: Latency,
    /// What was wrong with skipped lines, the first thousand.
    pub errors: Vec<LineError>,
}

/// Lines whose order was in a state that did not allow what they asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// How many asked to ship in vain.
    pub ship_refused: u64,
    /// How many asked to cancel in vain.
    pub cancel_refused: u64,
}

/// How long orders took, in milliseconds; 0 when there were none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// A line that was not played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineError {
    /// Its number in the input, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub message: String,
}

/// The counters of a running import.
#[derive(Debug)]
pub struct Tally {
    /// Customers that the file has opened.
    pub customers: u64,
    /// Orders that the file has placed.
    pub orders: u64,
    states: BTreeMap<OrderState, u64>,
    rejected_by: BTreeMap<String, u64>,
    /// Lines that asked to ship or cancel an order, and were refused.
    pub refused: Refused,
    skipped: u64,
    errors: Vec<LineError>,
    latencies: Option<Histogram<u64>>,
}

impl Tally {
    /// Nothing is counted yet. The summary shows APPROVED, CANCELLED, REJECTED and SHIPPED even
    /// at 0.
    pub fn new() -> Self {
        let states = [
            OrderState::Approved,
            OrderState::Cancelled,
            OrderState::Rejected,
            OrderState::Shipped,
        ];
        Self {
            customers: 0,
            orders: 0,
            states: states.into_iter().map(|state| (state, 0)).collect(),
            rejected_by: BTreeMap::new(),
            refused: Refused::default(),
            skipped: 0,
            errors: Vec::new(),
            // The bounds are constants that the histogram accepts; without one no latency would be
            // told, nothing else would change.
            latencies: Histogram::new_with_bounds(1, LONGEST_MICROS, 3).ok(),
        }
    }

    /// An order was placed; after `took` its saga has left it in this state.
    pub fn order_placed(&mut self, state: OrderState, reason: Option<String>, took: Duration) {
        self.orders += 1;
        *self.states.entry(state).or_default() += 1;
        if state == OrderState::Rejected {
            *self
                .rejected_by
                .entry(reason.unwrap_or_else(|| "UNKNOWN".to_owned()))
                .or_default() += 1;
        }
        if let Some(latencies) = &mut self.latencies {
            latencies.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    }

    /// An order has gone from the state it was last seen in to another one.
    pub fn order_changed(&mut self, before: Option<OrderState>, now: OrderState) {
        if let Some(count) = before.and_then(|before| self.states.get_mut(&before)) {
            *count = count.saturating_sub(1);
        }
        *self.states.entry(now).or_default() += 1;
    }

    /// A line was not played, for this reason.
    pub fn skipped(&mut self, line: u64, message: String) {
        self.skipped += 1;
        if self.errors.len() < MOST_ERRORS {
            self.errors.push(LineError { line, message });
        }
    }

    /// Sums up: the lines took `playing`, the views then `confirming`.
    pub fn summary(mut self, playing: Duration, confirming: Duration) -> Summary {
        self.states.retain(|state, count| {
            *count > 0 || !matches!(state, OrderState::Pending | OrderState::CancelPending)
        });

        let seconds = playing.as_secs_f64();
        let orders = f64::from(u32::try_from(self.orders).unwrap_or(u32::MAX));

        Summary {
            customers: self.customers,
            orders: self.orders,
            states: self.states,
            rejected_by: self.rejected_by,
            refused: self.refused,
            skipped: self.skipped,
            seconds: rounded(seconds),
            views_seconds: rounded(confirming.as_secs_f64()),
            orders_per_second: if seconds > 0.0 {
                rounded(orders / seconds)
            } else {
                0.0
            },
            latency_ms: Latency::of(self.latencies.as_ref()),
            errors: self.errors,
        }
    }
}

impl Latency {
    fn of(latencies: Option<&Histogram<u64>>) -> Self {
        let millis = |micros: u64| rounded(Duration::from_micros(micros).as_secs_f64() * 1_000.0);
        let quantile = |q| millis(latencies.map_or(0, |histogram| histogram.value_at_quantile(q)));
        Self {
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            max: millis(latencies.map_or(0, Histogram::max)),
        }
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

impl Summary {
    /// The summary as one JSON object.
    pub fn to_json(&self) -> Result<String, ClientError> {
        serde_json::to_string(self).map_err(|error| ClientError::Output(error.into()))
    }

    fn count(&self, state: OrderState) -> u64 {
        self.states.get(&state).copied().unwrap_or_default()
    }

    /// The summary for a person.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (label, value) in self.orders_in_rows().into_iter().chain(self.work_in_rows()) {
            let _ = writeln!(text, "{label:<18} {value}");
        }
        text
    }

    /// What there is now.
    fn orders_in_rows(&self) -> Vec<(&'static str, String)> {
        let rejected = format!("{}{}", self.count(OrderState::Rejected), self.reasons());
        let mut rows = vec![
            ("customers", self.customers.to_string()),
            ("orders", self.orders.to_string()),
            ("  approved", self.count(OrderState::Approved).to_string()),
            ("  shipped", self.count(OrderState::Shipped).to_string()),
            ("  cancelled", self.count(OrderState::Cancelled).to_string()),
            ("  rejected", rejected),
        ];

        for (label, state) in [
            ("  pending", OrderState::Pending),
            ("  being cancelled", OrderState::CancelPending),
        ] {
            if self.count(state) > 0 {
                rows.push((label, self.count(state).to_string()));
            }
        }
        rows
    }

    /// What it took.
    fn work_in_rows(&self) -> [(&'static str, String); 5] {
        let Refused {
            ship_refused,
            cancel_refused,
        } = self.refused;
        let Latency { p50, p90, p99, max } = self.latency_ms;
        let (seconds, views) = (self.seconds, self.views_seconds);

        [
            (
                "refused",
                format!("{ship_refused} ship, {cancel_refused} cancel"),
            ),
            ("lines skipped", self.skipped.to_string()),
            (
                "time",
                format!("{seconds:.1} s, then {views:.1} s until the views showed it"),
            ),
            (
                "orders per second",
                format!("{:.0}", self.orders_per_second),
            ),
            (
                "latency",
                format!(
                    "p50 {p50:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms, max {max:.1} ms \
                     (request to final state)"
                ),
            ),
        ]
    }

    fn reasons(&self) -> String {
        if self.rejected_by.is_empty() {
            return String::new();
        }
        let reasons: Vec<String> = self
            .rejected_by
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        format!(" ({})", reasons.join(", "))
    }
}

#[cfg(test)]
mod tests;
