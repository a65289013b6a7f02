//! Kafka: a topic for each service's inbox, a producer, and one consumer of both topics' own
//! partitions, read from their beginning.
//!
//! No group, and no offsets kept: a run has its own topics, and positions are in the databases. A
//! record that is not delivered ends the floor: whoever waits for it would wait for ever.

mod record;

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::mpsc::UnboundedSender;

use super::messages::{Body, Delivery, Reply, ReserveCredit};
use super::options::Namespace;
use super::ownership::Ownership;
use super::{customers, orders};

/// How long topics may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);
const TURN: Duration = Duration::from_millis(100);

/// The brokers, and the topics of a run.
#[derive(Debug, Clone)]
pub struct Kafka {
    brokers: String,
    namespace: Namespace,
    ownership: Ownership,
}

impl Kafka {
    /// Nothing is connected yet. `brokers` are HOST:PORT, with commas between several.
    #[must_use]
    pub fn new(brokers: String, namespace: Namespace, ownership: Ownership) -> Kafka {
        Kafka {
            brokers,
            namespace,
            ownership,
        }
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("socket.nagle.disable", "true");
        config
    }

    /// The topic of messages to this service.
    fn topic(&self, service: &str) -> String {
        format!("{}.{service}.inbox", self.namespace.0)
    }

    fn topics(&self) -> [String; 2] {
        [self.topic("customers"), self.topic("orders")]
    }

    /// Creates the topics, unless another node has, and waits until they are known.
    ///
    /// # Errors
    /// When they do not appear, or have other numbers of partitions.
    pub async fn create_topics(&self) -> anyhow::Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.config().create()?;
        let partitions = i32::from(self.ownership.partitions);

        let topics = self.topics();
        let new = topics
            .iter()
            .map(|topic| NewTopic::new(topic, partitions, TopicReplication::Fixed(-1)));
        let new: Vec<_> = new.collect();
        let options = AdminOptions::new().request_timeout(Some(PATIENCE));
        let created = admin.create_topics(&new, &options);
        for created in created.await.context("kafka: cannot create topics")? {
            match created {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, error)) => bail!("kafka: cannot create {topic}: {error}"),
            }
        }

        let until = Instant::now() + PATIENCE;
        for topic in topics {
            while self.partitions_of(&admin, &topic)? != usize::from(self.ownership.partitions) {
                ensure!(
                    Instant::now() < until,
                    "kafka: {topic} does not have {partitions} partitions"
                );
                tokio::time::sleep(TURN).await;
            }
        }
        Ok(())
    }

    fn partitions_of(
        &self,
        admin: &AdminClient<DefaultClientContext>,
        topic: &str,
    ) -> anyhow::Result<usize> {
        let metadata = admin.inner().fetch_metadata(Some(topic), PATIENCE)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        Ok(found.map_or(0, |found| found.partitions().len()))
    }

    /// The producer of messages to this service.
    ///
    /// # Errors
    /// When the client refuses its settings.
    pub fn producer(&self, linger_ms: u16) -> anyhow::Result<Producer> {
        let producer = self
            .config()
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", linger_ms.to_string())
            .create_with_context(Deliveries)?;
        Ok(Producer {
            producer,
            namespace: self.namespace.clone(),
        })
    }

    /// Starts the thread that hands what arrives to the two lanes.
    ///
    /// # Errors
    /// When the client refuses its settings.
    pub fn consume(
        &self,
        customers: UnboundedSender<customers::Message>,
        orders: UnboundedSender<orders::Message>,
    ) -> anyhow::Result<()> {
        let consumer: BaseConsumer = self
            .config()
            // Demanded of every consumer. It subscribes to nothing, so no group comes of it.
            .set("group.id", &self.namespace.0)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .create()?;

        let mut own = TopicPartitionList::new();
        for topic in self.topics() {
            for partition in self.ownership.own_partitions() {
                own.add_partition_offset(&topic, i32::from(partition), Offset::Beginning)?;
            }
        }
        consumer.assign(&own)?;

        let to_customers = self.topic("customers");
        super::start("floor-kafka", move || {
            loop {
                let record = match consumer.poll(TURN) {
                    None => continue,
                    Some(Ok(record)) => record,
                    // The client mends what it can, and goes on.
                    Some(Err(error)) => {
                        eprintln!("cluster_floor: kafka: {error}");
                        continue;
                    }
                };

                // A lane that has gone has ended the process, or is about to.
                if record.topic() == to_customers {
                    customers.send(record::read::<ReserveCredit>(&record)?).ok();
                } else {
                    let reply = record::read::<Reply>(&record)?;
                    orders.send(reply.into()).ok();
                }
            }
        })
    }
}

/// Sends to the partitions of both topics.
#[derive(Clone)]
pub struct Producer {
    producer: ThreadedProducer<Deliveries>,
    namespace: Namespace,
}

impl Producer {
    /// Sends a message, without waiting for anything.
    ///
    /// # Errors
    /// When it is not even queued.
    pub fn send<B: Body>(&self, partition: u8, message: &Delivery<B>) -> anyhow::Result<()> {
        let (_, receiver) = B::BETWEEN;
        let topic = format!("{}.{receiver}.inbox", self.namespace.0);
        let key = message.body.entity().to_string();
        let value = message.body.encode()?;
        let record = BaseRecord::to(&topic)
            .partition(i32::from(partition))
            .key(&key)
            .headers(record::headers(message))
            .payload(&value);

        self.producer
            .send(record)
            .map_err(|(error, _)| error)
            .with_context(|| format!("kafka: cannot send to {topic}"))
    }
}

/// Hears what has become of each record.
struct Deliveries;

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            super::end(&anyhow::anyhow!(
                "kafka: a record was not delivered: {error}"
            ));
        }
    }
}
