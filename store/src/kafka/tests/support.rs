//! Deployments of one test each, their nodes, and what arrives at them.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use sagas::{Attempt, SagaId, Service, ShardId, Timestamp};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::cluster::{Arrivals, Membership, Participation};
use crate::kafka::topics::Topics;
use crate::kafka::{Kafka, KafkaSettings};
use crate::log::{Destination, Message};
pub(super) use crate::testing::{BOOKINGS, ROOMS, eventually};

pub(super) const SHARDS: u16 = 8;

/// The variable that says where the brokers are.
const URL: &str = "COUNTERFOIL_TEST_KAFKA_URL";

/// Topics and groups of a test, deleted in the end.
pub(super) struct Deployment {
    pub(super) brokers: String,
    pub(super) namespace: String,
}

impl Deployment {
    pub(super) fn new() -> Self {
        Self::named(format!("test-{}", Uuid::now_v7().simple()))
    }

    pub(super) fn named(namespace: String) -> Self {
        let url = std::env::var(URL).expect("the variable must name a Kafka");
        Deployment {
            brokers: url.trim_start_matches("kafka://").to_owned(),
            namespace,
        }
    }

    /// On a broker of its own.
    pub(super) fn at(brokers: String) -> Self {
        Deployment {
            brokers,
            namespace: "test".to_owned(),
        }
    }

    pub(super) fn settings(&self, node: &str, owns: &[Service]) -> KafkaSettings {
        Self::settings_at(&self.brokers, &self.namespace, node, owns)
    }

    pub(super) fn settings_at(
        brokers: &str,
        namespace: &str,
        node: &str,
        owns: &[Service],
    ) -> KafkaSettings {
        KafkaSettings {
            brokers: brokers.to_owned(),
            namespace: namespace.to_owned(),
            partitions: KafkaSettings::PARTITIONS,
            shards: SHARDS,
            services: vec![ROOMS, BOOKINGS],
            owns: owns.to_vec(),
            node: node.to_owned(),
            carries: true,
        }
    }

    /// A node that follows events as well.
    pub(super) async fn node(&self, name: &str, owns: &[Service]) -> (Arc<Kafka>, Arc<Taken>) {
        self.begun(name, owns, true).await
    }

    pub(super) async fn quiet_node(
        &self,
        name: &str,
        owns: &[Service],
    ) -> (Arc<Kafka>, Arc<Taken>) {
        self.begun(name, owns, false).await
    }

    async fn begun(
        &self,
        name: &str,
        owns: &[Service],
        follows_events: bool,
    ) -> (Arc<Kafka>, Arc<Taken>) {
        let kafka = Kafka::connect(self.settings(name, owns)).await.unwrap();
        let taken = Arc::new(Taken::default());
        kafka.begin(taken.clone(), follows_events);
        (kafka, taken)
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .create()
            .unwrap();
        let topics = Topics::new(&self.settings("", &[]));
        let names: Vec<_> = topics.names().collect();
        let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(10)));
        let groups = [ROOMS, BOOKINGS].map(|service| format!("{}.{service}.nodes", self.namespace));
        let groups = groups.each_ref().map(String::as_str);
        futures_executor::block_on(async {
            let _ = admin.delete_topics(&names, &options).await;
            let _ = admin.delete_groups(&groups, &options).await;
        });
    }
}

/// What has arrived at a node.
#[derive(Debug, Default)]
pub(super) struct Taken {
    messages: Mutex<Vec<Message>>,
    questions: Mutex<Vec<(ShardId, Vec<u8>)>>,
    earlier: Mutex<Vec<(ShardId, Vec<u8>)>>,
    answers: Mutex<Vec<(Service, Vec<u8>)>>,
    words: Mutex<Vec<Vec<u8>>>,
}

impl Taken {
    pub(super) fn messages(&self) -> Vec<Message> {
        self.messages.lock().unwrap().clone()
    }

