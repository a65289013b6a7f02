//! Whether the topics are still as they should be, while nodes run.
//!
//! What goes with a topic that somebody deletes, nodes do without: the outbox has it. But without
//! topics no question arrives, and nobody is given shards. So a node creates what is missing, as it
//! does at its start, and says what others, who follow events, have lost.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::admin::AdminClient;
use rdkafka::topic_partition_list::Offset;
use sagas::Service;
use tracing::{debug, error, warn};

use super::clients::{Complaints, PATIENCE, TURN};
use super::reader::Reader;
use super::topics::{Topic, Topics, found};
use super::{KafkaError, KafkaSettings};

/// How often a node looks. Two requests to the brokers each time.
const EVERY: Duration = Duration::from_secs(3);

/// What looks after the topics.
pub(super) struct Watching {
    admin: AdminClient<Complaints>,
    topics: Arc<Topics>,
    reader: Arc<Reader>,
    /// How many partitions a topic has that has the wrong number, once it was told.
    told: BTreeMap<String, usize>,
    /// Where events ended, by topic and partition.
    ends: BTreeMap<(String, i32), i64>,
}

impl Watching {
    pub(super) fn new(
        settings: &KafkaSettings,
        topics: Arc<Topics>,
        reader: Arc<Reader>,
        complaints: &Complaints,
    ) -> Result<Self, KafkaError> {
        Ok(Watching {
            admin: Topics::admin(settings, complaints)?,
            topics,
            reader,
            told: BTreeMap::new(),
            ends: BTreeMap::new(),
        })
    }

    /// Looks now and then, until it is stopped.
    pub(super) fn run(mut self, stop: &AtomicBool) {
        let mut looked: Option<Instant> = None;
        while !stop.load(Ordering::SeqCst) {
            if looked.is_none_or(|looked| looked.elapsed() >= EVERY) {
                self.look();
                looked = Some(Instant::now());
            }
            thread::sleep(TURN);
        }
    }

    fn look(&mut self) {
        // That no broker answers, the other clients tell.
        let counts = match found(&self.admin, PATIENCE) {
            Ok(counts) => counts,
            Err(error) => return debug!("the topics cannot be looked at: {error}"),
        };

        let topics = Arc::clone(&self.topics);
        let missing: Vec<&str> = topics
            .names()
            .filter(|name| !counts.contains_key(*name))
            .collect();
        if !missing.is_empty() {
            self.create(&missing);
        }
        for name in topics.names() {
            if let Some(count) = counts.get(name) {
                self.compare(name, *count);
            }
        }
        if missing.is_empty() {
            self.compare_ends();
        }
    }

    /// Creates what is missing; another node may be quicker.
    fn create(&mut self, missing: &[&str]) {
        let refused = match self.topics.create(&self.admin, missing) {
            Ok(refused) => refused,
            Err(error) => return debug!("missing topics cannot be created: {error}"),
        };
        for name in missing {
            match refused.get(*name) {
                None => {
                    warn!(
                        kafka.topic = name,
                        "the Kafka topic {name} was gone and is created anew"
                    );
                    self.tell_emptied(name);
                }
                Some(cause) => debug!("the Kafka topic {name} is not created: {cause}"),
            }
        }
    }

    /// A topic of another number of partitions than those of this node.
    fn compare(&mut self, name: &str, count: usize) {
        if usize::try_from(self.topics.partitions) == Ok(count) {
            self.told.remove(name);
        } else if self.told.insert(name.to_owned(), count) != Some(count) {
            let wrong = KafkaError::Partitions {
                topic: name.to_owned(),
                found: count,
                expected: self.topics.partitions,
            };
            error!(
                kafka.topic = name,
                "{wrong}; until then what was to go through it is read from the outboxes"
            );
        }
    }

    /// A topic of events that ends before it did has been deleted and created by somebody else.
    fn compare_ends(&mut self) {
        let list = self.topics.events_of(&self.topics.services);
        let ends = match self.reader.offsets(list, Offset::End) {
            Ok(ends) => ends,
            Err(error) => return debug!("the ends of events are not known: {error}"),
        };

        let mut emptied = Vec::new();
        for end in ends.elements() {
            let Offset::Offset(offset) = end.offset() else {
                continue;
            };
            let place = (end.topic().to_owned(), end.partition());
            let before = self.ends.insert(place, offset);
            if before.is_some_and(|before| offset < before) {
                emptied.push(end.topic().to_owned());
            }
        }
        emptied.dedup();
        for name in emptied {
            self.tell_emptied(&name);
        }
    }

    fn tell_emptied(&mut self, name: &str) {
        self.ends.retain(|(topic, _), _| topic != name);
        if let Some(Topic::Events(service)) = self.topics.named(name) {
            tell_lacking(name, service);
        }
    }
}

/// What whoever runs the node is to do about a topic that is emptier than it should be.
pub(super) fn tell_lacking(name: &str, service: Service) {
    warn!(
        kafka.topic = name,
        "the Kafka topic {name} lacks events that were published to it; views here have them, and for \
         others who follow it they are published again by: counterfoil republish --service {service}"
    );
}

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watching").finish_non_exhaustive()
    }
}
