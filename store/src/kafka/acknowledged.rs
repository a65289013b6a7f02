//! Sending messages whose acknowledgement somebody waits for.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use tokio::task::spawn_blocking;

use super::clients::{Complaints, TURN};
use super::outgoing;
use super::record;
use super::topics::Topics;
use super::{KafkaError, KafkaSettings};
use crate::log::Message;
use crate::relay::{AcknowledgingCarrier, Undelivered};

/// Longer than the client tries to deliver a record.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a look for outcomes takes.
const LOOK: Duration = Duration::from_millis(1);

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

    /// Sends messages in their order, each to its place, and waits until all are acknowledged.
    /// Blocks. What fails may have arrived all the same.
    pub(super) fn deliver(&self, topics: &Topics, messages: &[Message]) -> Result<(), KafkaError> {
        let sent = messages
            .iter()
            .try_for_each(|message| self.send(topics, message));

        // Whatever was sent before one that cannot be is waited for, too: its outcome would be taken
        // for that of a later one.
        let is_told = self.wait_for_outcomes();
        let failed = self.outcomes.take_failed();
        sent?;
        if !is_told {
            return Err(lost(messages.len(), "the client says nothing".to_owned()));
        }
        match failed {
            Some((count, cause)) => Err(lost(count, cause)),
            None => Ok(()),
        }
    }

    /// Until the outcome of each record is known; false when that takes too long. The client's own
    /// flush looks every 100 ms.
    fn wait_for_outcomes(&self) -> bool {
        let began = Instant::now();
        while self.producer.in_flight_count() > 0 {
            if began.elapsed() > PATIENCE {
                return false;
            }
            self.producer.poll(LOOK);
        }
        true
    }

    fn send(&self, topics: &Topics, message: &Message) -> Result<(), KafkaError> {
        let (topic, partition) = topics.place_of(message);
        let no_topic = || {
            lost(
                1,
                format!("no topic is there for {:?}", message.destination),
            )
        };
        let key = record::key(message);
        let mut record = BaseRecord::to(topic.ok_or_else(no_topic)?)
            .partition(partition)
            .key(&key)
            .headers(record::headers(message))
            .payload(message.body.get());

        while let Err((error, unsent)) = self.producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(lost(1, error.to_string()));
            }
            self.producer.poll(TURN);
            record = unsent;
        }
        Ok(())
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

/// The same, for relays.
#[derive(Debug)]
pub(super) struct ForRelays {
    producer: Arc<Acknowledged>,
    topics: Arc<Topics>,
}

impl ForRelays {
    pub(super) fn new(producer: Acknowledged, topics: Arc<Topics>) -> Self {
        let producer = Arc::new(producer);
        ForRelays { producer, topics }
    }
}

impl AcknowledgingCarrier for ForRelays {
    fn deliver(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<(), Undelivered>> {
        let (producer, topics) = (Arc::clone(&self.producer), Arc::clone(&self.topics));
        let delivering = spawn_blocking(move || producer.deliver(&topics, &messages));
        async move { Ok(delivering.await??) }.boxed()
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