    /// The questions from before the shards were the node's.
    pub(super) fn earlier(&self) -> Vec<(ShardId, Vec<u8>)> {
        self.earlier.lock().unwrap().clone()
    }

    pub(super) fn questions(&self) -> Vec<(ShardId, Vec<u8>)> {
        self.questions.lock().unwrap().clone()
    }

    pub(super) fn answers(&self) -> Vec<(Service, Vec<u8>)> {
        self.answers.lock().unwrap().clone()
    }

    pub(super) fn words(&self) -> Vec<Vec<u8>> {
        self.words.lock().unwrap().clone()
    }

    /// The sequences of what has come from there to there, as it came.
    pub(super) fn sequences(&self, source: ShardId, destination: Destination) -> Vec<u64> {
        let messages = self.messages();
        let messages = messages.iter();
        messages
            .filter(|message| message.source == source && message.destination == destination)
            .map(|message| message.sequence)
            .collect()
    }
}

impl Arrivals for Taken {
    fn arrived(&self, messages: Vec<Message>) {
        self.messages.lock().unwrap().extend(messages);
    }

    fn asked(&self, shard: ShardId, _: u64, question: &[u8]) {
        self.questions
            .lock()
            .unwrap()
            .push((shard, question.to_vec()));
    }

    fn asked_before(&self, shard: ShardId, _: u64, question: &[u8]) {
        self.earlier
            .lock()
            .unwrap()
            .push((shard, question.to_vec()));
    }

    fn answered(&self, service: Service, answer: &[u8]) {
        self.answers
            .lock()
            .unwrap()
            .push((service, answer.to_vec()));
    }

    fn told(&self, word: &[u8]) {
        self.words.lock().unwrap().push(word.to_vec());
    }
}

pub(super) const fn shard(service: Service, number: u16) -> ShardId {
    ShardId::new(service, number)
}

pub(super) fn event(source: ShardId, sequence: u64) -> Message {
    Message {
        source,
        sequence,
        previous: sequence - 1,
        destination: Destination::Events,
        entity: Uuid::from_u128(u128::from(sequence)),
        version: 1,
        name: Cow::Borrowed("booking.created"),
        type_version: 1,
        correlation_id: Uuid::from_u128(7),
        attempt: None,
        time: Timestamp::from_micros(1_767_225_600_123_456),
        body: Arc::from(RawValue::from_string(format!("{{\"n\":{sequence}}}")).unwrap()),
    }
}

pub(super) fn command(source: ShardId, sequence: u64, to: ShardId) -> Message {
    Message {
        destination: Destination::Shard(to),
        version: 0,
        name: Cow::Borrowed("reserve-room"),
        attempt: Some(Attempt {
            saga: SagaId(Uuid::from_u128(9)),
            step: Cow::Borrowed("reserve"),
            number: 1,
        }),
        ..event(source, sequence)
    }
}

/// Waits until so many shards are assigned to the node.
pub(super) async fn owned(node: &Kafka, shards: usize) {
    let mut assigned = node.assigned();
    let waited = tokio::time::timeout(
        Duration::from_secs(20),
        assigned.wait_for(|assigned| assigned.len() == shards),
    )
    .await;
    let assigned = node.assigned().borrow().len();
    assert!(
        waited.is_ok(),
        "{shards} shards were to be assigned, and {assigned} are"
    );
}

/// Waits until the coordinator confirms that a shard is the node's, which may be on its way back
/// into the group. Whoever is lost is refused at once.
pub(super) async fn confirmed(node: &Kafka, shard: ShardId, within: Duration) {
    let began = Instant::now();
    while !node.confirm(shard).await {
        assert!(began.elapsed() < within, "{shard} is not confirmed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a node that owns nothing is in touch, so that it may ask.
pub(super) async fn in_touch(node: &Kafka) {
    eventually(Duration::from_secs(20), || {
        node.tell_all(b"here");
        node.participation() == Participation::Full
    })
    .await;
}
