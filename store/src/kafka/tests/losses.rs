//! A Kafka that loses what it was given: topics that are deleted, truncated or created by somebody
//! else while nodes run, and records that are not taken.

use std::collections::HashMap;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::value::RawValue;

use super::support::{
    BOOKINGS, Deployment, ROOMS, SHARDS, Taken, command, confirmed, event, eventually, in_touch,
    owned, shard,
};
use super::*;
use crate::kafka::topics::found;
use crate::log::Destination;

/// From the loss of topics to messages that arrive: a look at the topics, and the group.
const COMES_BACK: Duration = Duration::from_secs(40);

/// Somebody who may do all things to a deployment's topics.
pub(super) struct Operator {
    admin: AdminClient<DefaultClientContext>,
    looking: AdminClient<Complaints>,
    names: Vec<String>,
}

impl Operator {
    pub(super) fn of(deployment: &Deployment) -> Self {
        let settings = deployment.settings("operator", &[]);
        let names = Topics::new(&settings).names().map(str::to_owned).collect();
        let admin = ClientConfig::new()
            .set("bootstrap.servers", &deployment.brokers)
            .create()
            .unwrap();
        let looking = Topics::admin(&settings, &Complaints::new()).unwrap();
        Operator {
            admin,
            looking,
            names,
        }
    }

    /// The name of a topic of this kind.
    pub(super) fn named(&self, ends: &str) -> String {
        let mut names = self.names.iter();
        names.find(|name| name.ends_with(ends)).unwrap().clone()
    }

    async fn delete(&self, names: &[&str]) {
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)));
        for deleted in self.admin.delete_topics(names, &options).await.unwrap() {
            deleted.unwrap();
        }
    }

    async fn delete_all(&self) {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        self.delete(&names).await;
    }

    /// Deletes a topic and creates it anew, whatever the nodes do meanwhile. The brokers take their
    /// time over a deletion.
    pub(super) async fn replace(&self, name: &str, partitions: i32) {
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)));
        let began = Instant::now();
        loop {
            let _ = self.admin.delete_topics(&[name], &options).await.unwrap();
            let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
            let created = self.admin.create_topics(&[topic], &options).await.unwrap();
            if created[0].is_ok() {
                return;
            }
            assert!(began.elapsed() < NEEDS, "{created:?}");
        }
    }

    /// Deletes all records that a topic has.
    pub(super) async fn truncate(&self, name: &str) {
        let mut ends = TopicPartitionList::new();
        for partition in 0..KafkaSettings::PARTITIONS {
            ends.add_partition_offset(name, partition, Offset::End)
                .unwrap();
        }
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)));
        let began = Instant::now();
        // Not every client knows a topic that is so new.
        loop {
            match self.admin.delete_records(&ends, &options).await {
                Ok(deleted) => {
                    let mut deleted = deleted.elements().into_iter();
                    return assert!(deleted.all(|partition| partition.error().is_ok()));
                }
                Err(error) => assert!(began.elapsed() < NEEDS, "{error}"),
            }
        }
    }

    /// How many records a topic has had.
    fn count(&self, name: &str) -> i64 {
        let client = self.looking.inner();
        let ends = (0..KafkaSettings::PARTITIONS).map(|partition| {
            let ends = client.fetch_watermarks(name, partition, Duration::from_secs(1));
            ends.map_or(i64::MAX / 8, |(_, end)| end)
        });
        ends.sum()
    }

    fn partitions(&self) -> HashMap<String, usize> {
        let mut found = found(&self.looking, Duration::from_secs(10)).unwrap();
        found.retain(|name, _| self.names.contains(name));
        found
    }
}

