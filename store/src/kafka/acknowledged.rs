//! Sending events whose acknowledgement somebody waits for.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use sagas::ShardId;

use super::clients::{Complaints, TURN};
use super::outgoing;
use super::record;
use super::{KafkaError, KafkaSettings};
use crate::log::Message;

/// Longer than the client tries to deliver a record.
const PATIENCE: Duration = Duration::from_secs(60);

/// A producer that says what has become of each record.
pub(super) struct Acknowledged {
    producer: BaseProducer<Outcomes>,
    outcomes: Outcomes,
}

impl Acknowledged {
    pub(super) fn new(
        settings: &KafkaSettings,
        complaints: &Complaints,
    ) -> Result<Self, KafkaError> {
        let outcomes = Outcomes {
            complaints: complaints.clone(),
            failed: Arc::default(),
        };
        let producer = outgoing::config_of_producers(settings)
            .create_with_context(outcomes.clone())
            .map_err(|source| KafkaError::Client {
                brokers: settings.brokers.clone(),
                source,
            })?;
        Ok(Acknowledged { producer, outcomes })
    }

    /// Sends events in their order, each to the partition of its source, and waits until all are
    /// acknowledged. Blocks.
    pub(super) fn deliver(
        &self,
        topic: &str,
        events: &[Message],
        partition: impl Fn(ShardId) -> i32,
    ) -> Result<(), KafkaError> {
        let lost = |count, cause| KafkaError::NotAcknowledged {
            topic: topic.to_owned(),
            count,
            cause,
        };

        for event in events {
            let key = record::key(event);
            let mut record = BaseRecord::to(topic)
                .partition(partition(event.source))
                .key(&key)
                .headers(record::headers(event))
                .payload(event.body.get());
            while let Err((error, unsent)) = self.producer.send(record) {
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    return Err(lost(1, error.to_string()));
                }
                self.producer.poll(TURN);
                record = unsent;
            }
        }

        self.producer
            .flush(PATIENCE)
            .map_err(|error| lost(events.len(), error.to_string()))?;
        match self.outcomes.take_failed() {
            Some((count, cause)) => Err(lost(count, cause)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Acknowledged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acknowledged").finish_non_exhaustive()
    }
}

/// How many records were not delivered, and why the first was not.
type Failed = Option<(usize, String)>;

/// Hears what has become of each record.
#[derive(Clone, Debug)]
struct Outcomes {
    complaints: Complaints,
    failed: Arc<Mutex<Failed>>,
}

impl Outcomes {
    fn take_failed(&self) -> Failed {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.take()
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
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *failed {
                Some((count, _)) => *count += 1,
                None => *failed = Some((1, error.to_string())),
            }
        }
    }
}
