//! What a node sends. Nobody waits for it: what is not delivered is counted, and whoever misses it
//! reads the outbox. What one partition does not take keeps nothing else from being sent
//! (`waiting`).

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use metrics::counter;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::{Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use tracing::{error, warn};

use super::clients::{Complaints, Pace, TURN, config};
use super::topics::Topics;
use super::waiting::{BYTES, RECORDS, Waiting};
use super::{KafkaError, KafkaSettings};
use crate::metric_names::KAFKA_DROPPED;

/// How often lost records may be told of.
const LOSSES: Duration = Duration::from_secs(1);

/// The producer of a node.
pub(super) struct Outgoing {
    config: ClientConfig,
    topics: Arc<Topics>,
    complaints: Complaints,
    losses: Arc<Pace>,
    /// Replaced when it has failed for good.
    producer: RwLock<Arc<BaseProducer<Deliveries>>>,
}

/// The settings of whatever sends records.
pub(super) fn config_of_producers(settings: &KafkaSettings) -> ClientConfig {
    let mut config = config(settings);
    config
        .set("acks", "all")
        // Without it a repeated request could overtake another one.
        .set("enable.idempotence", "true")
        // Nobody waits while there is nothing else to do: 4.2 instead of 9 ms for a saga that is
        // alone. Under load the client gathers records anyway, while requests are under way.
        .set("linger.ms", "0")
        // After a while its receiver has read the outbox, or the question is given up.
        .set("message.timeout.ms", "30000")
        // What may wait while no broker answers.
        .set("queue.buffering.max.messages", RECORDS.to_string())
        .set("queue.buffering.max.kbytes", (BYTES >> 10).to_string());
    config
}

impl Outgoing {
    pub(super) fn new(
        settings: &KafkaSettings,
        topics: &Arc<Topics>,
        complaints: &Complaints,
    ) -> Result<Self, KafkaError> {
        let config = config_of_producers(settings);
        let losses = Arc::new(Pace::new(LOSSES));
        let context = Deliveries {
            complaints: complaints.clone(),
            losses: Arc::clone(&losses),
            waiting: Waiting::new(topics),
        };
        let producer: BaseProducer<Deliveries> =
            config
                .create_with_context(context)
                .map_err(|source| KafkaError::Client {
                    brokers: settings.brokers.clone(),
                    source,
                })?;
        Ok(Outgoing {
            config,
            topics: Arc::clone(topics),
            complaints: complaints.clone(),
            losses,
            producer: RwLock::new(Arc::new(producer)),
        })
    }

    /// Sends a record, without waiting for anything. False when it is not even queued.
    pub(super) fn send(
        &self,
        topic: Option<&str>,
        partition: i32,
        key: &str,
        headers: OwnedHeaders,
        value: &[u8],
    ) -> bool {
        let Some(topic) = topic else {
            lost(&self.losses, "queue", "its service has no topics");
            return false;
        };
        let producer = self.producer();
        let context = producer.context();
        let bytes = key.len() + value.len();
        if !context.waiting.takes(topic, partition, bytes) {
            let full = format!("{topic} {partition} takes nothing, and too much waits for it");
            lost(&self.losses, "queue", &full);
            return false;
        }

        let record = BaseRecord::to(topic)
            .partition(partition)
            .key(key)
            .headers(headers)
            .payload(value);

        match producer.send(record) {
            Ok(()) => true,
            Err((error, _)) => {
                context.waiting.gives(topic, partition, bytes);
                lost(&self.losses, "queue", &error.to_string());
                false
            }
        }
    }

    /// Takes in what the brokers say of the records, until it is stopped.
    pub(super) fn run(&self, stop: &AtomicBool) {
        while !stop.load(Ordering::SeqCst) {
            let producer = self.producer();
            // Takes one event after the other until the time is over: delivery reports that nobody
            // takes pile up.
            producer.poll(TURN);

            if let Some((code, reason)) = producer.client().fatal_error() {
                error!("the Kafka producer has failed and is replaced: {code}: {reason}");
                self.replace();
            }
        }
    }

    /// Waits until what has been sent is delivered, but not for long.
    pub(super) fn flush(&self, patience: Duration) {
        if let Err(error) = self.producer().flush(patience) {
            warn!("the last records for Kafka may not have been delivered: {error}");
        }
    }

    fn producer(&self) -> Arc<BaseProducer<Deliveries>> {
        let producer = self.producer.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&producer)
    }

    fn replace(&self) {
        // What waited in the former one waits no more.
        let context = Deliveries {
            complaints: self.complaints.clone(),
            losses: Arc::clone(&self.losses),
            waiting: Waiting::new(&self.topics),
        };
        match self.config.create_with_context(context) {
            Ok(new) => {
                let mut producer = self
                    .producer
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                *producer = Arc::new(new);
            }
            Err(error) => self.complaints.tell(&error.to_string()),
        }
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").finish_non_exhaustive()
    }
}

/// Hears what has become of each record.
#[derive(Debug)]
struct Deliveries {
    complaints: Complaints,
    losses: Arc<Pace>,
    waiting: Waiting,
}

fn lost(losses: &Pace, reason: &'static str, cause: &str) {
    counter!(KAFKA_DROPPED, "reason" => reason).increment(1);
    if let Some(unsaid) = losses.now() {
        warn!(
            kafka.losses.unsaid = unsaid,
            "a record was not delivered to Kafka, who misses it reads the outbox: {cause}"
        );
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.complaints.log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.complaints.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let record = match result {
            Ok(record) => record,
            Err((error, record)) => {
                lost(&self.losses, "delivery", &error.to_string());
                record
            }
        };
        let bytes = record.key_len() + record.payload_len();
        self.waiting
            .gives(record.topic(), record.partition(), bytes);
    }
}
