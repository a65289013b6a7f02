//! The node's command side: shards on arbiters, their gateway, and what goes on around them.

mod housekeeping;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_rt::Arbiter;
use domain::saga::SagaPolicy;
use domain::{Service, ShardId};
use futures_util::FutureExt;
use futures_util::future::{join_all, select_all};
use metrics::counter;
use store::faults::Faults;
use store::journal::Standing;
use store::{Clock, Journal, Log, ServiceDatabase};
use tokio::sync::{mpsc, oneshot, watch};

use crate::customers::CustomersLogic;
use crate::gateway::Gateway;
use crate::metric_names as names;
use crate::orders::OrdersLogic;
use crate::request::Request;
use crate::shard::logic::{Logic, Surroundings};
use crate::shard::{Parts, Shard, Status};

/// Requests that may wait for one shard.
const REQUESTS_PER_SHARD: usize = 1024;

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
    gateway: Gateway,
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
    /// Starts all shards of all services. They open by themselves; [`Node::opened`] tells when all
    /// have.
    ///
    /// Must be called where an actix system runs.
    #[must_use]
    pub fn start(config: &NodeConfig, parts: &NodeParts) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (release, released) = watch::channel(false);

        let arbiters: Vec<_> = (0..config.arbiters.max(1))
            .map(|_| Arbiter::new())
            .collect();

        let mut node = Node {
            gateway: Gateway::new(
                config.shards,
                HashMap::new(),
                Vec::new(),
                Vec::new(),
                released.clone(),
            ),
            journals: parts.journals.clone(),
            arbiters,
            ended: Mutex::default(),
            release,
            stop,
            opened: watch::channel(0).0,
            shards: 0,
            status: HashMap::new(),
        };

        let mut senders = HashMap::new();

        for (database, journal) in parts.databases.iter().zip(&parts.journals) {
            for number in 0..config.shards {
                let shard = ShardId::new(database.service, number);
                let (sender, requests) = mpsc::channel(REQUESTS_PER_SHARD);
                senders.insert(shard, sender);
                node.start_shard(
                    config,
                    parts,
                    shard,
                    (database, journal),
                    (requests, stopped.clone()),
                );
            }
        }

        housekeeping::start(config, parts, stopped);
        node.gateway = Gateway::new(
            config.shards,
            senders,
            parts.databases.clone(),
            parts.journals.clone(),
            released,
        );

        node
    }

    fn start_shard(
        &mut self,
        config: &NodeConfig,
        parts: &NodeParts,
        shard: ShardId,
        (database, journal): (&ServiceDatabase, &Journal),
        (requests, stop): (mpsc::Receiver<Request>, watch::Receiver<bool>),
    ) {
        let status = Arc::new(Status::default());
        self.status.insert(shard, Arc::clone(&status));

        let around = Surroundings {
            shard,
            shards: config.shards,
            database: database.clone(),
            policy: config.sagas,
            faults: parts.faults.clone(),
            actors_per_shard: config.live_actors / usize::from(config.shards.max(1)),
            activated: counter!(names::ACTORS_ACTIVATED, "service" => shard.service.name()),
        };

        let shard_parts = Parts {
            shard,
            node: config.name.clone(),
            journal: journal.clone(),
            database: database.clone(),
            log: Arc::clone(&parts.log),
            clock: parts.clock.clone(),
            faults: parts.faults.clone(),
            requests,
            stop,
            opened: self.opened.clone(),
            status,
            shards_of_node: parts.databases.len() * usize::from(config.shards),
        };

        match shard.service {
            domain::CUSTOMERS => self.spawn(Shard::new(shard_parts, CustomersLogic::new(around))),
            _ => self.spawn(Shard::new(shard_parts, OrdersLogic::new(around))),
        }
    }

    fn spawn<L: Logic + Send>(&mut self, shard: Shard<L>) {
        let (end, ended) = oneshot::channel();

        if let Some(arbiter) = self.arbiters.get(self.shards % self.arbiters.len()) {
            let run = move || {
                actix_rt::spawn(async move {
                    shard.run().await;
                    // Whoever waits for the end may have given up.
                    let _ = end.send(());
                });
            };
            // False only when the arbiter has stopped, which happens after its shards have.
            let _ = arbiter.spawn_fn(run);
        }

        self.lock_ended().push(ended);
        self.shards += 1;
    }

    #[must_use]
    pub fn gateway(&self) -> Gateway {
        self.gateway.clone()
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

    // Nothing panics while it holds the lock.
    fn lock_ended(&self) -> std::sync::MutexGuard<'_, Vec<oneshot::Receiver<()>>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
