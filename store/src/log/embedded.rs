//! The embedded log: the outbox itself.
//!
//! After its commit a message is handed over in memory; there is no second write and no broker. A
//! receiver whose queue is full is passed over: it sees the gap by the message's `previous`, or by
//! [`Log::head`], and reads the outbox.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use domain::{Service, ShardId, Timestamp};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use metrics::{Counter, counter};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::delivery::{Delivery, Room};
use super::{Destination, Log, Message, Subscription};
use crate::faults::Faults;
use crate::{ServiceDatabase, StoreError, history, metric_names};

/// At most this many deliveries wait for a shard; what comes then is left out, and read from the
/// outbox.
const SHARD_QUEUE: usize = 256;
/// The same for a follower of events. It receives each commit of all shards, and a view stands
/// still while it commits.
const EVENTS_QUEUE: usize = 4096;
/// The bodies of the messages that wait for a shard take up at most this many bytes.
const SHARD_QUEUE_BYTES: u32 = 4 << 20;
/// The same for a follower of events.
const EVENTS_QUEUE_BYTES: u32 = 32 << 20;

/// The newest sequence per destination of one shard's outbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    newest: BTreeMap<Destination, u64>,
    /// Everything up to here has been published; never behind `newest`.
    published: u64,
    /// When the newest event happened; not noted, and so unknown of a shard whose outbox was
    /// published in whole when it was taken over.
    event_time: Option<Timestamp>,
}

impl Heads {
    /// Gives the head before.
    pub(crate) fn advance(&mut self, message: &Message) -> u64 {
        self.published = self.published.max(message.sequence);
        if message.destination == Destination::Events {
            self.event_time = Some(message.time);
        }
        self.newest
            .insert(message.destination, message.sequence)
            .unwrap_or(0)
    }

    #[must_use]
    pub fn newest(&self, destination: Destination) -> u64 {
        self.newest.get(&destination).copied().unwrap_or(0)
    }

    pub(crate) fn published(&self) -> u64 {
        self.published
    }

    pub(crate) fn to_json(&self) -> String {
        let named: BTreeMap<String, u64> = self
            .newest
            .iter()
            .map(|(to, sequence)| (name_of(*to), *sequence))
            .collect();
        serde_json::to_string(&named).unwrap_or_else(|_| "{}".to_owned())
    }

    pub(crate) fn from_json(
        shard: ShardId,
        published: u64,
        json: &str,
    ) -> Result<Self, StoreError> {
        let corrupt = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Corrupt {
            what: format!("the published positions of shard {shard}"),
            source,
        };

        let named: BTreeMap<String, u64> =
            serde_json::from_str(json).map_err(|e| corrupt(e.into()))?;
        let newest = named
            .into_iter()
            .map(|(name, sequence)| {
                Ok((
                    destination_of(&name).ok_or_else(|| corrupt(name.into()))?,
                    sequence,
                ))
            })
            .collect::<Result<_, StoreError>>()?;

        Ok(Heads {
            newest,
            published,
            event_time: None,
        })
    }
}

fn name_of(destination: Destination) -> String {
    match destination {
        Destination::Events => "events".to_owned(),
        Destination::Shard(shard) => shard.to_string(),
    }
}

fn destination_of(name: &str) -> Option<Destination> {
    if name == "events" {
        return Some(Destination::Events);
    }
    let (service, number) = name.split_once('/')?;
    Some(Destination::Shard(ShardId::new(
        Service::from_name(service)?,
        number.parse().ok()?,
    )))
}

/// The queue of one subscriber, as the log sees it.
struct Subscriber {
    queue: mpsc::Sender<Delivery>,
    room: Room,
}

impl Subscriber {
    /// False when there is no room in its queue.
    fn deliver(&self, messages: &[Arc<Message>]) -> bool {
        // A delivery that the queue does not take gives its room back.
        self.room
            .take(messages)
            .is_some_and(|delivery| self.queue.try_send(delivery).is_ok())
    }
}

