//! What carries messages for a relay: with another producer when one has failed for good, and past
//! partitions that nobody leads.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rdkafka::producer::Producer;
use sagas::{Service, ShardId};
use tokio::task::spawn_blocking;
use tracing::{debug, info, warn};

use super::acknowledged::Acknowledged;
use super::clients::Complaints;
use super::ends::led;
use super::outcomes::Refused;
use super::topics::{Topic, Topics};
use super::{KafkaError, KafkaSettings};
use crate::log::Message;
use crate::relay::{AcknowledgingCarrier, Undelivered, Waits};

/// What takes longer than this may be on its way to a partition that nobody leads; and so often it
/// is looked whether somebody does.
const LOOKS_AFTER: Duration = Duration::from_secs(2);
const LOOKS_EVERY: Duration = Duration::from_secs(1);

/// What carries messages for a relay.
#[derive(Debug)]
pub(super) struct ForRelay(Arc<Relayed>);

#[derive(Debug)]
struct Relayed {
    settings: KafkaSettings,
    complaints: Complaints,
    topics: Arc<Topics>,
    /// Held while messages are delivered: their outcomes are told to whoever waits then.
    carrying: Mutex<Carrying>,
}

#[derive(Debug)]
struct Carrying {
    producer: Acknowledged,
    /// Partitions of events that nobody led at the last look.
    leaderless: BTreeSet<(Service, i32)>,
    looked: Instant,
}

impl ForRelay {
    pub(super) fn new(
        settings: &KafkaSettings,
        complaints: &Complaints,
        topics: Arc<Topics>,
    ) -> Result<Self, KafkaError> {
        let producer = Acknowledged::new(settings, &topics, complaints, Refused::LeftOut)?;
        Ok(ForRelay(Arc::new(Relayed {
            settings: settings.clone(),
            complaints: complaints.clone(),
            topics,
            carrying: Mutex::new(Carrying {
                producer,
                leaderless: BTreeSet::new(),
                looked: Instant::now(),
            }),
        })))
    }
}

impl Relayed {
    fn deliver(&self, mut messages: Vec<Message>) -> Result<Waits, KafkaError> {
        let mut carrying = self.carrying.lock().unwrap_or_else(PoisonError::into_inner);
        if !carrying.leaderless.is_empty() && carrying.looked.elapsed() >= LOOKS_EVERY {
            let before: Vec<_> = carrying.leaderless.iter().copied().collect();
            carrying.look(&self.topics, &before);
        }

        let mut waits = Waits::new();
        messages.retain(|message| {
            let is_led = !carrying.leaderless.contains(&self.place(message.source));
            if !is_led {
                waits.insert(message.source);
            }
            is_led
        });
        let delivered = self.carry(&mut carrying, &messages, &mut waits);
        if delivered.is_err() && carrying.producer.producer.client().fatal_error().is_some() {
            carrying.producer = Acknowledged::new(
                &self.settings,
                &self.topics,
                &self.complaints,
                Refused::LeftOut,
            )?;
        }
        delivered.map(|()| waits)
    }

    /// Delivers what can be. What is on its way to a partition that nobody leads is not waited for.
    fn carry(
        &self,
        carrying: &mut Carrying,
        messages: &[Message],
        waits: &mut Waits,
    ) -> Result<(), KafkaError> {
        carrying.producer.begin(&self.topics, messages)?;
        while carrying.producer.is_under_way() {
            let is_time = carrying.producer.since() >= LOOKS_AFTER;
            if is_time && carrying.looked.elapsed() >= LOOKS_EVERY {
                self.let_go(carrying, waits);
            }
        }
        // Some may have failed at once.
        self.let_go(carrying, waits);
        carrying.producer.end()
    }

    fn let_go(&self, carrying: &mut Carrying, waits: &mut Waits) {
        let lacking = carrying.producer.lacking();
        if lacking.is_empty() {
            return;
        }
        let places: Vec<_> = lacking.iter().map(|source| self.place(*source)).collect();
        carrying.look(&self.topics, &places);
        let leaderless = lacking
            .into_iter()
            .filter(|source| carrying.leaderless.contains(&self.place(*source)))
            .collect();
        carrying.producer.let_go(&leaderless);
        waits.extend(leaderless);
    }

    /// Where the events of a shard stand.
    fn place(&self, source: ShardId) -> (Service, i32) {
        (source.service, self.topics.of_shard(source))
    }
}

impl Carrying {
    /// Looks which of these partitions of events somebody leads.
    fn look(&mut self, topics: &Topics, places: &[(Service, i32)]) {
        self.looked = Instant::now();
        let services: BTreeSet<Service> = places.iter().map(|(service, _)| *service).collect();
        for service in services {
            let topic = topics.name(Topic::Events(service)).unwrap_or_default();
            let led = match led(self.producer.producer.client(), topic) {
                Ok(led) => led,
                Err(error) => {
                    debug!("who leads {topic} is not known: {error}");
                    continue;
                }
            };
            for place in places.iter().filter(|(of, _)| *of == service) {
                self.note(*place, led.contains(&place.1), topic);
            }
        }
    }

    fn note(&mut self, place: (Service, i32), is_led: bool, topic: &str) {
        if is_led {
            if self.leaderless.remove(&place) {
                info!(
                    kafka.topic = topic,
                    kafka.partition = place.1,
                    "it is led again"
                );
            }
        } else if self.leaderless.insert(place) {
            warn!(
                kafka.topic = topic,
                kafka.partition = place.1,
                "nobody leads it: what its shards send waits in their outboxes"
            );
        }
    }
}

impl AcknowledgingCarrier for ForRelay {
    fn deliver(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<Waits, Undelivered>> {
        let relayed = Arc::clone(&self.0);
        let delivering = spawn_blocking(move || relayed.deliver(messages));
        async move { Ok(delivering.await??) }.boxed()
    }
}
