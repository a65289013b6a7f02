//! A log in memory that can repeat, lose and hold back what it delivers. What it has committed is
//! always there to be read, as it is in the real one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use sagas::{Service, ShardId, Timestamp};
use store::log::Heads;
use store::{Delivery, Destination, Log, Message, Positions, StoreError, Subscription, Wants};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Shards of each service.
pub const SHARDS: u16 = 4;

/// A log of some services.
#[derive(Debug)]
pub struct TestLog {
    services: &'static [Service],
    outboxes: Mutex<BTreeMap<ShardId, Vec<Message>>>,
    subscribers: Mutex<Vec<mpsc::Sender<Delivery>>>,
    pub reads: AtomicUsize,
    pub failing: AtomicBool,
    /// With each read something is committed that it does not see.
    pub busy: AtomicBool,
}

impl TestLog {
    pub fn new(services: &'static [Service]) -> Self {
        TestLog {
            services,
            outboxes: Mutex::default(),
            subscribers: Mutex::default(),
            reads: AtomicUsize::new(0),
            failing: AtomicBool::new(false),
            busy: AtomicBool::new(false),
        }
    }

    /// Commits an event without delivering it.
    pub fn commit(
        &self,
        service: Service,
        entity: Uuid,
        version: u64,
        name: &str,
        body: &str,
    ) -> Arc<Message> {
        let source = ShardId::of(service, entity, SHARDS);
        let mut outboxes = self.outboxes.lock().unwrap();

        let outbox = outboxes.entry(source).or_default();
        let previous = outbox.last().map_or(0, |message| message.sequence);
        // Other messages of the outbox stand between the events.
        let sequence = previous + 1 + (previous % 3);

        let message = Message {
            source,
            sequence,
            previous,
            destination: Destination::Events,
            entity,
            version,
            name: name.to_owned().into(),
            type_version: 1,
            correlation_id: Uuid::nil(),
            attempt: None,
            time: Timestamp::from_micros(i64::try_from(sequence).unwrap() * 1_000_000),
            body: Arc::from(serde_json::value::RawValue::from_string(body.to_owned()).unwrap()),
        };
        outbox.push(message.clone());

        Arc::new(message)
    }

    pub fn deliver(&self, messages: impl IntoIterator<Item = Arc<Message>>) {
        let messages: Vec<_> = messages.into_iter().collect();
        self.subscribers.lock().unwrap().retain(|subscriber| {
            // A full queue loses the delivery, a closed one ends the subscription.
            !matches!(
                subscriber.try_send(messages.iter().cloned().collect()),
                Err(mpsc::error::TrySendError::Closed(_))
            )
        });
    }

    /// Commits once more what was committed last: it changes nothing.
    fn repeat_last(&self, source: ShardId) {
        if let Some(outbox) = self.outboxes.lock().unwrap().get_mut(&source)
            && let Some(last) = outbox.last().cloned()
        {
            outbox.push(Message {
                sequence: last.sequence + 1,
                previous: last.sequence,
                ..last
            });
        }
    }

    /// Loses the newer half of what each source has committed.
    pub fn forget_half(&self) {
        for outbox in self.outboxes.lock().unwrap().values_mut() {
            outbox.truncate(outbox.len().div_ceil(2));
        }
    }

    /// The newest version of each entity of a service.
    pub fn versions(&self, service: Service) -> BTreeMap<Uuid, u64> {
        let outboxes = self.outboxes.lock().unwrap();
        let messages = outboxes.values().flatten();
        let of_service = messages.filter(|message| message.source.service == service);
        of_service
            .map(|message| (message.entity, message.version))
            .collect()
    }

    fn events(
        &self,
        source: ShardId,
        wanted: impl Fn(&Message) -> bool,
        limit: usize,
    ) -> Vec<Message> {
        let outboxes = self.outboxes.lock().unwrap();
        outboxes
            .get(&source)
            .into_iter()
            .flatten()
            .filter(|message| wanted(message))
            .take(limit)
            .cloned()
            .collect()
    }

    fn answer(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let failing = self.failing.load(Ordering::Relaxed);
        Box::pin(async move {
            if failing {
                Err(StoreError::Injected("log"))
            } else {
                Ok(messages)
            }
        })
    }
}

impl Log for TestLog {
    fn subscribe(&self, _destination: Destination) -> Subscription {
        let (sender, deliveries) = mpsc::channel(8);
        self.subscribers.lock().unwrap().push(sender);
        Subscription::whole(deliveries)
    }

    fn listen(&self, _shard: ShardId, _events_of: &[ShardId], _wants: Wants) -> Subscription {
        self.subscribe(Destination::Events)
    }

    fn read(
        &self,
        source: ShardId,
        _destination: Destination,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        let read = self.events(source, |message| message.sequence > after, limit);
        if self.busy.load(Ordering::Relaxed) {
            self.repeat_last(source);
        }
        self.answer(read)
    }

    fn heads(&self, _source: ShardId) -> Option<Heads> {
        None
    }

    fn head(&self, source: ShardId, _destination: Destination) -> u64 {
        self.outboxes
            .lock()
            .unwrap()
            .get(&source)
            .and_then(|outbox| outbox.last())
            .map_or(0, |last| last.sequence)
    }

    fn head_time(&self, _: ShardId) -> Option<Timestamp> {
        None
    }

    fn published(&self, source: ShardId) -> u64 {
        self.head(source, Destination::Events)
    }

    fn history(
        &self,
        source: ShardId,
        entity: Uuid,
        from_version: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        let wanted =
            |message: &Message| message.entity == entity && message.version >= from_version;
        self.answer(self.events(source, wanted, limit))
    }

    fn backlog<'a>(
        &'a self,
        _source: ShardId,
        _positions: &'a Positions,
    ) -> BoxFuture<'a, Result<BTreeMap<ShardId, u64>, StoreError>> {
        Box::pin(async { Ok(BTreeMap::new()) })
    }

    fn sources(&self) -> Vec<ShardId> {
        let shards = |service: &Service| {
            let service = *service;
            (0..SHARDS).map(move |number| ShardId::new(service, number))
        };
        self.services.iter().flat_map(shards).collect()
    }
}
