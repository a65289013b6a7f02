//! The command side of a node in this process, on embedded databases: the product without HTTP and
//! without views.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use actors::{Follow, Gateway, NewCustomer, NewOrder, Node, NodeConfig, NodeParts, gateway};
use domain::saga::SagaPolicy;
use domain::{CustomerId, Money, OrderState};
use futures_util::{StreamExt, stream};
use store::cluster::Alone;
use store::faults::Faults;
use store::log::embedded::EmbeddedLog;
use store::{Clock, Journal, ServiceDatabase};
use tempfile::TempDir;

use super::basket::basket;
use super::folder::folder;

/// Shards of a service, as by default.
const SHARDS: u16 = 16;

/// A running command side with customers whose credit does not end.
pub struct Shop {
    customers: Vec<CustomerId>,
    gateway: Gateway,
    node: Node,
    databases: Vec<ServiceDatabase>,
    // Removed when everything else is gone.
    _folder: TempDir,
}

impl Shop {
    /// Opens a shop, and the log of its messages. Must be called where an actix system runs.
    pub async fn open(customers: usize) -> (Self, Arc<EmbeddedLog>) {
        let folder = folder();
        let mut databases = Vec::new();

        for schema in store::services::SHOP {
            let database = ServiceDatabase::open_embedded(schema, folder.path(), SHARDS).await;
            databases.push(database.expect("the database can be made"));
        }

        let log = Arc::new(EmbeddedLog::new(
            databases.clone(),
            SHARDS,
            Faults::default(),
        ));

        let mut journals = Vec::new();

        for database in &databases {
            let journal = Journal::start(database, log.clone(), Faults::default(), SHARDS).await;
            journals.push(journal.expect("the journal can be started"));
        }

        let parts = NodeParts {
            membership: Arc::new(Alone::with(
                databases.iter().map(|database| database.service),
                SHARDS,
            )),
            databases: databases.clone(),
            journals,
            log: Arc::<EmbeddedLog>::clone(&log),
            transport: None,
            clock: Clock::system(),
            faults: Faults::default(),
        };
        let (node, gateway) =
            gateway::start(&config(), &parts).expect("the node has both databases");

        let mut shop = Shop {
            customers: Vec::new(),
            gateway,
            node,
            databases,
            _folder: folder,
        };
        shop.add_customers(customers).await;

        (shop, log)
    }

    /// Creates `count` more customers.
    pub async fn add_customers(&mut self, count: usize) {
        let known = self.customers.len();
        let numbers = known..known + count;
        let created = stream::iter(numbers.map(|number| new_customer(&self.gateway, number)))
            .buffer_unordered(256);
        let created: Vec<_> = created.collect().await;
        self.customers.extend(created);
    }

    /// Places `count` orders, for one customer after the other, with `in_flight` under way at any
    /// time, each until its saga has ended.
    pub async fn complete_sagas(&self, count: u64, in_flight: usize) {
        let customers = self.customers.iter().copied().cycle();
        stream::iter(customers.zip(0..count))
            .map(|(customer, _)| self.complete_saga(customer))
            .buffer_unordered(in_flight)
            .for_each(|()| std::future::ready(()))
            .await;
    }

    async fn complete_saga(&self, customer: CustomerId) {
        let created = basket(customer);

        let request = NewOrder {
            customer_id: customer,
            total: created.order_total,
            lines: created.lines,
            note: created.note,
        };

        let accepted = self
            .gateway
            .create_order(request, None, Follow::saga())
            .await
            .expect("the order is taken");
        let ended = accepted.ended_within(Duration::from_secs(30)).await;
        let answer = ended.expect("the saga ends");
        assert_eq!(answer.entity.state, OrderState::Approved);
    }

    /// Stops the node, then closes its databases.
    pub async fn close(self) {
        self.node.stop().await;
        stream::iter(self.databases)
            .for_each(ServiceDatabase::close)
            .await;
    }
}

/// As the product's defaults are.
fn config() -> NodeConfig {
    NodeConfig {
        name: "bench".to_owned(),
        shards: SHARDS,
        arbiters: std::thread::available_parallelism().map_or(1, NonZero::get),
        live_actors: 100_000,
        sagas: SagaPolicy::default(),
        retention: Duration::from_secs(3600),
        ..NodeConfig::default()
    }
}

async fn new_customer(gateway: &Gateway, number: usize) -> CustomerId {
    let request = NewCustomer {
        name: format!("Customer {number}"),
        credit_limit: Money::from_cents(1_000_000_000_000),
    };
    gateway
        .create_customer(request, None)
        .await
        .expect("the customer is taken")
        .entity
        .id
}
