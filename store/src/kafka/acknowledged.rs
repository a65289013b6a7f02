//! Sending messages whose acknowledgement somebody waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::counter;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use sagas::ShardId;

use super::clients::{Complaints, TURN};
use super::outgoing;
use super::record;
use super::topics::Topics;
use super::waiting::Waiting;
use super::{KafkaError, KafkaSettings};
use crate::log::{Destination, Message};
use crate::metric_names::KAFKA_DROPPED;

/// Longer than the client tries to deliver a record.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a look for outcomes takes.
const LOOK: Duration = Duration::from_millis(1);

/// What becomes of a record that Kafka will never take, because it is too large for instance, and of
/// commands and replies, which their receivers read from the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is left out, so that what comes behind it does not wait for ever. Nobody waits for commands
    /// and replies.
    LeftOut,
    /// It fails what it is sent with.
    Fails,
}

/// A producer that says what has become of each record.
pub(super) struct Acknowledged {
    pub(super) producer: BaseProducer<Outcomes>,
}

impl Acknowledged {
    pub(super) fn new(
        settings: &KafkaSettings,
        topics: &Topics,
        complaints: &Complaints,
        refused: Refused,
    ) -> Result<Self, KafkaError> {
        let outcomes = Outcomes {
            complaints: complaints.clone(),
            refused,
            waiting: Waiting::new(topics),
            batch: Mutex::default(),
        };
        let producer = outgoing::config_of_producers(settings)
            .create_with_context(outcomes)
            .map_err(|source| KafkaError::Client {
                brokers: settings.brokers.clone(),
                source,
            })?;
        Ok(Acknowledged { producer })
    }

    /// Sends messages in their order, each to its place, and waits until all are acknowledged.
    /// Blocks. What fails may have arrived all the same.
    pub(super) fn deliver(&self, topics: &Topics, messages: &[Message]) -> Result<(), KafkaError> {
        self.begin(topics, messages)?;
        while self.is_under_way() {}
        self.end()
    }

    /// Sends messages in their order, each to its place.
    pub(super) fn begin(&self, topics: &Topics, messages: &[Message]) -> Result<(), KafkaError> {
        let number = self.batch().renew();
        let sent = messages
            .iter()
            .try_for_each(|message| self.send(topics, message, number));

        // Nobody waits for what was sent before one that cannot be.
        if sent.is_err() {
            self.batch().renew();
        }
        sent
    }

    /// Whether outcomes are still to come, for which it waits a moment. The client's own flush looks
    /// every 100 ms.
    pub(super) fn is_under_way(&self) -> bool {
        {
            let batch = self.batch();
            if batch.under_way.is_empty() || batch.began.elapsed() > PATIENCE {
                return false;
            }
        }
        self.producer.poll(LOOK);
        true
    }

    /// How long what is under way has been so.
    pub(super) fn since(&self) -> Duration {
        self.batch().began.elapsed()
    }

    /// The sources of what has failed, and of what is under way.
    pub(super) fn lacking(&self) -> BTreeSet<ShardId> {
        let batch = self.batch();
        let sources = batch.under_way.keys().chain(&batch.failed);
        sources.copied().collect()
    }

    /// Nobody waits any more for what these sources have sent.
    pub(super) fn let_go(&self, sources: &BTreeSet<ShardId>) {
        let mut batch = self.batch();
        batch
            .under_way
            .retain(|source, _| !sources.contains(source));
        batch.failed.retain(|source| !sources.contains(source));
    }

    /// Ends a batch, whatever is still under way.
    pub(super) fn end(&self) -> Result<(), KafkaError> {
        // What became of records that nobody waits for is heard at the same time.
        self.producer.poll(Duration::ZERO);
        let mut batch = self.batch();
        let failed = batch.failure();
        batch.renew();
        failed.map_or(Ok(()), Err)
    }

    fn send(&self, topics: &Topics, message: &Message, batch: u64) -> Result<(), KafkaError> {
        let (topic, partition) = topics.place_of(message);
        let no_topic = || {
            lost(
                1,
                format!("no topic is there for {:?}", message.destination),
            )
        };
        let topic = topic.ok_or_else(no_topic)?;
        let outcomes = self.producer.context();
        let is_awaited =
            message.destination == Destination::Events || outcomes.refused == Refused::Fails;
        let key = record::key(message);
        let bytes = key.len() + message.body.get().len();
        if !is_awaited && !outcomes.waiting.takes(topic, partition, bytes) {
            outcomes.drop_record("too much waits for its partition");
            return Ok(());
        }

        let awaited = is_awaited.then_some(Awaited {
            batch,
            source: message.source,
        });
        let mut record = BaseRecord::with_opaque_to(topic, Box::new(awaited))
            .partition(partition)
            .key(&key)
            .headers(record::headers(message))
            .payload(message.body.get());
        if is_awaited {
            self.batch().sent(message.source);
        }

        while let Err((error, unsent)) = self.producer.send(record) {
            let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if is_awaited && is_full {
                self.producer.poll(TURN);
                record = unsent;
                continue;
            }

            if !is_awaited {
                outcomes.waiting.gives(topic, partition, bytes);
                outcomes.drop_record(&error.to_string());
                return Ok(());
            }
            self.batch().arrived(message.source);
            if !outcomes.leaves_out(&error) {
                return Err(lost(1, error.to_string()));
            }
            leave_out(&error);
            return Ok(());
        }
        Ok(())
    }

