//! A small shop on real stores: a node with views, and a folder with everything that it has left
//! behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actors::{Follow, Gateway, NewCustomer, NewOrder, Node, NodeConfig, NodeParts, gateway};
use domain::saga::SagaPolicy;
use domain::{CustomerId, Money, OrderId, OrderLine};
use projections::documents::sqlite::SqliteDocumentStore;
use projections::search::EmbeddedSearchStore;
use projections::{ShopViews, StoredRows, ViewStores, Views, ViewsConfig};
use store::cluster::Alone;
use store::faults::{FaultPlan, Faults};
use store::log::embedded::EmbeddedLog;
use store::{Clock, Journal, ServiceDatabase};
use tempfile::TempDir;
use uuid::Uuid;

pub const SHARDS: u16 = 4;
const PATIENCE: Duration = Duration::from_secs(20);

/// The embedded stores of views.
pub fn view_stores(folder: &Path) -> ViewStores {
    ViewStores {
        documents: Arc::new(SqliteDocumentStore::new(folder)),
        search: Arc::new(EmbeddedSearchStore::new(folder)),
    }
}

pub struct Shop {
    pub node: Node,
    gateway: Gateway,
    views: Views,
    parts: NodeParts,
}

impl Shop {
    pub async fn open(folder: &Path, faults: &str) -> Self {
        let faults = Faults::new(faults.parse::<FaultPlan>().unwrap());

        let mut databases = Vec::new();
        for schema in store::services::SHOP {
            databases.push(
                ServiceDatabase::open_embedded(schema, folder, SHARDS)
                    .await
                    .unwrap(),
            );
        }

        let log = Arc::new(EmbeddedLog::new(databases.clone(), SHARDS, faults.clone()));

        let mut journals = Vec::new();
        for database in &databases {
            journals.push(
                Journal::start(database, log.clone(), faults.clone(), SHARDS)
                    .await
                    .unwrap(),
            );
        }

        let parts = NodeParts {
            membership: Arc::new(Alone::with(
                databases.iter().map(|database| database.service),
                SHARDS,
            )),
            databases,
            journals,
            log: log.clone(),
            transport: None,
            clock: Clock::system(),
            faults,
        };

        let config = NodeConfig {
            name: "test".into(),
            shards: SHARDS,
            arbiters: 2,
            live_actors: 1000,
            sagas: SagaPolicy::default(),
            retention: Duration::from_secs(3600),
            // So that there are snapshots.
            loading: domain::SERVICES
                .map(|service| (service, "replay:2".parse().unwrap()))
                .into(),
        };
        let (node, gateway) = gateway::start(&config, &parts).unwrap();
        node.opened().await;
        let rows = Arc::new(StoredRows::new(&parts.databases));

        let config = ViewsConfig {
            keep: Duration::from_secs(3600),
            deployment: Uuid::nil(),
            origin: Uuid::nil(),
        };
        let mut views = Views::new(config, log);
        ShopViews::register(&mut views, view_stores(folder), rows).unwrap();
        views.settled(Duration::from_secs(20)).await;

        Shop {
            node,
            gateway,
            views,
            parts,
        }
    }

    /// Stops when the views show everything.
    pub async fn close(self) {
        self.views_are_level().await;
        self.node.stop().await;
        self.views.stop().await;
        for database in self.parts.databases {
            database.close().await;
        }
    }

    async fn views_are_level(&self) {
        eventually("the views are level with the log", async || {
            let status = self.views.status().await;
            status
                .iter()
                .all(|view| view.lag.as_ref().is_some_and(|lag| lag.events == 0))
        })
        .await;
    }

    pub async fn customer(&self, name: &str, cents: i64) -> CustomerId {
        let request = NewCustomer {
            name: name.into(),
            credit_limit: Money::from_cents(cents),
        };
        self.gateway
            .create_customer(request, None)
            .await
            .unwrap()
            .entity
            .id
    }

    /// An order whose saga has ended.
    pub async fn order(&self, customer_id: CustomerId, cents: i64) -> OrderId {
        self.order_following(customer_id, cents, Follow::saga())
            .await
    }

    pub async fn order_following(
        &self,
        customer_id: CustomerId,
        cents: i64,
        follow: Follow,
    ) -> OrderId {
        let total = Money::from_cents(cents);

        let line = OrderLine {
            sku: "981760".into(),
            name: "YOGURT".into(),
            quantity: 1,
            unit_price: total,
        };

        let request = NewOrder {
            customer_id,
            total,
            lines: vec![line],
            note: Some("ring twice".into()),
        };

        self.gateway
            .create_order(request, None, follow)
            .await
            .unwrap()
            .ended_within(PATIENCE)
            .await
            .unwrap()
            .entity
            .id
    }

    async fn trade(&self) {
        let ada = self.customer("Ada Park", 1500).await;
        let bob = self.customer("Bob", 1_000_000).await;

        for cents in [500, 400, 300, 10_000] {
            self.order(ada, cents).await;
        }

        self.order(CustomerId(Uuid::now_v7()), 100).await;
        let cancelled = self.order(bob, 700).await;

        self.gateway
            .cancel_order(cancelled, None, Follow::saga())
            .await
            .unwrap()
            .ended_within(PATIENCE)
            .await
            .unwrap();

        let shipped = self.order(bob, 800).await;
        self.gateway.ship_order(shipped, None).await.unwrap();
        // Its saga stays open: the customer cannot answer.
        let poison = self.customer("Poison", 1500).await;

        self.order_following(poison, 100, Follow::Nothing).await;
    }
}

/// A folder that a node with some trade has left behind, and how its search index was after the
/// first half.
pub struct Left {
    folder: TempDir,
}

impl Left {
    /// Made once for all tests, which damage copies of it.
    pub fn behind() -> &'static Left {
        static LEFT: OnceLock<Left> = OnceLock::new();
        LEFT.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let data = folder.path().join("data");
            fs::create_dir(&data).unwrap();

            super::run(async {
                for half in ["first", "second"] {
                    let shop = Shop::open(&data, "panic-customer=Poison").await;
                    shop.trade().await;
                    shop.close().await;
                    is_let_go_of(&data).await;
                    copy(&data.join("search-1"), &folder.path().join(half));
                }
            });

            // No test shall depend on how far the node had come with them.
            let customers = rusqlite::Connection::open(data.join("customers.db")).unwrap();
            let sql = "UPDATE parked_messages SET state = 'QUARANTINED', next_attempt_at = NULL";
            customers.execute(sql, []).unwrap();
            drop(customers);

            Left { folder }
        })
    }

    pub fn copy(&self) -> TempDir {
        let target = tempfile::tempdir().unwrap();
        copy(&self.folder.path().join("data"), target.path());
        target
    }

    /// The search index after the first half.
    pub fn old_index(&self) -> PathBuf {
        self.folder.path().join("first")
    }
}

/// Connections of a pool close on threads of their own; the last of a database takes its
/// write-ahead log away.
async fn is_let_go_of(folder: &Path) {
    eventually("every database is closed", async || {
        let mut entries = fs::read_dir(folder).unwrap();
        entries.all(|entry| !entry.unwrap().path().to_string_lossy().ends_with("-wal"))
    })
    .await;
}

/// Looks until it holds, at most 20 seconds.
async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    for _ in 0..2_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within 20 s: {what}");
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
