//! The log of a cluster whose messages go through Kafka, by the contract of every log: one node
//! commits, and what arrives at another one is looked at.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sagas::Service;

use super::NEEDS;
use super::support::{Deployment, owned};
use crate::ServiceDatabase;
use crate::cluster::{Alone, Arrivals, Carrier, Membership};
use crate::journal;
use crate::kafka::{Kafka, KafkaSettings};
use crate::log::contract::elsewhere::{Elsewhere, Way};
use crate::log_contract;
use crate::relay::{Relay, Relaying};
use crate::testing::BOOKINGS;

log_contract!(
    through_kafka,
    crate::testing::Ground::postgres(),
    super::through_kafka(crate::relay::Relay::Direct),
    #[ignore = "needs PostgreSQL and Kafka: COUNTERFOIL_TEST_POSTGRES_URL, COUNTERFOIL_TEST_KAFKA_URL"]
);

log_contract!(
    through_kafka_by_polling,
    crate::testing::Ground::postgres(),
    super::through_kafka(crate::relay::Relay::Polling(super::POLLED_EVERY)),
    #[ignore = "needs PostgreSQL and Kafka: COUNTERFOIL_TEST_POSTGRES_URL, COUNTERFOIL_TEST_KAFKA_URL"]
);

log_contract!(
    through_kafka_by_the_database_log,
    crate::testing::Ground::postgres(),
    super::through_kafka(crate::relay::Relay::Wal(u64::MAX)),
    #[ignore = "needs PostgreSQL and Kafka: COUNTERFOIL_TEST_POSTGRES_URL, COUNTERFOIL_TEST_KAFKA_URL"]
);

const POLLED_EVERY: Duration = Duration::from_millis(5);

fn through_kafka(relay: Relay) -> Elsewhere<Topics> {
    Elsewhere::by(Topics {
        deployment: Deployment::new(),
        relay,
        nodes: None,
        relaying: None,
    })
}

/// The topics between two nodes.
struct Topics {
    deployment: Deployment,
    relay: Relay,
    nodes: Option<Nodes>,
    relaying: Option<Relaying>,
}

struct Nodes {
    commits: Arc<Kafka>,
    /// Owns all receivers.
    listens: Arc<Kafka>,
}

impl Topics {
    fn settings(&self, node: &str, owns: &[Service]) -> KafkaSettings {
        let mut settings = self.deployment.settings(node, owns);
        settings.shards = journal::testing::SHARDS;
        settings.carries = self.relay == Relay::Direct;
        settings
    }

    fn nodes(&self) -> &Nodes {
        self.nodes.as_ref().unwrap()
    }
}

impl Way for Topics {
    fn open(&mut self) -> BoxFuture<'_, ()> {
        async move {
            self.close().await;
            let commits = Kafka::connect(self.settings("commits", &[])).await;
            let listens = Kafka::connect(self.settings("listens", &[BOOKINGS])).await;
            self.nodes = Some(Nodes {
                commits: commits.unwrap(),
                listens: listens.unwrap(),
            });
        }
        .boxed()
    }

    fn carrier(&mut self, database: &ServiceDatabase) -> Arc<dyn Carrier> {
        let carrier: Arc<Kafka> = Arc::clone(&self.nodes().commits);
        let outboxes = vec![(database.clone(), carrier.acknowledging().unwrap())];
        let assigned = Alone::with([BOOKINGS], journal::testing::SHARDS).assigned();
        self.relaying = Some(Relaying::begin(
            self.relay,
            outboxes,
            (&assigned, journal::testing::SHARDS),
        ));
        carrier
    }

    fn lead_to(&mut self, arrivals: Arc<dyn Arrivals>) {
        self.nodes().listens.begin(arrivals, true);
    }

    fn is_open(&mut self) -> BoxFuture<'_, ()> {
        owned(&self.nodes().listens, usize::from(journal::testing::SHARDS)).boxed()
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        self.relaying = None;
        async move {
            if let Some(nodes) = self.nodes.take() {
                nodes.commits.leave(NEEDS).await;
                nodes.listens.leave(NEEDS).await;
            }
        }
        .boxed()
    }
}
