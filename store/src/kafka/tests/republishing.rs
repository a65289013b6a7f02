//! Events that are published again from the outbox to a topic that has lost some.

use std::sync::Arc;

use super::losses::Operator;
use super::support::{Deployment, eventually};
use super::*;
use crate::ServiceDatabase;
use crate::faults::Faults;
use crate::journal::testing::{self, Logs, Store};
use crate::kafka::contents;
use crate::log::cluster::ClusterLog;
use crate::testing::{BOOKINGS, Ground};
use crate::unit::Fate;

/// A database whose events go to a topic.
struct Published {
    store: Store,
    node: Arc<Kafka>,
    deployment: Deployment,
    operator: Operator,
}

impl Published {
    /// Some units of each shard.
    async fn new(units: u64) -> Self {
        let deployment = Deployment::new();
        let node = Kafka::connect(settings(&deployment, "commits"))
            .await
            .unwrap();
        let carrier = Arc::clone(&node);
        let make = |database: &ServiceDatabase, faults: Faults| -> Logs {
            let databases = vec![database.clone()];
            let log = ClusterLog::new(databases, testing::SHARDS, faults, carrier);
            (log.clone(), log)
        };
        let store = Store::open_on(Ground::postgres(), "", |store| store, make).await;
        let operator = Operator::of(&deployment);
        let mut published = Published {
            store,
            node,
            deployment,
            operator,
        };
        published.commit(units).await;
        published
    }

    /// Each unit is an event and a command.
    async fn commit(&mut self, units: u64) {
        for number in 0..testing::SHARDS {
            for _ in 0..units {
                let version = self.store.claims[&testing::shard(number)].next_sequence / 2 + 1;
                let unit =
                    self.store
                        .sending(testing::shard(number), version, &[testing::shard(0)]);
                assert!(matches!(self.store.fate(unit).await, Fate::Durable));
            }
        }
        self.node.outgoing.flush(FLUSH);
    }

    async fn run(&self, shard: Option<u16>, from: Option<u64>) -> Republished {
        let wanted = Republication { shard, from };
        let settings = settings(&self.deployment, "republish");
        let tell = Arc::new(|_: &str| {});
        republish(settings, &self.store.database, wanted, tell)
            .await
            .unwrap()
    }

    /// How far the topic has the events of each shard.
    fn reached(&self) -> Vec<u64> {
        let settings = settings(&self.deployment, "looks");
        let topics = Topics::new(&settings);
        let complaints = Complaints::new();
        let contents = contents::read(&settings, &topics, BOOKINGS, &complaints, &|_| {}).unwrap();
        let shards = (0..testing::SHARDS).map(testing::shard);
        shards.map(|shard| contents.without_gap(shard)).collect()
    }

    async fn empty(&self) {
        let topic = self.operator.named(".bookings.events");
        self.operator
            .replace(&topic, KafkaSettings::PARTITIONS)
            .await;
    }

    async fn sql(&self, statement: &str) {
        let Ground::Postgres(database) = &*self.store.folder else {
            unreachable!("it is on a server")
        };
        database.run(statement).await;
    }

    async fn end(self) {
        self.node.leave(NEEDS).await;
        self.store.close().await;
    }
}

fn settings(deployment: &Deployment, node: &str) -> KafkaSettings {
    let mut settings = deployment.settings(node, &[]);
    settings.shards = testing::SHARDS;
    settings
}

