//! The embedded log: the outbox itself.
//!
//! After its commit a message is handed over in memory; there is no second write and no broker. A
//! receiver whose queue is full is passed over: it sees the gap by the message's `previous`, or by
//! [`Log::head`], and reads the outbox.

mod backlog;
mod subscribers;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::HashMap;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use metrics::counter;
use sagas::mistakes::{Mistake, makes};
use sagas::{Service, ShardId, Timestamp};
use uuid::Uuid;

use super::{Destination, Heads, Log, Message, Positions, Publisher, Subscription, Wants};
use subscribers::Subscribers;

use crate::faults::Faults;
use crate::{ServiceDatabase, StoreError, history, metric_names};

/// Messages by where they go. In one order, so that the same commits reach the same shards in the
/// same turns.
pub(super) type Deliveries = BTreeMap<Destination, Vec<Arc<Message>>>;

/// A head that nobody can reach, because the row it stands in is damaged.
struct LostHead {
    newest: u64,
    /// What can be reached in its place.
    readable: u64,
}

/// The outboxes of all services, as a log.
pub struct EmbeddedLog {
    databases: Vec<ServiceDatabase>,
    shards: u16,
    subscribers: Subscribers,
    heads: Mutex<HashMap<ShardId, Heads>>,
    lost: Mutex<HashMap<(ShardId, Destination), LostHead>>,
}

impl EmbeddedLog {
    /// The log of these services, each with this many shards.
    #[must_use]
    pub fn new(databases: Vec<ServiceDatabase>, shards: u16, faults: Faults) -> Self {
        EmbeddedLog {
            databases,
            shards,
            subscribers: Subscribers::new(faults, counter!(metric_names::LOG_OVERFLOWS)),
            heads: Mutex::default(),
            lost: Mutex::default(),
        }
    }

    /// Whose outboxes these are.
    pub(super) fn databases(&self) -> &[ServiceDatabase] {
        &self.databases
    }

    fn database(&self, service: Service) -> Result<&ServiceDatabase, StoreError> {
        self.databases
            .iter()
            .find(|database| database.service == service)
            .ok_or_else(|| StoreError::Closed {
                what: service.to_string(),
            })
    }

    /// Behind `readable` nothing can be read up to the head, which a reader would wait for in vain.
    fn lose_head(&self, source: ShardId, destination: Destination, newest: u64, readable: u64) {
        if readable < newest {
            let lost = LostHead { newest, readable };
            self.lock_lost().insert((source, destination), lost);
        }
    }

    /// Notes messages that were committed here, which then know what came before them.
    pub(super) fn advance(&self, messages: Vec<Message>) -> Deliveries {
        let mut deliveries = Deliveries::new();
        let mut heads = self.lock_heads();

        for mut message in messages {
            let heads = heads.entry(message.source).or_default();
            message.previous = heads.advance(&message);
            let delivery = deliveries.entry(message.destination).or_default();
            delivery.push(Arc::new(message));
        }

        deliveries
    }

    /// Hands messages to whoever follows this destination here; false when nobody does.
    pub(super) fn deliver(&self, destination: Destination, delivery: &[Arc<Message>]) -> bool {
        self.subscribers.deliver(destination, delivery)
    }

    /// Notes how far a source has come that another node owns: never less than is known.
    pub(super) fn hear(&self, source: ShardId, heads: &Heads) {
        self.lock_heads().entry(source).or_default().hear(heads);
    }

    /// Notes messages that other nodes have sent, in the same way; but of a source whose messages
    /// are noted here, nothing.
    pub(super) fn hear_of(
        &self,
        messages: Vec<Message>,
        is_noted_here: impl Fn(ShardId) -> bool,
    ) -> Deliveries {
        let mut deliveries = Deliveries::new();
        let mut heads = self.lock_heads();

        for message in messages {
            if !is_noted_here(message.source) {
                heads.entry(message.source).or_default().hear_of(&message);
            }
            let delivery = deliveries.entry(message.destination).or_default();
            delivery.push(Arc::new(message));
        }

        deliveries
    }

    fn newest(&self, source: ShardId, destination: Destination) -> u64 {
        self.lock_heads()
            .get(&source)
            .map_or(0, |heads| heads.newest(destination))
    }

    // Nothing panics while it holds the lock.
    fn lock_lost(&self) -> MutexGuard<'_, HashMap<(ShardId, Destination), LostHead>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // Nothing panics while it holds the lock.
    fn lock_heads(&self) -> MutexGuard<'_, HashMap<ShardId, Heads>> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for EmbeddedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedLog")
            .field("databases", &self.databases)
            .finish_non_exhaustive()
    }
}

impl Publisher for EmbeddedLog {
    // The outbox is the log, so everything committed is published.
    fn restore(&self, source: ShardId, _published: u64, heads: &Heads) {
        let heads = match makes(Mistake::HeadsForgotten) {
            true => Heads::default(),
            false => heads.clone(),
        };
        self.lock_heads().insert(source, heads);
    }

    fn publish(&self, messages: Vec<Message>) {
        for (destination, delivery) in self.advance(messages) {
            self.deliver(destination, &delivery);
        }
    }

    fn acknowledged(&self, source: ShardId) -> Option<Heads> {
        self.lock_heads().get(&source).cloned()
    }
}

impl Log for EmbeddedLog {
    fn subscribe(&self, destination: Destination) -> Subscription {
        self.subscribers.subscribe(destination)
    }

    fn listen(&self, shard: ShardId, events_of: &[ShardId], wants: Wants) -> Subscription {
        self.subscribers.listen(shard, events_of, wants)
    }

    fn read(
        &self,
        source: ShardId,
        destination: Destination,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        async move {
            let database = self.database(source.service)?;
            let head = self.newest(source, destination);
            let read = history::messages(database, source, destination, after, limit).await?;

            if read.damaged && read.to_the_end {
                let last = read.messages.last().map_or(after, |last| last.sequence);
                self.lose_head(source, destination, head, last);
            }

            Ok(read.messages)
        }
        .boxed()
    }

    fn heads(&self, source: ShardId) -> Option<Heads> {
        self.acknowledged(source)
    }

    fn head(&self, source: ShardId, destination: Destination) -> u64 {
        let newest = self.newest(source, destination);
        match self.lock_lost().get(&(source, destination)) {
            Some(lost) if lost.newest == newest => lost.readable,
            _ => newest,
        }
    }

    fn head_time(&self, source: ShardId) -> Option<Timestamp> {
        self.lock_heads().get(&source).and_then(Heads::event_time)
    }

    fn published(&self, source: ShardId) -> u64 {
        self.lock_heads().get(&source).map_or(0, Heads::published)
    }

    fn history(
        &self,
        source: ShardId,
        entity: Uuid,
        from_version: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        async move {
            history::events(
                self.database(source.service)?,
                source,
                entity,
                from_version,
                limit,
            )
            .await
        }
        .boxed()
    }

    fn backlog<'a>(
        &'a self,
        source: ShardId,
        positions: &'a Positions,
    ) -> BoxFuture<'a, Result<BTreeMap<ShardId, u64>, StoreError>> {
        async move {
            let database = self.database(source.service)?;
            backlog::backlog(database, source, positions).await
        }
        .boxed()
    }

    fn sources(&self) -> Vec<ShardId> {
        let shards = |database: &ServiceDatabase| ShardId::all_of(database.service, self.shards);
        self.databases.iter().flat_map(shards).collect()
    }

    fn knows_all_heads(&self) -> bool {
        let sources = self.sources();
        let known = self.lock_heads();
        sources.iter().all(|source| known.contains_key(source))
    }
}

#[cfg(test)]
mod tests;
