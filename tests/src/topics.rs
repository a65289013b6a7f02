//! The topics of a cluster under test, as somebody sees them who has nothing of ours: an operator
//! of Kafka, and a follower of events, which are CloudEvents in binary mode.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::Cluster;

const PATIENCE: Duration = Duration::from_secs(30);

/// How many partitions the topics of a cluster have, by default.
const PARTITIONS: i32 = 4;

/// The topics of events of a cluster.
pub struct Topics {
    client: ClientConfig,
    namespace: String,
}

impl Topics {
    /// Those of this cluster.
    pub fn of(cluster: &Cluster) -> Self {
        let url = std::env::var("COUNTERFOIL_TEST_KAFKA_URL").expect("the cluster has it");
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", url.trim_start_matches("kafka://"));
        Self {
            client,
            namespace: cluster[0].namespace().to_owned(),
        }
    }

    /// The topic of a service's events.
    pub fn of_events(&self, service: &str) -> String {
        format!("{}.{service}.events", self.namespace)
    }

    /// Deletes every topic of the cluster.
    pub async fn delete_all(&self) {
        let consumer: BaseConsumer = self.client.create().expect("a client");
        let found = consumer.fetch_metadata(None, PATIENCE).expect("a broker");
        let prefix = format!("{}.", self.namespace);
        let names = found.topics().iter().map(|topic| topic.name());
        let names: Vec<&str> = names.filter(|name| name.starts_with(&prefix)).collect();
        assert!(names.len() > 4, "{names:?}");
        for deleted in self
            .admin()
            .delete_topics(&names, &options())
            .await
            .expect("a broker")
        {
            deleted.expect("it is deleted");
        }
    }

    /// Deletes the topic of a service's events and creates it anew, with so many partitions,
    /// whatever the nodes do meanwhile.
    pub async fn replace(&self, service: &str, partitions: i32) {
        let (admin, name) = (self.admin(), self.of_events(service));
        let began = Instant::now();
        loop {
            let _ = admin.delete_topics(&[&name], &options()).await;
            let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(-1));
            let created = admin
                .create_topics(&[topic], &options())
                .await
                .expect("a broker");
            if created[0].is_ok() {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{created:?}");
        }
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client.create().expect("a client")
    }

    /// What a follower finds that reads the events of a service from the beginning.
    pub async fn followed(&self, service: &str) -> Followed {
        let (client, topic) = (self.client.clone(), self.of_events(service));
        let reading = tokio::task::spawn_blocking(move || Followed::read(client, &topic));
        reading.await.expect("the topic is read")
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE))
}

/// The events of each shard, by their sequences, with the sequence of the one before.
pub struct Followed(BTreeMap<String, BTreeMap<u64, u64>>);

impl Followed {
    fn read(mut client: ClientConfig, topic: &str) -> Self {
        let consumer: BaseConsumer = client
            .set("group.id", "a follower")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .create()
            .expect("a client");
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(topic, partition, Offset::Beginning)
                .expect("an offset");
        }
        consumer.assign(&list).expect("it can be read");

        let (mut followed, mut unread) = (Self(BTreeMap::new()), PARTITIONS);
        let began = Instant::now();
        while unread > 0 {
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(record)) => followed.note(&record),
                Some(Err(KafkaError::PartitionEOF(_))) => unread -= 1,
                Some(Err(_)) | None => {}
            }
            assert!(began.elapsed() < PATIENCE, "the topic {topic} has no end");
        }
        followed
    }

    fn note(&mut self, record: &BorrowedMessage<'_>) {
        let headers = record.headers().expect("it is a CloudEvent");
        let named = |name| {
            let found = headers.iter().find(|header| header.key == name);
            let value = found.and_then(|header| header.value).expect(name);
            std::str::from_utf8(value).expect("it is text").to_owned()
        };
        let number = |name| named(name).parse::<u64>().expect("it is a number");
        let of_shard = self.0.entry(named("ce_source")).or_default();
        of_shard.insert(number("ce_sequence"), number("ce_previous"));
    }

    /// How many different events there are.
    pub fn count(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }

    /// Whether each follows on the one before, from the first of its shard on.
    pub fn is_whole(&self) -> bool {
        self.0.values().all(|events| {
            let before = std::iter::once(&0).chain(events.keys());
            events.values().eq(before.take(events.len()))
        })
    }
}
