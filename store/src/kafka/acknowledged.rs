//! Sending messages whose acknowledgement somebody waits for.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use metrics::counter;
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
use crate::metric_names::KAFKA_DROPPED;
use crate::relay::{AcknowledgingCarrier, Undelivered};

/// Longer than the client tries to deliver a record.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a look for outcomes takes.
const LOOK: Duration = Duration::from_millis(1);

/// What becomes of a record that Kafka will never take, because it is too large for instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is left out, so that what comes behind it does not wait for ever.
    LeftOut,
    /// It fails what it is sent with.
    Fails,
}

/// A producer that says what has become of each record.
pub(super) struct Acknowledged {
    producer: BaseProducer<Outcomes>,
    outcomes: Outcomes,
}

impl Acknowledged {
    pub(super) fn new(
        settings: &KafkaSettings,
        complaints: &Complaints,
        refused: Refused,
    ) -> Result<Self, KafkaError> {
        let outcomes = Outcomes {
            complaints: complaints.clone(),
            refused,
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
            if self.outcomes.leaves_out(&error) {
                self.outcomes.leave_out(&error);
                return Ok(());
            }
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

/// The same, for a relay: with another producer when one has failed for good.
#[derive(Debug)]
pub(super) struct ForRelay(Arc<Relayed>);

#[derive(Debug)]
struct Relayed {
    settings: KafkaSettings,
    complaints: Complaints,
    topics: Arc<Topics>,
    /// Held while messages are delivered: their outcomes are told to whoever waits then.
    producer: Mutex<Acknowledged>,
}

impl ForRelay {
    pub(super) fn new(
        settings: &KafkaSettings,
        complaints: &Complaints,
        topics: Arc<Topics>,
    ) -> Result<Self, KafkaError> {
        let producer = Acknowledged::new(settings, complaints, Refused::LeftOut)?;
        Ok(ForRelay(Arc::new(Relayed {
            settings: settings.clone(),
            complaints: complaints.clone(),
            topics,
            producer: Mutex::new(producer),
        })))
    }
}

impl Relayed {
    fn deliver(&self, messages: &[Message]) -> Result<(), KafkaError> {
        let mut producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        let delivered = producer.deliver(&self.topics, messages);
        if delivered.is_err() && producer.producer.client().fatal_error().is_some() {
            *producer = Acknowledged::new(&self.settings, &self.complaints, Refused::LeftOut)?;
        }
        delivered
    }
}

impl AcknowledgingCarrier for ForRelay {
    fn deliver(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<(), Undelivered>> {
        let relayed = Arc::clone(&self.0);
        let delivering = spawn_blocking(move || relayed.deliver(&messages));
        async move { Ok(delivering.await??) }.boxed()
    }
}

/// How many records were not delivered, and why the first was not.
type Failed = Option<(usize, String)>;

/// Hears what has become of each record.
#[derive(Clone, Debug)]
struct Outcomes {
    complaints: Complaints,
    refused: Refused,
    failed: Arc<Mutex<Failed>>,
}

impl Outcomes {
    /// Whether a record that will never be taken is to keep nobody waiting.
    fn leaves_out(&self, error: &ClientError) -> bool {
        let is_for_good = matches!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidRecord)
        );
        is_for_good && self.refused == Refused::LeftOut
    }

    /// Its receiver sees a gap, and reads the outbox.
    fn leave_out(&self, error: &ClientError) {
        counter!(KAFKA_DROPPED, "reason" => "delivery").increment(1);
        tracing::error!("Kafka refuses a record, which is left out: {error}");
    }

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
            if self.leaves_out(error) {
                return self.leave_out(error);
            }
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *failed {
                Some((count, _)) => *count += 1,
                None => *failed = Some((1, error.to_string())),
            }
        }
    }
}
