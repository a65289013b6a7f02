//! Partitions that have no leader: what stands in them waits, and nothing else does. On brokers
//! inside this process, which can be told who leads.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use serde_json::value::RawValue;

use super::support::{
    BOOKINGS, Deployment, ROOMS, SHARDS, Taken, command, eventually, owned, shard,
};
use super::*;
use crate::log::Destination;

pub(in crate::kafka) type Cluster = MockCluster<'static, DefaultProducerContext>;

/// Brokers that have all topics. They let no client create any.
pub(in crate::kafka) fn cluster() -> (Cluster, KafkaSettings) {
    let cluster = MockCluster::new(1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let settings = Deployment::settings_at(&brokers, "mock", "a", &[ROOMS]);
    for topic in Topics::new(&settings).names() {
        cluster.create_topic(topic, settings.partitions, 1).unwrap();
    }
    (cluster, settings)
}

#[tokio::test]
async fn a_partition_without_a_leader_keeps_no_shard_from_being_served() {
    let (cluster, settings) = cluster();
    let topics = Topics::new(&settings);
    let [inbox, requests] = [Topic::Inbox(ROOMS), Topic::Requests(ROOMS)]
        .map(|topic| topics.name(topic).unwrap().to_owned());
    cluster.partition_leader(&inbox, 2, None).unwrap();
    cluster.partition_leader(&requests, 1, None).unwrap();

    let node = Kafka::connect(settings).await.unwrap();
    let taken = Arc::new(Taken::default());
    node.begin(taken.clone(), false);
    owned(&node, usize::from(SHARDS)).await;
    assert_eq!(node.not_begun(), 0);
    for number in 0..SHARDS {
        assert!(node.confirm(shard(ROOMS, number)).await, "{number}");
    }

    // Shards 2 and 6 stand in the one, 1 and 5 in the other.
    cluster.partition_leader(&inbox, 2, Some(1)).unwrap();
    cluster.partition_leader(&requests, 1, Some(1)).unwrap();
    let source = shard(BOOKINGS, 1);
    let mut sequence = 0;
    // Where reading begins is not known; what is sent once it has begun arrives.
    eventually(NEEDS, || {
        sequence += 1;
        for number in 0..SHARDS {
            let to = shard(ROOMS, number);
            node.carry(vec![Arc::new(command(source, sequence, to))]);
            node.ask(to, vec![1]);
        }
        let questions = taken.questions();
        (0..SHARDS).all(|number| {
            let to = shard(ROOMS, number);
            let came = taken.sequences(source, Destination::Shard(to));
            !came.is_empty() && questions.iter().any(|(asked, _)| *asked == to)
        })
    })
    .await;
    assert!(taken.earlier().is_empty(), "all was asked of this node");
    node.leave(NEEDS).await;
}

#[tokio::test]
async fn a_node_starts_while_partitions_of_events_and_answers_have_no_leader() {
    let (cluster, settings) = cluster();
    let topics = Topics::new(&settings);
    let events = topics.name(Topic::Events(BOOKINGS)).unwrap();
    let answers = (topics.name(Topic::Answers).unwrap(), topics.of_node("a"));
    cluster.partition_leader(events, 1, None).unwrap();
    cluster
        .partition_leader(answers.0, answers.1, None)
        .unwrap();

    let node = Kafka::connect(settings).await.unwrap();
    let taken = Arc::new(Taken::default());
    node.begin(taken.clone(), true);
    owned(&node, usize::from(SHARDS)).await;

    cluster.partition_leader(events, 1, Some(1)).unwrap();
    cluster
        .partition_leader(answers.0, answers.1, Some(1))
        .unwrap();
    let mut sequence = 0;
    eventually(NEEDS, || {
        sequence += 1;
        for number in 0..SHARDS {
            node.carry(vec![Arc::new(event(shard(BOOKINGS, number), sequence))]);
        }
        node.answer("a", ROOMS, vec![1]);
        let heard = (0..SHARDS).all(|number| {
            let came = taken.sequences(shard(BOOKINGS, number), Destination::Events);
            !came.is_empty()
        });
        heard && !taken.answers().is_empty()
    })
    .await;
    node.leave(NEEDS).await;
}

#[tokio::test]
async fn what_waits_for_a_partition_without_a_leader_leaves_room_for_all_others() {
    let (cluster, settings) = cluster();
    let topics = Topics::new(&settings);
    let inbox = topics.name(Topic::Inbox(ROOMS)).unwrap();
    // Before anybody reads it: these brokers do not survive to lose a leader whose readers wait.
    cluster.partition_leader(inbox, 2, None).unwrap();
    let node = Kafka::connect(settings).await.unwrap();
    let taken = Arc::new(Taken::default());
    node.begin(taken.clone(), false);
    owned(&node, usize::from(SHARDS)).await;

    // More than the client has room for.
    let (source, there, elsewhere) = (shard(BOOKINGS, 1), shard(ROOMS, 2), shard(ROOMS, 3));
    let body = format!("\"{}\"", "x".repeat(512 << 10));
    let body: Arc<RawValue> = Arc::from(RawValue::from_string(body).unwrap());
    for sequence in 1..=200 {
        let mut large = command(source, sequence, there);
        large.body = Arc::clone(&body);
        node.carry(vec![Arc::new(large)]);
    }

    node.carry(vec![Arc::new(command(source, 201, elsewhere))]);
    assert!(node.ask(elsewhere, vec![1]));
    eventually(NEEDS, || {
        let came = taken.sequences(source, Destination::Shard(elsewhere));
        came == [201] && taken.questions().len() == 1
    })
    .await;
    assert!(
        taken
            .sequences(source, Destination::Shard(there))
            .is_empty()
    );
    node.leave(NEEDS).await;
}

#[tokio::test]
async fn a_relay_learns_whose_events_nobody_takes_and_those_of_others_are_there() {
    let (cluster, settings) = cluster();
    let topics = Topics::new(&settings);
    let events = topics.name(Topic::Events(ROOMS)).unwrap();
    let inbox = topics.name(Topic::Inbox(BOOKINGS)).unwrap();
    cluster.partition_leader(events, 2, None).unwrap();
    cluster.partition_leader(inbox, 1, None).unwrap();

    let node = Kafka::connect(settings).await.unwrap();
    let carrier = node.acknowledging().unwrap();
    let (waits, goes) = (shard(ROOMS, 6), shard(ROOMS, 3));
    let messages = || {
        let to_nobody = command(goes, 2, shard(BOOKINGS, 1));
        vec![event(waits, 1), event(goes, 1), to_nobody, event(goes, 3)]
    };
    let began = Instant::now();
    for _ in 0..2 {
        assert_eq!(carrier.deliver(messages()).await.unwrap(), [waits].into());
    }
    let other = vec![event(goes, 4), command(goes, 5, shard(BOOKINGS, 1))];
    assert!(carrier.deliver(other).await.unwrap().is_empty());
    // Not as long as the client tries, which other shards would wait, too.
    assert!(began.elapsed() < Duration::from_secs(25));

    cluster.partition_leader(events, 2, Some(1)).unwrap();
    let began = Instant::now();
    while !carrier.deliver(messages()).await.unwrap().is_empty() {
        assert!(began.elapsed() < NEEDS, "it is led again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    node.leave(NEEDS).await;
}
