//! What is in quarantine, by its causes: shown as gauges, and told to whoever asks whether the node
//! is ready.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::gauge;
use projections::Views;
use store::{ServiceDatabase, StoreError, parking};

use super::observer::number;
use super::quarantined_views;
use crate::metric_names as names;

/// So many causes of a service have a gauge of their own.
const CAUSES: usize = 20;
/// A label has this many characters at most.
const LABEL: usize = 120;
/// The label of all other causes.
const OTHER: &str = "other";

/// What waits for an operator, as it was seen last.
#[derive(Debug, Default)]
pub(super) struct Needed {
    /// Messages in quarantine, without those that wait behind them.
    pub quarantined: AtomicU64,
    /// Entities in the quarantine of views.
    pub in_views: AtomicU64,
    /// Sagas.
    pub stuck: AtomicU64,
}

/// A gauge: of messages to a service, or of entities in a view.
type Gauge = (&'static str, &'static str, String);

/// The gauges that have been shown: one whose messages are gone must not keep its value.
#[derive(Debug, Default)]
pub(super) struct Shown(BTreeSet<Gauge>);

/// How much is in quarantine, by gauge.
#[derive(Debug, Default)]
struct Counts(BTreeMap<Gauge, u64>);

impl Counts {
    /// Adds causes, the most frequent one first.
    fn add(&mut self, metric: &'static str, of: &'static str, causes: Vec<(String, u64)>) {
        for (place, (cause, number)) in causes.into_iter().enumerate() {
            let label = match place < CAUSES {
                true => cause.chars().take(LABEL).collect(),
                false => OTHER.to_owned(),
            };
            *self.0.entry((metric, of, label)).or_default() += number;
        }
    }

    fn sum(&self) -> u64 {
        self.0.values().sum()
    }
}

impl Shown {
    /// Looks into the databases and at the views, and shows what is there.
    pub(super) async fn show(
        &mut self,
        databases: &[ServiceDatabase],
        views: &Views,
        needed: &Needed,
    ) -> Result<(), StoreError> {
        let mut counts = Counts::default();
        for database in databases {
            let causes = parking::causes(database).await?.into_iter();
            let causes = causes.map(|count| (count.cause, count.messages));
            let service = database.service.name();
            counts.add(names::QUARANTINED, service, causes.collect());
        }
        needed.quarantined.store(counts.sum(), Ordering::Relaxed);

        let in_views = quarantined_views::causes(views);
        let entities = in_views.iter().map(|cause| cause.messages).sum();
        needed.in_views.store(entities, Ordering::Relaxed);
        for view in views.all().map(|view| view.name()) {
            let causes = in_views.iter().filter(|cause| cause.view == Some(view));
            let causes = causes.map(|count| (count.cause.clone(), count.messages));
            counts.add(names::QUARANTINED_IN_VIEWS, view, causes.collect());
        }

        let Counts(counts) = counts;
        for gone in self.0.iter().filter(|shown| !counts.contains_key(*shown)) {
            set(gone, 0);
        }
        for (label, count) in &counts {
            set(label, *count);
        }
        self.0 = counts.into_keys().collect();
        Ok(())
    }
}

fn set((metric, of, cause): &Gauge, count: u64) {
    let scope = match *metric == names::QUARANTINED {
        true => "service",
        false => "view",
    };
    let labels = [(scope, (*of).to_owned()), ("cause", cause.clone())];
    gauge!(*metric, &labels).set(number(count));
}
