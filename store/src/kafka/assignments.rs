//! The shards that are assigned to a node, as whoever watches sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sagas::{Service, ShardId};
use tokio::sync::watch;

use super::topics::Topics;
use crate::cluster::Assigned;

/// The shards that are assigned to a node, of all services.
#[derive(Debug)]
pub(super) struct Assignments {
    assigned: watch::Sender<Assigned>,
    shards: u16,
    pub(super) topics: Arc<Topics>,
    /// The node takes no shards any more.
    given_up: AtomicBool,
    /// The number of the next tenure.
    tenures: AtomicU64,
}

impl Assignments {
    pub(super) fn new(shards: u16, topics: Arc<Topics>) -> Self {
        Assignments {
            assigned: watch::Sender::new(Assigned::default()),
            shards,
            topics,
            given_up: AtomicBool::default(),
            tenures: AtomicU64::new(1),
        }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Assigned> {
        self.assigned.subscribe()
    }

    /// All shards are given up, and none is taken any more.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::SeqCst);
        self.change(BTreeMap::clear);
    }

    /// The number of a tenure that is about to begin: higher than those before.
    pub(super) fn next_tenure(&self) -> u64 {
        self.tenures.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn add(&self, service: Service, partitions: &BTreeSet<i32>, tenure: u64) {
        self.change(|assigned| {
            if !self.given_up.load(Ordering::SeqCst) {
                let gained = self.shards_in(service, partitions);
                assigned.extend(gained.map(|shard| (shard, tenure)));
            }
        });
    }

    pub(super) fn remove(&self, service: Service, partitions: &BTreeSet<i32>) {
        self.change(|assigned| {
            for shard in self.shards_in(service, partitions) {
                assigned.remove(&shard);
            }
        });
    }

    /// Whether all shards in this partition are assigned.
    pub(super) fn holds(&self, service: Service, partition: i32) -> bool {
        let assigned = self.assigned.borrow();
        self.shards_in(service, &BTreeSet::from([partition]))
            .all(|shard| assigned.contains_key(&shard))
    }

    /// The shards that stand in these partitions.
    pub(super) fn shards_in(
        &self,
        service: Service,
        partitions: &BTreeSet<i32>,
    ) -> impl Iterator<Item = ShardId> {
        ShardId::all_of(service, self.shards)
            .filter(|shard| partitions.contains(&self.topics.of_shard(*shard)))
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<ShardId, u64>)) {
        self.assigned.send_if_modified(|assigned| {
            let mut changed = BTreeMap::clone(assigned);
            change(&mut changed);

            let differs = changed != **assigned;
            if differs {
                *assigned = Arc::new(changed);
            }
            differs
        });
    }
}
