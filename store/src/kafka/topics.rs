//! The topics of a deployment: their names, which partition holds what, and their creation.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use sagas::{Service, ShardId};
use sha2::{Digest, Sha256};

use super::clients::{Complaints, PATIENCE, config};
use super::{KafkaError, KafkaSettings};
use crate::log::{Destination, Message};

/// How long to look for a broker at the start.
const CONNECT: Duration = Duration::from_secs(8);

/// How long new topics may take to be known to the brokers.
const CREATE: Duration = Duration::from_secs(20);

/// How long the brokers keep what nodes tell of themselves, about.
const NOTES_KEPT_MS: &str = "600000";

/// What a topic carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    /// Commands and replies to the shards of a service.
    Inbox(Service),
    /// Events of the shards of a service.
    Events(Service),
    /// Questions to the shards of a service.
    Requests(Service),
    /// Answers to nodes.
    Answers,
    /// What nodes tell all others of themselves.
    Nodes,
}

/// The topics of all services.
#[derive(Debug)]
pub(super) struct Topics {
    /// How many partitions each has.
    pub(super) partitions: i32,
    /// The services whose topics there are.
    pub(super) services: Vec<Service>,
    names: HashMap<Topic, String>,
    by_name: HashMap<String, Topic>,
}

impl Topics {
    pub(super) fn new(settings: &KafkaSettings) -> Self {
        let namespace = &settings.namespace;
        let answers = (Topic::Answers, format!("{namespace}.answers"));
        let nodes = (Topic::Nodes, format!("{namespace}.nodes"));
        let names: HashMap<_, _> = settings
            .services
            .iter()
            .flat_map(|&service| {
                [
                    (
                        Topic::Inbox(service),
                        format!("{namespace}.{service}.inbox"),
                    ),
                    (
                        Topic::Events(service),
                        format!("{namespace}.{service}.events"),
                    ),
                    (
                        Topic::Requests(service),
                        format!("{namespace}.{service}.requests"),
                    ),
                ]
            })
            .chain([answers, nodes])
            .collect();

        let by_name = names
            .iter()
            .map(|(topic, name)| (name.clone(), *topic))
            .collect();

        Topics {
            partitions: settings.partitions,
            services: settings.services.clone(),
            names,
            by_name,
        }
    }

    /// Its name; `None` for a service whose topics there are not.
    pub(super) fn name(&self, topic: Topic) -> Option<&str> {
        self.names.get(&topic).map(String::as_str)
    }

    /// The topic of this name.
    pub(super) fn named(&self, name: &str) -> Option<Topic> {
        self.by_name.get(name).copied()
    }

