//! The log of a cluster whose messages go through Kafka, by the contract of every log: one node
//! commits, and what arrives at another one is looked at.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sagas::Service;

use super::support::{Deployment, owned};
use crate::cluster::{Arrivals, Carrier};
use crate::journal;
use crate::kafka::{Kafka, KafkaSettings};
use crate::log::contract::elsewhere::{Elsewhere, Way};
use crate::log::contract::log_contract;
use crate::testing::BOOKINGS;

log_contract!(
    through_kafka,
    crate::testing::Ground::postgres(),
    super::through_kafka(),
    #[ignore = "needs PostgreSQL and Kafka: COUNTERFOIL_TEST_POSTGRES_URL, COUNTERFOIL_TEST_KAFKA_URL"]
);

fn through_kafka() -> Elsewhere<Topics> {
    Elsewhere::by(Topics {
        deployment: Deployment::new(),
        nodes: None,
    })
}

/// The topics between two nodes.
struct Topics {
    deployment: Deployment,
    nodes: Option<Nodes>,
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

    fn carrier(&self) -> Arc<dyn Carrier> {
        let carrier: Arc<Kafka> = Arc::clone(&self.nodes().commits);
        carrier
    }

    fn lead_to(&mut self, arrivals: Arc<dyn Arrivals>) {
        self.nodes().listens.begin(arrivals, true);
    }

    fn is_open(&mut self) -> BoxFuture<'_, ()> {
        owned(&self.nodes().listens, usize::from(journal::testing::SHARDS)).boxed()
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        async move {
            if let Some(nodes) = self.nodes.take() {
                nodes.commits.leave().await;
                nodes.listens.leave().await;
            }
        }
        .boxed()
    }
}
