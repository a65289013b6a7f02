//! The metrics of the views, all in one place. Each carries the label `view`.

use std::time::Duration;

use domain::ShardId;
use metrics::{counter, gauge, histogram};

/// Committed events that the view has not taken in yet.
const LAG_EVENTS: &str = "counterfoil_view_lag_events";
/// How much older the newest event taken in is than the newest committed one.
const LAG_SECONDS: &str = "counterfoil_view_lag_seconds";
/// Events read, by what became of them.
const EVENTS: &str = "counterfoil_view_events_total";
/// Times that events were missing on the way and were read from the log.
const GAPS: &str = "counterfoil_view_gaps_total";
/// Commits of the view store.
const COMMITS: &str = "counterfoil_view_commits_total";
/// What a commit takes.
const COMMIT_SECONDS: &str = "counterfoil_view_commit_duration_seconds";
/// Errors of the view store or the log after which the projector has started again.
const RESTARTS: &str = "counterfoil_view_restarts_total";
/// Entities in quarantine.
const QUARANTINED: &str = "counterfoil_view_quarantined_entities";
/// Readers waiting for the view to reach their token.
const WAITING: &str = "counterfoil_view_waiting_readers";

/// What became of an event, as the metric names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Applied,
    Duplicate,
    /// Not used by this view.
    Unused,
    /// Of a type this release does not know.
    Unknown,
    /// Of an entity in quarantine.
    Parked,
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Outcome::Applied => "applied",
            Outcome::Duplicate => "duplicate",
            Outcome::Unused => "unused",
            Outcome::Unknown => "unknown",
            Outcome::Parked => "parked",
        }
    }
}

/// The counters of one view that every event touches: looked up once.
#[derive(Clone)]
pub(crate) struct ViewMetrics {
    view: &'static str,
    applied: metrics::Counter,
    unused: metrics::Counter,
}

impl ViewMetrics {
    pub(crate) fn new(view: &'static str) -> Self {
        let counter_of = |outcome: Outcome| counter!(EVENTS, "view" => view, "outcome" => outcome.name());
        ViewMetrics { view, applied: counter_of(Outcome::Applied), unused: counter_of(Outcome::Unused) }
    }

    pub(crate) fn event(&self, outcome: Outcome) {
        match outcome {
            Outcome::Applied => self.applied.increment(1),
            Outcome::Unused => self.unused.increment(1),
            other => counter!(EVENTS, "view" => self.view, "outcome" => other.name()).increment(1),
        }
    }

    pub(crate) fn gap(&self, source: ShardId) {
        counter!(GAPS, "view" => self.view, "source" => source.to_string()).increment(1);
    }

    pub(crate) fn commit(&self, took: Duration) {
        counter!(COMMITS, "view" => self.view).increment(1);
        histogram!(COMMIT_SECONDS, "view" => self.view).record(took.as_secs_f64());
    }

    pub(crate) fn restart(&self) {
        counter!(RESTARTS, "view" => self.view).increment(1);
    }

    pub(crate) fn lag(&self, events: u64, age: Duration) {
        gauge!(LAG_EVENTS, "view" => self.view).set(u32::try_from(events).unwrap_or(u32::MAX));
        gauge!(LAG_SECONDS, "view" => self.view).set(age.as_secs_f64());
    }

    pub(crate) fn quarantined(&self, entities: usize) {
        let entities = u32::try_from(entities).unwrap_or(u32::MAX);
        gauge!(QUARANTINED, "view" => self.view).set(entities);
    }

    pub(crate) fn waiting(&self, readers: usize) {
        gauge!(WAITING, "view" => self.view).set(u32::try_from(readers).unwrap_or(u32::MAX));
    }
}