/// The outboxes of all services, as a log.
pub struct EmbeddedLog {
    databases: Vec<ServiceDatabase>,
    shards: u16,
    subscribers: RwLock<HashMap<Destination, Vec<Subscriber>>>,
    heads: Mutex<HashMap<ShardId, Heads>>,
    faults: Faults,
    overflows: Counter,
}

impl EmbeddedLog {
    #[must_use]
    pub fn new(databases: Vec<ServiceDatabase>, shards: u16, faults: Faults) -> Self {
        EmbeddedLog {
            databases,
            shards,
            subscribers: RwLock::default(),
            heads: Mutex::default(),
            faults,
            overflows: counter!(metric_names::LOG_OVERFLOWS),
        }
    }

    /// What has been published before, from a shard that was taken over.
    pub(crate) fn restore_heads(&self, shard: ShardId, heads: &Heads) {
        self.lock_heads().insert(shard, heads.clone());
    }

    /// The heads of a shard, to be noted.
    pub(crate) fn heads_of(&self, shard: ShardId) -> Heads {
        self.lock_heads().get(&shard).cloned().unwrap_or_default()
    }

    /// Hands committed messages to their subscribers. They come in the order of commit.
    pub(crate) fn publish(&self, messages: Vec<Message>) {
        let mut deliveries: HashMap<Destination, Vec<Arc<Message>>> = HashMap::new();

        {
            let mut heads = self.lock_heads();
            for mut message in messages {
                let heads = heads.entry(message.source).or_default();
                message.previous = heads.advance(&message);
                deliveries
                    .entry(message.destination)
                    .or_default()
                    .push(Arc::new(message));
            }
        }

        let subscribers = self
            .subscribers
            .read()
            .unwrap_or_else(PoisonError::into_inner);

        for (destination, delivery) in deliveries {
            for subscriber in subscribers.get(&destination).into_iter().flatten() {
                for _ in 0..self.faults.arrivals() {
                    if !subscriber.deliver(&delivery) {
                        self.overflows.increment(1);
                    }
                }
            }
        }
    }

    fn database(&self, service: Service) -> Result<&ServiceDatabase, StoreError> {
        self.databases
            .iter()
            .find(|database| database.service == service)
            .ok_or_else(|| StoreError::Closed {
                what: service.to_string(),
            })
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

impl Log for EmbeddedLog {
    fn subscribe(&self, destination: Destination) -> Subscription {
        let (deliveries_at_most, bytes_at_most) = match destination {
            Destination::Events => (EVENTS_QUEUE, EVENTS_QUEUE_BYTES),
            Destination::Shard(_) => (SHARD_QUEUE, SHARD_QUEUE_BYTES),
        };
        let (queue, deliveries) = mpsc::channel(deliveries_at_most);
        let room = Room::of(bytes_at_most);

        let mut subscribers = self
            .subscribers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let followers = subscribers.entry(destination).or_default();
        followers.retain(|subscriber| !subscriber.queue.is_closed());
        followers.push(Subscriber { queue, room });
        Subscription { deliveries }
    }

    fn read(
        &self,
        source: ShardId,
        destination: Destination,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        async move {
            history::messages(
                self.database(source.service)?,
                source,
                destination,
                after,
                limit,
            )
            .await
        }
        .boxed()
    }

    fn head(&self, source: ShardId, destination: Destination) -> u64 {
        self.lock_heads()
            .get(&source)
            .map_or(0, |heads| heads.newest(destination))
    }

    fn head_time(&self, source: ShardId) -> Option<Timestamp> {
        self.lock_heads()
            .get(&source)
            .and_then(|heads| heads.event_time)
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

    fn sources(&self) -> Vec<ShardId> {
        let shards = |database: &ServiceDatabase| {
            let service = database.service;
            (0..self.shards).map(move |number| ShardId::new(service, number))
        };
        self.databases.iter().flat_map(shards).collect()
    }
}

#[cfg(test)]
mod tests;
