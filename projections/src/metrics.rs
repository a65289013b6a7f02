//! The metrics of the views, all in one place. Each carries the label `view`. What a view is fed
//! and commits is counted over all its generations; how far it is, is that of the generation that
//! answers.

use std::time::Duration;

use metrics::{counter, gauge, histogram};
use sagas::ShardId;

store::metric_names! {
    /// Committed events that the view has not taken in yet, by the shard they are of
    /// (`flights/3`).
    gauge LAG_EVENTS = "counterfoil_view_lag_events";
    /// How much older the newest event taken in is than the newest committed one, by shard.
    gauge LAG_SECONDS = "counterfoil_view_lag_seconds";
    /// Events read, by what became of them.
    counter EVENTS = "counterfoil_view_events_total";
    /// Times that events were missing on the way and were read from the log.
    counter GAPS = "counterfoil_view_gaps_total";
    /// Commits of the view store.
    counter COMMITS = "counterfoil_view_commits_total";
    /// What a commit of the view store takes.
    histogram COMMIT_SECONDS = "counterfoil_view_commit_duration_seconds";
    /// Errors of the view store or the log after which the projector has started again.
    counter RESTARTS = "counterfoil_view_restarts_total";
    /// Entities in quarantine.
    gauge QUARANTINED = "counterfoil_view_quarantined_entities";
    /// Readers waiting for the view to reach their token.
    gauge WAITING = "counterfoil_view_waiting_readers";
    /// The number of the generation that answers; 0 while there is none.
    gauge GENERATION = "counterfoil_view_generation";
    /// How much of the generation under way is built, from 0 to 1; 1 when none is.
    gauge REBUILT = "counterfoil_view_rebuilt_ratio";
    /// Times that another generation has become the one that answers.
    counter SWAPS = "counterfoil_view_swaps_total";
    /// Generations that were damaged and are replaced.
    counter REPLACED = "counterfoil_view_replaced_total";
    /// Documents in which a new generation differs from the one it has replaced, at the same
    /// version.
    counter REPAIRED = "counterfoil_view_repaired_documents_total";
}

/// What became of an event, as the metric names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventOutcome {
    Applied,
    Duplicate,
    /// Not used by this view.
    Unused,
    /// Of a type this release does not know.
    Unknown,
    /// Of an entity in quarantine.
    InQuarantine,
}

impl EventOutcome {
    const fn name(self) -> &'static str {
        match self {
            EventOutcome::Applied => "applied",
            EventOutcome::Duplicate => "duplicate",
            EventOutcome::Unused => "unused",
            EventOutcome::Unknown => "unknown",
            EventOutcome::InQuarantine => "parked",
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
        let counter_of =
            |outcome: EventOutcome| counter!(EVENTS, "view" => view, "outcome" => outcome.name());
        // A scrape shows the first failure as a step from 0.
        counter!(RESTARTS, "view" => view).increment(0);

        ViewMetrics {
            view,
            applied: counter_of(EventOutcome::Applied),
            unused: counter_of(EventOutcome::Unused),
        }
    }

    pub(crate) fn event(&self, outcome: EventOutcome) {
        match outcome {
            EventOutcome::Applied => self.applied.increment(1),
            EventOutcome::Unused => self.unused.increment(1),
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
}

/// What is shown of a view as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ViewGauges {
    view: &'static str,
}

impl ViewGauges {
    pub(crate) fn new(view: &'static str) -> Self {
        for counter in [SWAPS, REPLACED, REPAIRED] {
            counter!(counter, "view" => view).increment(0);
        }
        ViewGauges { view }
    }

    pub(crate) fn lag(self, shard: ShardId, events: u64, age: Duration) {
        let shard = shard.to_string();
        gauge!(LAG_EVENTS, "view" => self.view, "shard" => shard.clone()).set(number(events));
        gauge!(LAG_SECONDS, "view" => self.view, "shard" => shard).set(age.as_secs_f64());
    }

    pub(crate) fn quarantined(self, entities: usize) {
        gauge!(QUARANTINED, "view" => self.view)
            .set(number(u64::try_from(entities).unwrap_or(u64::MAX)));
    }

    pub(crate) fn waiting(self, readers: usize) {
        gauge!(WAITING, "view" => self.view)
            .set(number(u64::try_from(readers).unwrap_or(u64::MAX)));
    }

    pub(crate) fn generation(self, live: Option<u32>) {
        gauge!(GENERATION, "view" => self.view).set(live.unwrap_or(0));
    }

    pub(crate) fn rebuilt(self, fraction: f64) {
        gauge!(REBUILT, "view" => self.view).set(fraction);
    }

    pub(crate) fn swapped(self) {
        counter!(SWAPS, "view" => self.view).increment(1);
    }

    pub(crate) fn replaced(self) {
        counter!(REPLACED, "view" => self.view).increment(1);
    }

    pub(crate) fn repaired(self, documents: u64) {
        counter!(REPAIRED, "view" => self.view).increment(documents);
    }
}

/// As gauges take it: beyond four thousand millions the number no longer matters.
fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