fn counts(republished: &Republished) -> Vec<u64> {
    republished.shards.iter().map(|of| of.events).collect()
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka: COUNTERFOIL_TEST_POSTGRES_URL, COUNTERFOIL_TEST_KAFKA_URL"]
async fn a_topic_that_was_created_anew_gets_all_it_lacks_and_one_that_is_whole_nothing() {
    let mut published = Published::new(10).await;
    eventually(NEEDS, || published.reached() == [19; 4]).await;
    assert_eq!(counts(&published.run(None, None).await), [0; 4]);

    published.empty().await;
    published.commit(2).await;
    eventually(NEEDS, || published.reached() == [0; 4]).await;

    // From the first that is missing on, so that whoever stops at a gap finds the rest behind it.
    let again = published.run(None, None).await;
    assert_eq!(counts(&again), [12; 4]);
    let spans = again.shards.iter().map(|of| of.span.unwrap());
    assert!(
        spans
            .into_iter()
            .all(|(first, last)| (first.sequence, last.sequence) == (1, 23))
    );
    assert!(again.shards.iter().all(|of| of.lacks.is_none()));
    assert_eq!(published.reached(), [23; 4]);
    assert_eq!(counts(&published.run(None, None).await), [0; 4]);
    published.end().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka: COUNTERFOIL_TEST_POSTGRES_URL, COUNTERFOIL_TEST_KAFKA_URL"]
async fn what_is_asked_for_by_shard_and_position_is_published_and_no_more() {
    let published = Published::new(10).await;
    published.empty().await;

    let one = published.run(Some(2), None).await;
    assert_eq!(counts(&one), [10]);
    assert_eq!(published.reached(), [0, 0, 19, 0]);

    // From the middle of a unit on; its event is before that.
    let some = published.run(Some(1), Some(6)).await;
    assert_eq!(counts(&some), [7]);
    let (first, _) = some.shards[0].span.unwrap();
    assert_eq!(first.sequence, 7);
    assert_eq!(
        published.reached(),
        [0, 0, 19, 0],
        "the gap before it shows"
    );
    assert_eq!(counts(&published.run(Some(1), Some(1)).await), [10]);
    assert_eq!(published.reached(), [0, 19, 19, 0]);

    let none = Republication {
        shard: Some(testing::SHARDS),
        from: None,
    };
    let settings = settings(&published.deployment, "republish");
    let refused = republish(
        settings,
        &published.store.database,
        none,
        Arc::new(|_: &str| {}),
    );
    let refused = refused.await.unwrap_err().to_string();
    assert_eq!(
        refused,
        "shard 4 of bookings is not there: it has 4, from 0 on"
    );
    published.end().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka: COUNTERFOIL_TEST_POSTGRES_URL, COUNTERFOIL_TEST_KAFKA_URL"]
async fn what_the_outbox_has_no_more_or_cannot_be_read_is_told_and_is_a_gap_in_the_topic() {
    let published = Published::new(10).await;
    published.empty().await;
    published
        .sql("DELETE FROM outbox WHERE shard = 0 AND sequence < 9")
        .await;
    published
        .sql("UPDATE outbox SET events = '[{' WHERE shard = 1 AND sequence = 5")
        .await;

    let some = published.run(None, None).await;
    assert_eq!(counts(&some), [6, 9, 10, 10]);
    let lacks: Vec<_> = some.shards.iter().map(|of| of.lacks).collect();
    let (begins, damaged) = (Lacking::BeginsAt(9), Lacking::Damaged(1, 5));
    assert_eq!(lacks, [Some(begins), Some(damaged), None, None]);
    assert_eq!(published.reached(), [0, 3, 19, 19]);

    // From where the outbox begins, nothing is lacking that was asked for.
    let rest = published.run(Some(0), Some(9)).await;
    assert_eq!((counts(&rest), rest.shards[0].lacks), (vec![6], None));
    published.end().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka: COUNTERFOIL_TEST_POSTGRES_URL, COUNTERFOIL_TEST_KAFKA_URL"]
async fn a_topic_lacks_events_when_it_holds_fewer_than_there_are_units_and_not_before() {
    let mut published = Published::new(10).await;
    eventually(NEEDS, || published.reached() == [19; 4]).await;
    let (database, node) = (&published.store.database, Arc::clone(&published.node));
    let now = crate::Clock::system().now();
    assert!(!node.lacks_events(database, now).await.unwrap());

    published.empty().await;
    let database = published.store.database.clone();
    let began = Instant::now();
    // Not every broker tells at once that it is another topic.
    while !node.lacks_events(&database, now).await.unwrap() {
        assert!(began.elapsed() < NEEDS);
    }
    published.commit(3).await;
    assert!(node.lacks_events(&database, now).await.unwrap());

    published.run(None, None).await;
    assert!(!node.lacks_events(&database, now).await.unwrap());

    // What the brokers delete because it is old is not lacking.
    let topic = published.operator.named(".bookings.events");
    published.operator.truncate(&topic).await;
    assert!(!node.lacks_events(&database, now).await.unwrap());
    published.end().await;
}