/// Sends commands, events and questions until of each kind what was sent last arrives.
async fn goes_on(from: &Kafka, to: &Kafka, at: &Taken, sequence: &mut u64) {
    let (source, receiver) = (shard(BOOKINGS, 1), shard(ROOMS, 2));
    let began = Instant::now();
    loop {
        *sequence += 2;
        from.carry(vec![
            Arc::new(command(source, *sequence - 1, receiver)),
            Arc::new(event(source, *sequence)),
        ]);
        from.ask(receiver, sequence.to_string().into_bytes());
        from.tell_all(b"here");
        to.tell_all(b"here");
        tokio::time::sleep(Duration::from_millis(50)).await;

        let last = *sequence;
        let came = |destination, sequence| {
            let came = at.sequences(source, destination);
            came.last() >= Some(&sequence)
        };
        let asked = at.questions();
        let is_asked = asked.last().is_some_and(|(_, question)| {
            let question = String::from_utf8(question.clone()).unwrap();
            question.parse::<u64>().unwrap() + 20 >= last
        });
        let behind = last.saturating_sub(20);
        if is_asked
            && came(Destination::Shard(receiver), behind)
            && came(Destination::Events, behind)
        {
            return;
        }
        assert!(
            began.elapsed() < COMES_BACK,
            "of {last} came: {:?}, {:?}; asked {:?}",
            at.sequences(source, Destination::Shard(receiver)).last(),
            at.sequences(source, Destination::Events).last(),
            asked.last()
        );
    }
}

/// Two nodes, of which one sends to the other.
async fn two_nodes(deployment: &Deployment) -> (Arc<Kafka>, Arc<Kafka>, Arc<Taken>) {
    let (rooms, at_rooms) = deployment.node("a", &[ROOMS]).await;
    let (bookings, _) = deployment.node("b", &[BOOKINGS]).await;
    owned(&rooms, usize::from(SHARDS)).await;
    owned(&bookings, usize::from(SHARDS)).await;
    (rooms, bookings, at_rooms)
}

#[tokio::test]
#[ignore = "needs Kafka: COUNTERFOIL_TEST_KAFKA_URL"]
async fn topics_that_are_deleted_under_running_nodes_are_created_anew_and_all_goes_on() {
    let deployment = Deployment::new();
    let operator = Operator::of(&deployment);
    let (rooms, bookings, at_rooms) = two_nodes(&deployment).await;
    let mut sequence = 0;
    goes_on(&bookings, &rooms, &at_rooms, &mut sequence).await;

    let events = operator.named(".bookings.events");
    let before = operator.count(&events);
    operator.delete_all().await;
    let deleted = Instant::now();
    // Brokers go on telling of a topic for a while that they have deleted.
    eventually(COMES_BACK, || {
        let found = operator.partitions();
        let are_there = found.len() == operator.names.len() && found.values().all(|n| *n == 4);
        are_there && operator.count(&events) < before
    })
    .await;
    eprintln!("the topics were there again after {:?}", deleted.elapsed());
    owned(&rooms, usize::from(SHARDS)).await;
    owned(&bookings, usize::from(SHARDS)).await;
    confirmed(&rooms, shard(ROOMS, 2), NEEDS).await;
    sequence += 1_000;
    goes_on(&bookings, &rooms, &at_rooms, &mut sequence).await;
    eprintln!("all goes on after {:?}", deleted.elapsed());
    rooms.leave(NEEDS).await;
    bookings.leave(NEEDS).await;
}

#[tokio::test]
#[ignore = "needs Kafka: COUNTERFOIL_TEST_KAFKA_URL"]
async fn a_topic_that_is_created_anew_at_once_or_truncated_is_read_from_where_it_begins() {
    let deployment = Deployment::new();
    let operator = Operator::of(&deployment);
    let (rooms, bookings, at_rooms) = two_nodes(&deployment).await;
    let mut sequence = 0;
    goes_on(&bookings, &rooms, &at_rooms, &mut sequence).await;

    for topic in [".rooms.inbox", ".rooms.requests", ".bookings.events"] {
        let topic = operator.named(topic);
        operator.replace(&topic, KafkaSettings::PARTITIONS).await;
        sequence += 1_000;
        goes_on(&bookings, &rooms, &at_rooms, &mut sequence).await;

        operator.truncate(&topic).await;
        sequence += 1_000;
        goes_on(&bookings, &rooms, &at_rooms, &mut sequence).await;
    }
    rooms.leave(NEEDS).await;
    bookings.leave(NEEDS).await;
}

#[tokio::test]
#[ignore = "needs Kafka: COUNTERFOIL_TEST_KAFKA_URL"]
async fn topics_that_were_deleted_while_no_node_ran_are_created_at_the_next_start() {
    let deployment = Deployment::new();
    let operator = Operator::of(&deployment);
    let (rooms, bookings, at_rooms) = two_nodes(&deployment).await;
    let mut sequence = 0;
    goes_on(&bookings, &rooms, &at_rooms, &mut sequence).await;
    rooms.leave(NEEDS).await;
    bookings.leave(NEEDS).await;

    operator.delete_all().await;
    let (rooms, bookings, at_rooms) = two_nodes(&deployment).await;
    goes_on(&bookings, &rooms, &at_rooms, &mut sequence).await;
    rooms.leave(NEEDS).await;
    bookings.leave(NEEDS).await;
}

