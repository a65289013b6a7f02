//! The node's command side: shards on arbiters, the doors to them, and housekeeping.

mod builder;
mod embedded;
mod housekeeping;
mod tenures;
pub(crate) mod way;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_rt::Arbiter;
use futures_util::FutureExt;
use futures_util::future::{join_all, select_all};
use sagas::{SagaPolicy, Service, ShardId};
use store::cluster::{Assigned, Membership, Participation, Transport};
use store::faults::Faults;
use store::journal::Standing;
use store::{Clock, Journal, Loading, Log, ServiceDatabase};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

pub use builder::{CannotRun, NodeBuilder};
pub use embedded::{Embedded, Neighbour};

use crate::requests::Doors;
use crate::shard::Status;

/// How the command side runs.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The node's name, as owner of shards.
    pub name: String,
    /// Shards per service.
    pub shards: u16,
    /// Threads that shards run on; with 0 they all run on the one that starts the node.
    pub arbiters: usize,
    /// Actors of one kind that may stay in memory, over all shards of a service.
    pub live_actors: usize,
    /// How patient sagas are.
    pub sagas: SagaPolicy,
    /// How long commands and replies are kept after they have been received.
    pub retention: Duration,
    /// Where the entities of each service come from; from their rows when nothing is said. Nodes
    /// may differ in it, and it may change with each start: whatever it is, the same is written,
    /// but for snapshots.
    pub loading: BTreeMap<Service, Loading>,
}

impl NodeConfig {
    /// Where the entities of a service come from.
    #[must_use]
    pub fn loading_of(&self, service: Service) -> Loading {
        self.loading.get(&service).copied().unwrap_or_default()
    }
}

/// What the command side works with.
pub struct NodeParts {
    /// One for each service that the node may run, or reach at other nodes.
    pub databases: Vec<ServiceDatabase>,
    /// One for each of the databases whose service's shards this node may own; they alone write to
    /// them.
    pub journals: Vec<Journal>,
    /// Carries messages and events between shards.
    pub log: Arc<dyn Log>,
    /// Gives shards to this node.
    pub membership: Arc<dyn Membership>,
    /// The way to other nodes, when there are any.
    pub transport: Option<Arc<dyn Transport>>,
    /// Where the time comes from.
    pub clock: Clock,
    /// The faults that a test asks for; none otherwise.
    pub faults: Faults,
}

impl NodeParts {
    /// The database of a service.
    pub(crate) fn database(&self, service: Service) -> Option<&ServiceDatabase> {
        let mut databases = self.databases.iter();
        databases.find(|database| database.service == service)
    }

    /// What writes to it.
    pub(crate) fn journal(&self, service: Service) -> Option<&Journal> {
        let mut journals = self.journals.iter();
        journals.find(|journal| journal.service() == service)
    }
}

/// A snapshot of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardSnapshot {
    /// Which shard it is of.
    pub shard: ShardId,
    /// Sagas that go on by themselves, and entities that wait by themselves: all that it will wake.
    pub timers: usize,
    /// Entities and sagas in memory.
    pub live_actors: usize,
    /// Entities whose messages wait.
    pub parked: usize,
    /// How often the shard has dropped its memory and begun again.
    pub reloads: u64,
}

/// The running command side.
#[derive(Debug)]
pub struct Node {
    doors: Doors,
    journals: Vec<Journal>,
    arbiters: Vec<Arbiter>,
    /// Whoever stops the node takes it out.
    ended: Mutex<Vec<oneshot::Receiver<()>>>,
    /// Lets go of callers that wait for sagas.
    release: CancellationToken,
    stop: CancellationToken,
    /// The shards that are open.
    open: watch::Sender<BTreeSet<ShardId>>,
    /// Those that have submitted something which may not have settled.
    held: watch::Sender<BTreeSet<ShardId>>,
    assigned: watch::Receiver<Assigned>,
    membership: Arc<dyn Membership>,
    /// How many have been started.
    shards: usize,
    status: HashMap<ShardId, Arc<Status>>,
}

impl Node {
    /// A node that runs no service yet. Must be called where an actix system runs.
    #[must_use]
    pub fn builder<'a>(config: &'a NodeConfig, parts: &'a NodeParts) -> NodeBuilder<'a> {
        NodeBuilder::new(config, parts)
    }

