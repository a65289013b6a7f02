//! What a node sends. Nobody waits for it: what is not delivered is counted, and whoever misses it
//! reads the outbox.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use metrics::counter;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use tracing::{error, warn};

use super::clients::{Complaints, Pace, TURN, config};
use super::{KafkaError, KafkaSettings};
use crate::metric_names::KAFKA_DROPPED;

/// How often lost records may be told of.
const LOSSES: Duration = Duration::from_secs(1);

/// The producer of a node.
pub(super) struct Outgoing {
    config: ClientConfig,
    context: Deliveries,
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
        .set("queue.buffering.max.messages", "100000")
        .set("queue.buffering.max.kbytes", "65536");
    config
}

impl Outgoing {
    pub(super) fn new(
        settings: &KafkaSettings,
        complaints: &Complaints,
    ) -> Result<Self, KafkaError> {
        let config = config_of_producers(settings);
        let context = Deliveries {
            complaints: complaints.clone(),
            losses: Arc::new(Pace::new(LOSSES)),
        };
        let producer: BaseProducer<Deliveries> = config
            .create_with_context(context.clone())
            .map_err(|source| KafkaError::Client {
                brokers: settings.brokers.clone(),
                source,
            })?;
        Ok(Outgoing {
            config,
            context,
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
            self.context.lost("queue", "its service has no topics");
            return false;
        };
        let record = BaseRecord::to(topic)
            .partition(partition)
            .key(key)
            .headers(headers)
            .payload(value);

        match self.producer().send(record) {
            Ok(()) => true,
            Err((error, _)) => {
                self.context.lost("queue", &error.to_string());
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
        match self.config.create_with_context(self.context.clone()) {
            Ok(new) => {
                let mut producer = self
                    .producer
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                *producer = Arc::new(new);
            }
            Err(error) => self.context.complaints.tell(&error.to_string()),
        }
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").finish_non_exhaustive()
    }
}

/// Hears what has become of each record.
#[derive(Clone, Debug)]
struct Deliveries {
    complaints: Complaints,
    losses: Arc<Pace>,
}

impl Deliveries {
    fn lost(&self, reason: &'static str, cause: &str) {
        counter!(KAFKA_DROPPED, "reason" => reason).increment(1);
        if let Some(unsaid) = self.losses.now() {
            warn!(
                kafka.losses.unsaid = unsaid,
                "a record was not delivered to Kafka, who misses it reads the outbox: {cause}"
            );
        }
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
        if let Err((error, _)) = result {
            self.lost("delivery", &error.to_string());
        }
    }
}