    /// All names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.values().map(String::as_str)
    }

    /// The partition in which everything to this shard stands, and everything from it.
    pub(super) fn of_shard(&self, shard: ShardId) -> i32 {
        i32::from(shard.number)
            .checked_rem(self.partitions)
            .unwrap_or(0)
    }

    /// Where a message stands; no topic, if there are none of its service.
    pub(super) fn place_of(&self, message: &Message) -> (Option<&str>, i32) {
        let (topic, shard) = match message.destination {
            Destination::Events => (Topic::Events(message.source.service), message.source),
            Destination::Shard(shard) => (Topic::Inbox(shard.service), shard),
        };
        (self.name(topic), self.of_shard(shard))
    }

    /// The partition in which the answers to this node stand.
    pub(super) fn of_node(&self, node: &str) -> i32 {
        let digest = Sha256::digest(node.as_bytes());
        let hash = digest
            .iter()
            .take(4)
            .fold(0_i64, |hash, byte| (hash << 8) | i64::from(*byte));
        let partition = hash.checked_rem(i64::from(self.partitions)).unwrap_or(0);
        i32::try_from(partition).unwrap_or(0)
    }

    /// The partition in which everything stands that all nodes read.
    pub(super) const fn of_all(&self) -> i32 {
        0
    }

    /// The service of this name among those whose topics there are.
    pub(super) fn service(&self, name: &str) -> Option<Service> {
        let mut services = self.services.iter().copied();
        services.find(|service| service.name() == name)
    }

    /// All partitions of the events of these services.
    pub(super) fn events_of(&self, services: &[Service]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for topic in services
            .iter()
            .filter_map(|service| self.name(Topic::Events(*service)))
        {
            list.add_partition_range(topic, 0, self.partitions - 1);
        }
        list
    }

    /// What looks at topics and creates them.
    pub(super) fn admin(
        settings: &KafkaSettings,
        complaints: &Complaints,
    ) -> Result<AdminClient<Complaints>, KafkaError> {
        let admin = config(settings).create_with_context(complaints.clone());
        admin.map_err(|source| KafkaError::Client {
            brokers: settings.brokers.clone(),
            source,
        })
    }

    /// Creates what is missing, and checks the rest. Blocks. Nodes may do so at the same time.
    pub(super) fn ensure(
        &self,
        settings: &KafkaSettings,
        complaints: &Complaints,
    ) -> Result<(), KafkaError> {
        let admin = Self::admin(settings, complaints)?;
        let unreachable = |source| KafkaError::Unreachable {
            brokers: settings.brokers.clone(),
            source,
        };

        let found = found(&admin, CONNECT).map_err(unreachable)?;
        let missing: Vec<_> = self
            .names()
            .filter(|name| !found.contains_key(*name))
            .collect();
        let mut found = found;
        if !missing.is_empty() {
            let refused = self.create(&admin, &missing).map_err(unreachable)?;
            found = self.appeared(&admin, &refused, settings)?;
        }

        for topic in self.names() {
            let count = found.get(topic).copied().unwrap_or(0);
            if usize::try_from(self.partitions) != Ok(count) {
                return Err(KafkaError::Partitions {
                    topic: topic.to_owned(),
                    found: count,
                    expected: self.partitions,
                });
            }
        }
        Ok(())
    }

    /// Creates topics. Those that the brokers refuse come back, with the reason.
    pub(super) fn create(
        &self,
        admin: &AdminClient<Complaints>,
        names: &[&str],
    ) -> Result<HashMap<String, RDKafkaErrorCode>, ClientError> {
        // As often as the brokers replicate a topic of which nobody says.
        let topics: Vec<_> = names
            .iter()
            .map(|name| {
                let topic = NewTopic::new(name, self.partitions, TopicReplication::Fixed(-1));
                match self.named(name) {
                    // What nodes have told of themselves is soon of no use to anybody.
                    Some(Topic::Nodes) => topic
                        .set("retention.ms", NOTES_KEPT_MS)
                        .set("segment.ms", NOTES_KEPT_MS),
                    _ => topic,
                }
            })
            .collect();

        let options = AdminOptions::new()
            .request_timeout(Some(CREATE))
            .operation_timeout(Some(CREATE));
        let results = futures_executor::block_on(admin.create_topics(&topics, &options))?;
        Ok(results.into_iter().filter_map(Result::err).collect())
    }

    /// Waits until all topics are known to the brokers.
    fn appeared(
        &self,
        admin: &AdminClient<Complaints>,
        refused: &HashMap<String, RDKafkaErrorCode>,
        settings: &KafkaSettings,
    ) -> Result<HashMap<String, usize>, KafkaError> {
        let deadline = Instant::now() + CREATE;
        loop {
            let found = found(admin, PATIENCE).map_err(|source| KafkaError::Unreachable {
                brokers: settings.brokers.clone(),
                source,
            })?;
            let Some(missing) = self.names().find(|name| !found.contains_key(*name)) else {
                return Ok(found);
            };

            // What another node has created in the meantime will appear.
            let cause = refused
                .get(missing)
                .filter(|code| **code != RDKafkaErrorCode::TopicAlreadyExists);
            if cause.is_some() || Instant::now() >= deadline {
                return Err(KafkaError::Topic {
                    topic: missing.to_owned(),
                    cause: cause.map_or("it does not appear".to_owned(), ToString::to_string),
                });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The topics that the brokers have, and how many partitions each.
pub(super) fn found(
    admin: &AdminClient<Complaints>,
    patience: Duration,
) -> Result<HashMap<String, usize>, ClientError> {
    let metadata = admin.inner().fetch_metadata(None, patience)?;
    let topics = metadata.topics().iter();
    Ok(topics
        .filter(|topic| topic.error().is_none() && !topic.partitions().is_empty())
        .map(|topic| (topic.name().to_owned(), topic.partitions().len()))
        .collect())
}