    /// What operators and other nodes use.
    #[must_use]
    pub fn doors(&self) -> Doors {
        self.doors.clone()
    }

    /// Waits until all shards that are this node's take commands.
    pub async fn opened(&self) {
        let (mut open, mut assigned) = (self.open.subscribe(), self.assigned.clone());
        loop {
            // Marked as seen before they are compared, so that no change is missed.
            let all_open = {
                let (open, assigned) = (open.borrow_and_update(), assigned.borrow_and_update());
                assigned.keys().all(|shard| open.contains(shard))
            };
            if all_open {
                return;
            }

            // The senders outlive the node, so neither closes.
            tokio::select! {
                _ = open.changed() => {}
                _ = assigned.changed() => {}
            }
        }
    }

    /// Waits until no shard is this node's any more, and what they have submitted is durable or has
    /// failed. A journal that stands still is not waited for, but the epochs tell what becomes of
    /// that.
    pub async fn closed(&self) {
        let mut held = self.held.subscribe();
        // The sender outlives the node.
        let _ = held.wait_for(BTreeSet::is_empty).await;
    }

    /// How far the node takes part in giving shards to nodes.
    #[must_use]
    pub fn participation(&self) -> Participation {
        self.membership.participation()
    }

    /// How many shards this node has been given without being able to begin with them.
    #[must_use]
    pub fn not_begun(&self) -> usize {
        self.membership.not_begun()
    }

    /// How many shards of this node are open, and how many are assigned to it.
    #[must_use]
    pub fn open_shards(&self) -> (usize, usize) {
        let (open, assigned) = (self.open.borrow(), self.assigned.borrow());
        let open = assigned.keys().filter(|shard| open.contains(shard));
        (open.count(), assigned.len())
    }

    /// What keeps shards from being open, or has made them reload.
    #[must_use]
    pub fn troubles(&self) -> Vec<(ShardId, String)> {
        let of = |(shard, status): (&ShardId, &Arc<Status>)| {
            let trouble = status
                .trouble
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            trouble.clone().map(|cause| (*shard, cause))
        };
        let mut troubles: Vec<_> = self.status.iter().filter_map(of).collect();
        troubles.sort();
        troubles
    }

    /// The stores that stand still, by service: do not expect answers of them soon.
    #[must_use]
    pub fn standing(&self) -> Vec<(Service, Standing)> {
        let of = |journal: &Journal| Some((journal.service(), journal.standing()?));
        self.journals.iter().filter_map(of).collect()
    }

    /// Waits until the journal of a service has ended by itself, because it could not go on. The
    /// node should end then, too.
    pub async fn failed(&self) -> (Service, Standing) {
        if self.journals.is_empty() {
            return std::future::pending().await;
        }
        let failed = self
            .journals
            .iter()
            .map(|journal| async { (journal.service(), journal.failed().await) }.boxed());
        let (failed, ..) = select_all(failed).await;
        failed
    }

    /// What the shards of this node are doing now, in the order of their ids.
    #[must_use]
    pub fn snapshot(&self) -> Vec<ShardSnapshot> {
        let of = |(shard, status): (&ShardId, &Arc<Status>)| ShardSnapshot {
            shard: *shard,
            timers: status.timers.load(Ordering::Relaxed),
            live_actors: status.live_actors.load(Ordering::Relaxed),
            parked: status.parked.load(Ordering::Relaxed),
            reloads: status.reloads.load(Ordering::Relaxed),
        };
        let mut shards: Vec<_> = self.status.iter().map(of).collect();
        shards.sort_by_key(|snapshot| snapshot.shard);
        shards
    }

    /// Answers callers that wait for sagas with the state so far; new commands are still taken.
    pub fn release_waiting(&self) {
        self.release.cancel();
    }

    /// Stops the shards, commits what they have submitted, and ends the journals.
    pub async fn stop(&self) {
        self.release_waiting();
        self.stop.cancel();
        let ended = std::mem::take(&mut *self.lock_ended());
        // An error says that the shard is gone, as it should be.
        let _ = join_all(ended).await;
        for journal in &self.journals {
            journal.close().await;
        }
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
    }

    fn lock_ended(&self) -> std::sync::MutexGuard<'_, Vec<oneshot::Receiver<()>>> {
        // Nothing panics while it holds the lock.
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod made_up;
#[cfg(all(test, feature = "shop"))]
mod tests;
