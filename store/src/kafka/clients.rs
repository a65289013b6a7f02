//! What all clients of a node have in common: how they connect, and how they complain.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError as ClientError;
use tracing::{debug, warn};

use super::KafkaSettings;

/// How long a thread waits for events before it looks whether it is to end.
pub(super) const TURN: Duration = Duration::from_millis(100);

/// How long a request may take whose answer a thread waits for.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// How often a client may complain. It tries to reconnect once a second, to each broker.
const COMPLAINTS: Duration = Duration::from_secs(10);

/// The settings of every client.
pub(super) fn config(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.brokers)
        .set("client.id", &settings.node)
        // By default it waits for up to 10 s, long after the brokers are back.
        .set("reconnect.backoff.ms", "100")
        .set("reconnect.backoff.max.ms", "1000")
        // By default a broker that stands still is noticed after a minute.
        .set("socket.timeout.ms", "10000")
        .set("socket.keepalive.enable", "true")
        // A topic that was deleted and is created anew is noticed after this time, and so is what
        // comes of it for a group. By default it is five minutes.
        .set("topic.metadata.refresh.interval.ms", "3000")
        // Small requests go out at once, without waiting for the acknowledgement of those before.
        .set("socket.nagle.disable", "true")
        // Brokers close idle connections; that is no news.
        .set("log.connection.close", "false")
        .set_log_level(RDKafkaLogLevel::Warning);
    config
}

/// Says something at most once in a while, and how often it was not said.
#[derive(Debug)]
pub(super) struct Pace {
    every: Duration,
    said: Mutex<Option<Instant>>,
    unsaid: AtomicU64,
}

impl Pace {
    pub(super) const fn new(every: Duration) -> Self {
        Pace {
            every,
            said: Mutex::new(None),
            unsaid: AtomicU64::new(0),
        }
    }

    /// Whether to say it now: then how often it was not said since the last time.
    pub(super) fn now(&self) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_some_and(|said| said.elapsed() < self.every) {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            return None;
        }

        *said = Some(Instant::now());
        Some(self.unsaid.swap(0, Ordering::Relaxed))
    }
}

/// Where all clients of a node complain: they tell the same story, so that one is heard.
#[derive(Clone, Debug)]
pub(super) struct Complaints(Arc<Pace>);

impl Complaints {
    pub(super) fn new() -> Self {
        Complaints(Arc::new(Pace::new(COMPLAINTS)))
    }

    /// Something goes wrong that the client mends by itself, or tries to.
    pub(super) fn tell(&self, what: &str) {
        match self.0.now() {
            Some(unsaid) => warn!(kafka.complaints.unsaid = unsaid, "Kafka client: {what}"),
            None => debug!("Kafka client: {what}"),
        }
    }
}

impl ClientContext for Complaints {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => self.tell(&format!("{facility} {message}")),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                debug!("Kafka client: {facility} {message}");
            }
        }
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.tell(&format!("{error}: {reason}"));
    }
}

impl ConsumerContext for Complaints {}
