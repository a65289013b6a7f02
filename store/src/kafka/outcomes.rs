//! What becomes of the records that a producer has sent, for whoever waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use metrics::counter;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{DeliveryResult, ProducerContext};
use sagas::ShardId;

use super::KafkaError;
use super::clients::Complaints;
use super::topics::Topics;
use super::waiting::Waiting;
use crate::metric_names::KAFKA_DROPPED;

/// What becomes of a record that Kafka will never take, because it is too large for instance, and
/// of commands and replies, which their receivers read from the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is left out, so that what comes behind it does not wait for ever. Nobody waits for
    /// commands and replies.
    LeftOut,
    /// It fails what it is sent with.
    Fails,
}

pub(super) fn lost(count: usize, cause: String) -> KafkaError {
    KafkaError::NotAcknowledged { count, cause }
}

/// Its receiver sees a gap, and reads the outbox.
pub(super) fn leave_out(error: &ClientError) {
    counter!(KAFKA_DROPPED, "reason" => "delivery").increment(1);
    tracing::error!("Kafka refuses a record, which is left out: {error}");
}

/// A record that somebody waits for.
pub(super) struct Awaited {
    /// Among those that were sent together. One that is told of late is not taken for a later one.
    pub(super) batch: u64,
    pub(super) source: ShardId,
}

/// What was sent together.
pub(super) struct Batch {
    number: u64,
    pub(super) began: Instant,
    /// How many records of each source have no outcome yet.
    pub(super) under_way: BTreeMap<ShardId, usize>,
    /// The sources of records that were not taken.
    pub(super) failed: BTreeSet<ShardId>,
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
    pub(super) fn renew(&mut self) -> u64 {
        let number = self.number + 1;
        *self = Batch {
            number,
            ..Batch::default()
        };
        number
    }

    pub(super) fn sent(&mut self, source: ShardId) {
        *self.under_way.entry(source).or_default() += 1;
    }

    pub(super) fn arrived(&mut self, source: ShardId) {
        if let Some(left) = self.under_way.get_mut(&source) {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.under_way.remove(&source);
            }
        }
    }

    /// Why not all has arrived that somebody still waits for.
    pub(super) fn failure(&mut self) -> Option<KafkaError> {
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
    pub(super) refused: Refused,
    /// Of what nobody waits for.
    pub(super) waiting: Waiting,
    batch: Mutex<Batch>,
}

impl Outcomes {
    pub(super) fn new(refused: Refused, topics: &Topics, complaints: &Complaints) -> Self {
        Outcomes {
            complaints: complaints.clone(),
            refused,
            waiting: Waiting::new(topics),
            batch: Mutex::default(),
        }
    }

    pub(super) fn batch(&self) -> MutexGuard<'_, Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a record that will never be taken is to keep nobody waiting.
    pub(super) fn leaves_out(&self, error: &ClientError) -> bool {
        let is_for_good = matches!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidRecord)
        );
        is_for_good && self.refused == Refused::LeftOut
    }

    /// Of one that nobody waits for: its receiver sees a gap, and reads the outbox.
    pub(super) fn drop_record(&self, cause: &str) {
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
