//! The log of a node that has others beside it.
//!
//! ```text
//!  journal ── publish ─► here: the queues of this node's shards and views
//!                  └───► carrier ─► other nodes ─► arrived ─► their queues
//!  other nodes' outboxes ── their notes, once a second ─► heads
//! ```
//!
//! The outboxes in the databases are what everything rests on; the carrier only makes it quick. A
//! message between two shards of this node never leaves it. Whatever is lost on the way, or was
//! sent before a shard moved here, shows by the next message's `previous`, or by the heads, and is
//! read from the outbox.
//!
//! What other owners have committed is known from their messages, and from what they note in the
//! database within about a second.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sagas::mistakes::{Mistake, makes};
use sagas::{ShardId, Timestamp};
use uuid::Uuid;

use super::embedded::EmbeddedLog;
use super::{Destination, Heads, Log, Message, Positions, Publisher, Subscription, Wants};
use crate::cluster::Carrier;
use crate::faults::Faults;
use crate::{ServiceDatabase, StoreError, shards};

/// How often it is read what other nodes have noted.
const HEAR_EVERY: Duration = Duration::from_secs(1);

/// The outboxes of all services, and what carries their messages between nodes.
#[derive(Debug)]
pub struct ClusterLog {
    here: EmbeddedLog,
    carrier: Arc<dyn Carrier>,
    /// Shards that this node has taken over at some time. What it hears of them from elsewhere it
    /// has sent itself, perhaps by a relay that is quicker than the answer to its own commit, and
    /// of a part of their messages it hears nothing. Where one has moved on, its next owner's notes
    /// tell how far it has come.
    taken_over: RwLock<HashSet<ShardId>>,
}

impl ClusterLog {
    /// The log of these services, each with this many shards, with a carrier to the other nodes.
    /// It hears what those note for as long as it is there. Must be called where a tokio runtime
    /// runs.
    #[must_use]
    pub fn new(
        databases: Vec<ServiceDatabase>,
        shards: u16,
        faults: Faults,
        carrier: Arc<dyn Carrier>,
    ) -> Arc<Self> {
        let log = Arc::new(ClusterLog {
            here: EmbeddedLog::new(databases, shards, faults),
            carrier,
            taken_over: RwLock::default(),
        });
        tokio::spawn(keep_hearing(Arc::downgrade(&log)));
        log
    }

    /// Messages have arrived from other nodes, those of one source in the order in which they were
    /// sent.
    pub fn arrived(&self, messages: Vec<Message>) {
        let deliveries = {
            let taken_over = self
                .taken_over
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            self.here
                .hear_of(messages, |source| taken_over.contains(&source))
        };
        for (destination, delivery) in deliveries {
            self.here.deliver(destination, &delivery);
        }
    }

    /// Reads what the owners of all shards have noted.
    async fn hear(&self) {
        for database in self.here.databases() {
            if makes(Mistake::NotesNotHeard) {
                continue;
            }
            match shards::noted_heads(database).await {
                Ok(noted) => {
                    for (source, heads) in noted {
                        self.here.hear(source, &heads);
                    }
                }
                Err(error) => tracing::warn!(
                    service = %database.service, error = %error.chain(),
                    "what other nodes have sent is not known now"
                ),
            }
        }
    }
}

async fn keep_hearing(log: Weak<ClusterLog>) {
    loop {
        match log.upgrade() {
            Some(log) => log.hear().await,
            None => return,
        }
        tokio::time::sleep(HEAR_EVERY).await;
    }
}

impl Publisher for ClusterLog {
    fn restore(&self, source: ShardId, published: u64, heads: &Heads) {
        let mut taken_over = self
            .taken_over
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        taken_over.insert(source);
        drop(taken_over);
        self.here.restore(source, published, heads);
    }

    fn publish(&self, messages: Vec<Message>) {
        let mut away = Vec::new();
        for (destination, delivery) in self.here.advance(messages) {
            let is_here = self.here.deliver(destination, &delivery);
            if !is_here || destination == Destination::Events {
                away.extend(delivery);
            }
        }

        if !away.is_empty() {
            self.carrier.carry(away);
        }
    }

    // Whoever misses something reads the outbox, so everything committed is published.
    fn acknowledged(&self, source: ShardId) -> Option<Heads> {
        self.here.acknowledged(source)
    }

    fn is_followed_elsewhere(&self) -> bool {
        true
    }
}

impl Log for ClusterLog {
    fn subscribe(&self, destination: Destination) -> Subscription {
        self.here.subscribe(destination)
    }

    fn listen(&self, shard: ShardId, events_of: &[ShardId], wants: Wants) -> Subscription {
        self.here.listen(shard, events_of, wants)
    }

    fn read(
        &self,
        source: ShardId,
        destination: Destination,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        self.here.read(source, destination, after, limit)
    }

    fn heads(&self, source: ShardId) -> Option<Heads> {
        self.here.heads(source)
    }

    fn head(&self, source: ShardId, destination: Destination) -> u64 {
        self.here.head(source, destination)
    }

    fn head_time(&self, source: ShardId) -> Option<Timestamp> {
        self.here.head_time(source)
    }

    fn published(&self, source: ShardId) -> u64 {
        self.here.published(source)
    }

    fn history(
        &self,
        source: ShardId,
        entity: Uuid,
        from_version: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        self.here.history(source, entity, from_version, limit)
    }

    fn backlog<'a>(
        &'a self,
        source: ShardId,
        positions: &'a Positions,
    ) -> BoxFuture<'a, Result<BTreeMap<ShardId, u64>, StoreError>> {
        self.here.backlog(source, positions)
    }

    fn sources(&self) -> Vec<ShardId> {
        self.here.sources()
    }

    // Those of other nodes' shards are a second old.
    fn has_exact_heads(&self) -> bool {
        false
    }

    fn knows_all_heads(&self) -> bool {
        self.here.knows_all_heads()
    }
}
