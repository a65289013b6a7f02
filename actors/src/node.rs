//! The node's command side: shards on arbiters, their gateway, and what goes on around them.

mod builder;
mod embedded;
mod housekeeping;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_rt::Arbiter;
use futures_util::FutureExt;
use futures_util::future::{join_all, select_all};
use sagas::{SagaPolicy, Service, ShardId};
use store::faults::Faults;
use store::journal::Standing;
use store::{Clock, Journal, Log, ServiceDatabase};
use tokio::sync::{oneshot, watch};

pub use builder::{CannotRun, NodeBuilder};
pub use embedded::Embedded;

use crate::remote::Transport;
use crate::requests::Doors;
use crate::shard::Status;

/// How the command side runs.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The node's name, as owner of shards.
    pub name: String,
    /// Shards per service.
    pub shards: u16,
    /// Threads that shards run on.
    pub arbiters: usize,
    /// Actors of one kind that may stay in memory, over all shards of a service.
    pub live_actors: usize,
    pub sagas: SagaPolicy,
    /// How long commands and replies are kept after they have been received.
    pub retention: Duration,
}

/// What the command side works with.
pub struct NodeParts {
    pub databases: Vec<ServiceDatabase>,
    pub journals: Vec<Journal>,
    pub log: Arc<dyn Log>,
    /// The way to other nodes, when there are any.
    pub transport: Option<Arc<dyn Transport>>,
    pub clock: Clock,
    pub faults: Faults,
}

/// A snapshot of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardSnapshot {
    pub shard: ShardId,
    pub open_sagas: usize,
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
    /// Taken out by whoever stops the node.
    ended: Mutex<Vec<oneshot::Receiver<()>>>,
    /// Lets go of callers that wait for sagas.
    release: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    opened: watch::Sender<usize>,
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

    /// Waits until all shards take commands.
    pub async fn opened(&self) {
        // The sender is ours, so it does not close.
        let _ = self
            .opened
            .subscribe()
            .wait_for(|open| *open == self.shards)
            .await;
    }

    /// How many shards are open, and how many there are.
    #[must_use]
    pub fn open_shards(&self) -> (usize, usize) {
        (*self.opened.borrow(), self.shards)
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

    /// The stores that stand still, by service: nothing is to be expected of them soon.
    #[must_use]
    pub fn standing(&self) -> Vec<(Service, Standing)> {
        let of = |journal: &Journal| Some((journal.service(), journal.standing()?));
        self.journals.iter().filter_map(of).collect()
    }

    /// Waits until the journal of a service has ended by itself, because it could not go on. The
    /// node had better end, too.
    pub async fn failed(&self) -> (Service, Standing) {
        let failed = self
            .journals
            .iter()
            .map(|journal| async { (journal.service(), journal.failed().await) }.boxed());
        let (failed, ..) = select_all(failed).await;
        failed
    }

    #[must_use]
    pub fn snapshot(&self) -> Vec<ShardSnapshot> {
        let of = |(shard, status): (&ShardId, &Arc<Status>)| ShardSnapshot {
            shard: *shard,
            open_sagas: status.open_sagas.load(Ordering::Relaxed),
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
        self.release.send_replace(true);
    }

    /// Stops the shards, commits what they have submitted, and ends the journals.
    pub async fn stop(&self) {
        self.release_waiting();
        self.stop.send_replace(true);
        let ended = std::mem::take(&mut *self.lock_ended());
        // An error says that the shard is gone, which is what is waited for.
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