#[tokio::test]
#[ignore = "needs Kafka: COUNTERFOIL_TEST_KAFKA_URL"]
async fn a_topic_that_comes_back_with_other_partitions_is_refused_until_it_is_deleted() {
    let deployment = Deployment::new();
    let operator = Operator::of(&deployment);
    let (rooms, bookings, at_rooms) = two_nodes(&deployment).await;
    let mut sequence = 0;
    goes_on(&bookings, &rooms, &at_rooms, &mut sequence).await;

    let events = operator.named(".bookings.events");
    operator.replace(&events, 2).await;
    eventually(NEEDS, || operator.partitions().get(&events) == Some(&2)).await;
    let refused = Kafka::connect(deployment.settings("c", &[ROOMS])).await;
    let refused = refused.unwrap_err();
    assert!(!refused.is_transient());
    let told = refused.to_string();
    for part in [&*events, "has 2 partitions", "is 4", "deleted"] {
        assert!(told.contains(part), "{told}");
    }

    // What that line asks for.
    operator.delete(&[&events]).await;
    eventually(COMES_BACK, || {
        operator.partitions().get(&events) == Some(&4)
    })
    .await;
    sequence += 1_000;
    goes_on(&bookings, &rooms, &at_rooms, &mut sequence).await;
    rooms.leave(NEEDS).await;
    bookings.leave(NEEDS).await;
}

#[tokio::test]
#[ignore = "needs Kafka: COUNTERFOIL_TEST_KAFKA_URL"]
async fn a_record_that_is_not_taken_is_a_gap_and_those_after_it_arrive() {
    let deployment = Deployment::new();
    let (rooms, bookings, at_rooms) = two_nodes(&deployment).await;
    in_touch(&bookings).await;
    let (source, receiver) = (shard(BOOKINGS, 1), shard(ROOMS, 2));

    // No broker takes a record of more than a mebibyte, unless it is told to.
    let mut large = command(source, 2, receiver);
    let body = format!("\"{}\"", "x".repeat(2 << 20));
    large.body = Arc::from(RawValue::from_string(body).unwrap());
    bookings.carry(vec![
        Arc::new(command(source, 1, receiver)),
        Arc::new(large),
        Arc::new(command(source, 3, receiver)),
    ]);

    eventually(NEEDS, || at_rooms.messages().len() == 2).await;
    let came: Vec<_> = at_rooms
        .messages()
        .iter()
        .map(|m| (m.sequence, m.previous))
        .collect();
    assert_eq!(came, [(1, 0), (3, 2)]);
    rooms.leave(NEEDS).await;
    bookings.leave(NEEDS).await;
}

#[tokio::test]
#[ignore = "needs Kafka: COUNTERFOIL_TEST_KAFKA_URL"]
async fn offsets_that_a_group_has_lost_or_moved_back_bring_nothing_back() {
    let deployment = Deployment::new();
    let (rooms, bookings, at_rooms) = two_nodes(&deployment).await;
    let mut sequence = 0;
    goes_on(&bookings, &rooms, &at_rooms, &mut sequence).await;

    // To be confirmed is to commit offset 0: behind all that was read.
    for number in 0..SHARDS {
        assert!(rooms.confirm(shard(ROOMS, number)).await);
    }
    rooms.leave(NEEDS).await;
    let came = at_rooms.messages().len();
    let (rooms, at_rooms) = deployment.node("a", &[ROOMS]).await;
    owned(&rooms, usize::from(SHARDS)).await;
    let before = sequence;
    goes_on(&bookings, &rooms, &at_rooms, &mut sequence).await;
    let (source, receiver) = (shard(BOOKINGS, 1), shard(ROOMS, 2));
    let first = at_rooms.sequences(source, Destination::Shard(receiver));
    assert!(first[0] > before && came > 0, "{first:?}");
    rooms.leave(NEEDS).await;
    bookings.leave(NEEDS).await;
}
