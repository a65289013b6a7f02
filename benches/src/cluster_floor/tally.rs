//! How large commits were, and which way messages went: told at a node's end, because that is what
//! decides how fast it was.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::rate::{number, rounded};

/// The counts of one service on this node.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    commits: AtomicUsize,
    units: AtomicUsize,
    in_memory: AtomicUsize,
    through_kafka: AtomicUsize,
}

impl Tally {
    /// A commit of so many units.
    pub fn commit(&self, units: usize) {
        self.0.commits.fetch_add(1, Ordering::Relaxed);
        self.0.units.fetch_add(units, Ordering::Relaxed);
    }

    /// A message that was handed over in memory, or through Kafka.
    pub fn sent(&self, is_in_memory: bool) {
        let sent = if is_in_memory {
            &self.0.in_memory
        } else {
            &self.0.through_kafka
        };
        sent.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: &AtomicUsize| {
            let count = count.load(Ordering::Relaxed);
            u64::try_from(count).unwrap_or(u64::MAX)
        };
        let (commits, units) = (count(&self.0.commits), count(&self.0.units));
        let size = rounded(number(units) / number(commits.max(1)), 1);
        write!(
            f,
            "{commits} commits of {size} units; messages: {} in memory, {} through Kafka",
            count(&self.0.in_memory),
            count(&self.0.through_kafka)
        )
    }
}
