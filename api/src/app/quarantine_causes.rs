//! What is in quarantine, by its causes: shown as gauges, and told to whoever asks whether the node is
//! ready.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::gauge;
use store::{ServiceDatabase, StoreError, parking};

use super::observer::number;
use crate::metric_names as names;

/// So many causes of a service have a gauge of their own.
const CAUSES: usize = 20;
/// A label has at most so many characters.
const LABEL: usize = 120;
/// The label of all other causes.
const OTHER: &str = "other";

/// How many messages wait for an operator, as it was seen last.
#[derive(Debug, Default)]
pub(super) struct Seen(AtomicU64);

impl Seen {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The gauges that have been shown: one whose messages are gone must not keep its value.
#[derive(Debug, Default)]
pub(super) struct Shown(BTreeSet<(&'static str, String)>);

impl Shown {
    /// Looks into the databases, and shows what is there.
    pub(super) async fn show(
        &mut self,
        databases: &[ServiceDatabase],
        seen: &Seen,
    ) -> Result<(), StoreError> {
        let mut counts: BTreeMap<(&'static str, String), u64> = BTreeMap::new();
        for database in databases {
            let service = database.service.name();
            for (place, cause) in parking::causes(database).await?.into_iter().enumerate() {
                let label = match place < CAUSES {
                    true => cause.cause.chars().take(LABEL).collect(),
                    false => OTHER.to_owned(),
                };
                *counts.entry((service, label)).or_default() += cause.messages;
            }
        }
        seen.0.store(counts.values().sum(), Ordering::Relaxed);

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

fn set((service, cause): &(&'static str, String), count: u64) {
    gauge!(names::QUARANTINED, "service" => *service, "cause" => cause.clone()).set(number(count));
}
