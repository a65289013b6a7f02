//! Sending messages whose acknowledgement somebody waits for.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::MutexGuard;
use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use sagas::ShardId;

use super::clients::{Complaints, TURN};
use super::outcomes::{Awaited, Batch, Outcomes, Refused, leave_out, lost};
use super::topics::Topics;
use super::{KafkaError, KafkaSettings, outgoing, record};
use crate::log::{Destination, Message};

/// Longer than the client tries to deliver a record.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a look for outcomes takes.
const LOOK: Duration = Duration::from_millis(1);

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
        let outcomes = Outcomes::new(refused, topics, complaints);
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

    /// Whether outcomes are still to come, for which it waits a moment. The client's own flush
    /// looks every 100 ms.
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