    fn batch(&self) -> MutexGuard<'_, Batch> {
        self.producer.context().batch()
    }
}

impl fmt::Debug for Acknowledged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acknowledged").finish_non_exhaustive()
    }
}

fn lost(count: usize, cause: String) -> KafkaError {
    KafkaError::NotAcknowledged { count, cause }
}

/// Its receiver sees a gap, and reads the outbox.
fn leave_out(error: &ClientError) {
    counter!(KAFKA_DROPPED, "reason" => "delivery").increment(1);
    tracing::error!("Kafka refuses a record, which is left out: {error}");
}

/// A record that somebody waits for.
pub(super) struct Awaited {
    /// Among those that were sent together. One that is told of late is not taken for a later one.
    batch: u64,
    source: ShardId,
}

/// What was sent together.
struct Batch {
    number: u64,
    began: Instant,
    /// How many records of each source have no outcome yet.
    under_way: BTreeMap<ShardId, usize>,
    /// The sources of records that were not taken.
    failed: BTreeSet<ShardId>,
    /// How many those are, and why the first was not.
    lost: Option<(usize, String)>,
}

impl Default for Batch {
    fn default() -> Self {
        Batch {
            number: 0,
            began: Instant::now(),
            under_way: BTreeMap::new(),
            failed: BTreeSet::new(),
            lost: None,
        }
    }
}

impl Batch {
    fn renew(&mut self) -> u64 {
        let number = self.number + 1;
        *self = Batch {
            number,
            ..Batch::default()
        };
        number
    }

    fn sent(&mut self, source: ShardId) {
        *self.under_way.entry(source).or_default() += 1;
    }

    fn arrived(&mut self, source: ShardId) {
        if let Some(left) = self.under_way.get_mut(&source) {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.under_way.remove(&source);
            }
        }
    }

    /// Why not all has arrived that somebody still waits for.
    fn failure(&mut self) -> Option<KafkaError> {
        if !self.under_way.is_empty() {
            let count = self.under_way.values().sum();
            return Some(lost(count, "the client says nothing".to_owned()));
        }
        let (count, cause) = self.lost.take()?;
        (!self.failed.is_empty()).then(|| lost(count, cause))
    }
}

/// Hears what has become of each record.
pub(super) struct Outcomes {
    complaints: Complaints,
    refused: Refused,
    /// Of what nobody waits for.
    waiting: Waiting,
    batch: Mutex<Batch>,
}

impl Outcomes {
    fn batch(&self) -> MutexGuard<'_, Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a record that will never be taken is to keep nobody waiting.
    fn leaves_out(&self, error: &ClientError) -> bool {
        let is_for_good = matches!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidRecord)
        );
        is_for_good && self.refused == Refused::LeftOut
    }

    /// Of one that nobody waits for: its receiver sees a gap, and reads the outbox.
    fn drop_record(&self, cause: &str) {
        counter!(KAFKA_DROPPED, "reason" => "delivery").increment(1);
        self.complaints
            .tell(&format!("a record is not delivered: {cause}"));
    }
}

impl ClientContext for Outcomes {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.complaints.log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.complaints.error(error, reason);
    }
}

impl ProducerContext for Outcomes {
    type DeliveryOpaque = Box<Option<Awaited>>;

    fn delivery(&self, result: &DeliveryResult<'_>, awaited: Self::DeliveryOpaque) {
        let (record, error) = match result {
            Ok(record) => (record, None),
            Err((error, record)) => (record, Some(error)),
        };
        let Some(Awaited { batch, source }) = *awaited else {
            let bytes = record.key_len() + record.payload_len();
            self.waiting
                .gives(record.topic(), record.partition(), bytes);
            if let Some(error) = error {
                self.drop_record(&error.to_string());
            }
            return;
        };

        let error = error.filter(|error| {
            let is_left_out = self.leaves_out(error);
            if is_left_out {
                leave_out(error);
            }
            !is_left_out
        });
        let mut under_way = self.batch();
        if under_way.number != batch || !under_way.under_way.contains_key(&source) {
            return;
        }
        under_way.arrived(source);
        if let Some(error) = error {
            under_way.failed.insert(source);
            let (count, _) = under_way.lost.get_or_insert_with(|| (0, error.to_string()));
            *count += 1;
        }
    }
}
