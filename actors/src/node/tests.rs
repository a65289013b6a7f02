//! The command side as a whole, on real databases: what callers get, and what is in the tables in
//! the end.

use std::future::Future;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use domain::{Money, OrderState, RejectionReason};
use store::Publisher;
use store::cluster::Alone;
use store::faults::FaultPlan;
use store::log::embedded::EmbeddedLog;
use store::parking::QuarantineFilter;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::services::gateway::{self, Gateway, NewCustomer, NewOrder, OrderAnswer};
use crate::{CommandError, Follow, Operator, ParkedAction, RequestBinding, SagaAction};
use late_replies::SlowReplies;
use unknown_outcomes::PanickingLog;

const PATIENCE: Duration = Duration::from_secs(20);

const SHARDS: u16 = 4;

/// How a node is started.
#[derive(Clone)]
struct Setup {
    faults: &'static str,
    shards: u16,
    sagas: SagaPolicy,
    clock: Clock,
    /// Where both services' entities come from.
    loading: Loading,
    /// Actors that may stay in memory.
    live_actors: usize,
    /// Customers' replies are held back while it is true.
    held_replies: Option<Arc<AtomicBool>>,
    /// The log panics when it is to publish the first event of this name.
    panics_over: Option<&'static str>,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            faults: "",
            shards: SHARDS,
            sagas: SagaPolicy::default(),
            clock: Clock::system(),
            loading: Loading::Row,
            live_actors: 1000,
            held_replies: None,
            panics_over: None,
        }
    }
}

struct Fixture {
    folder: TempDir,
    node: Node,
    gateway: Gateway,
    parts: NodeParts,
}

impl Fixture {
    async fn start(folder: TempDir, faults: &'static str) -> Self {
        let setup = Setup {
            faults,
            ..Setup::default()
        };
        Fixture::start_as(folder, &setup).await
    }

    async fn start_as(folder: TempDir, setup: &Setup) -> Self {
        let faults = Faults::new(setup.faults.parse::<FaultPlan>().unwrap());
        let shards = setup.shards;

        let mut databases = Vec::new();
        for schema in store::services::SHOP {
            databases.push(
                ServiceDatabase::open_embedded(schema, folder.path(), shards)
                    .await
                    .unwrap(),
            );
        }

        let log = Arc::new(EmbeddedLog::new(databases.clone(), shards, faults.clone()));

        let publisher: Arc<dyn Publisher> = match setup.panics_over {
            Some(event) => Arc::new(PanickingLog::new(log.clone(), event)),
            None => log.clone(),
        };

        let mut journals = Vec::new();
        for database in &databases {
            let publisher = Arc::clone(&publisher);
            journals.push(
                Journal::start(database, publisher, faults.clone(), shards)
                    .await
                    .unwrap(),
            );
        }

        let parts = NodeParts {
            membership: Arc::new(Alone::with(
                databases.iter().map(|database| database.service),
                shards,
            )),
            databases,
            journals,
            log: match &setup.held_replies {
                Some(held) => Arc::new(SlowReplies::new(log, Arc::clone(held))),
                None => log,
            },
            transport: None,
            clock: setup.clock.clone(),
            faults,
        };

        let config = NodeConfig {
            name: "test".into(),
            shards,
            arbiters: 2,
            live_actors: setup.live_actors,
            sagas: setup.sagas,
            retention: Duration::from_secs(3600),
            loading: domain::SERVICES
                .map(|service| (service, setup.loading))
                .into(),
        };
        let (node, gateway) = gateway::start(&config, &parts).unwrap();

        Fixture {
            folder,
            node,
            gateway,
            parts,
        }
    }

    async fn stop(self) -> TempDir {
        self.node.stop().await;
        for database in self.parts.databases {
            database.close().await;
        }
        self.folder
    }

    async fn customer(&self, cents: i64) -> domain::CustomerId {
        self.customer_named("Ada Park", cents).await
    }

    async fn customer_named(&self, name: &str, cents: i64) -> domain::CustomerId {
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

    async fn order(&self, customer: domain::CustomerId, cents: i64) -> OrderAnswer {
        self.try_order(customer, cents, None).await.unwrap()
    }

    async fn try_order(
        &self,
        customer: domain::CustomerId,
        cents: i64,
        binding: Option<RequestBinding>,
    ) -> Result<OrderAnswer, CommandError> {
        let request = NewOrder {
            customer_id: customer,
            total: Money::from_cents(cents),
            lines: Vec::new(),
            note: None,
        };
        let accepted = self
            .gateway
            .create_order(request, binding, Follow::saga())
            .await?;
        accepted.ended_within(PATIENCE).await
    }

    async fn reserved(&self, customer: domain::CustomerId) -> i64 {
        let database = &self.parts.databases[0];
        let mut found = store::services::customers::load(database, &[customer.0])
            .await
            .unwrap();
        let found = found.remove(&customer.0).unwrap().unwrap();
        found.entity.reserved.cents()
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    actix_rt::System::new().block_on(test)
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

mod between_turns;
mod both_ways;
mod damage;
mod failing_beside_others;
mod late_replies;
mod replaying;
mod unknown_outcomes;
mod waking;

#[test]
fn an_order_within_the_limit_is_approved_and_one_beyond_it_rejected() {
    run(async {
        let shop = Fixture::start(folder(), "").await;
        let customer = shop.customer(1500).await;
        let order = shop.order(customer, 1234).await;
        assert_eq!(
            (order.entity.state, order.entity.version),
            (OrderState::Approved, 2)
        );

        assert_eq!(order.seen.len(), 2);
        let order = shop.order(customer, 12340).await;
        assert_eq!(
            order.entity.rejection_reason,
            Some(RejectionReason::InsufficientCredit)
        );

        let nobody = domain::CustomerId(Uuid::now_v7());
        assert_eq!(
            shop.order(nobody, 1).await.entity.rejection_reason,
            Some(RejectionReason::UnknownCustomer)
        );

        assert_eq!(shop.reserved(customer).await, 1234);
        shop.stop().await;
    });
}

#[test]
fn a_cancelled_order_gives_its_credit_back_and_a_shipped_one_cannot_be_cancelled() {
    run(async {
        let shop = Fixture::start(folder(), "").await;
        let customer = shop.customer(1500).await;
        let order = shop.order(customer, 1000).await.entity.id;

        let gateway = &shop.gateway;
        let cancelled = gateway
            .cancel_order(order, None, Follow::saga())
            .await
            .unwrap()
            .ended_within(PATIENCE)
            .await
            .unwrap();

        assert_eq!(
            (cancelled.entity.state, cancelled.entity.version),
            (OrderState::Cancelled, 4)
        );

        assert_eq!(shop.reserved(customer).await, 0);

        let shipped = shop.order(customer, 1000).await.entity.id;
        assert_eq!(
            gateway
                .ship_order(shipped, None)
                .await
                .unwrap()
                .entity
                .state,
            OrderState::Shipped
        );

        let refused = gateway.cancel_order(shipped, None, Follow::Nothing).await;
        assert!(
            matches!(refused, Err(CommandError::Conflict(_))),
            "{refused:?}"
        );

        shop.stop().await;
    });
}

/// What must hold under every fault: parallel orders on few customers end, and credit adds up.
fn credit_adds_up_under(faults: &'static str) {
    run(async {
        let shop = Fixture::start(folder(), faults).await;

        let mut customers = Vec::new();
        for _ in 0..3 {
            customers.push(shop.customer(5000).await);
        }

        let orders = (0..150).map(|n| shop.order(customers[n % 3], 250));
        let answers = join_all(orders).await;

        for customer in &customers {
            assert_eq!(shop.reserved(*customer).await, 5000);
        }

        let approved = answers
            .iter()
            .filter(|answer| answer.entity.state == OrderState::Approved)
            .count();

        let rejected = answers
            .iter()
            .filter(|answer| answer.entity.state == OrderState::Rejected)
            .count();
        assert_eq!((approved, rejected), (60, 90), "{faults}");
        shop.stop().await;
    });
}

#[test]
fn parallel_orders_use_the_credit_up_exactly() {
    credit_adds_up_under("");
}

#[test]
fn messages_that_come_twice_change_nothing() {
    credit_adds_up_under("deliver-twice");
}

#[test]
fn messages_lost_on_the_way_are_read_from_the_outbox() {
    credit_adds_up_under("lose-message=3");
}

#[test]
fn a_commit_that_fails_loses_nothing_and_repeats_nothing() {
    credit_adds_up_under("fail-commit=3");
}

#[test]
fn a_journal_that_panics_loses_nothing_and_repeats_nothing() {
    credit_adds_up_under("panic-journal=3");
}

#[test]
fn an_actor_that_panics_once_is_loaded_anew_and_asked_again() {
    credit_adds_up_under("panic-customer=Ada Park,panic-once");
    credit_adds_up_under("panic-saga=Ada Park,panic-once");
}

#[test]
fn a_repeat_under_the_same_key_finds_the_same_order_also_after_a_restart() {
    run(async {
        let binding = |value: &[u8]| Some(RequestBinding::new("POST /orders", "k1", value));

        let shop = Fixture::start(folder(), "").await;
        let customer = shop.customer(1500).await;
        let first = shop.try_order(customer, 1000, binding(b"a")).await.unwrap();
        let shop = Fixture::start(shop.stop().await, "").await;

        let again = shop.try_order(customer, 1000, binding(b"a")).await.unwrap();
        assert_eq!(
            (again.entity.id, again.saga_id, again.entity.version),
            (first.entity.id, first.saga_id, 2)
        );

        assert_eq!(
            shop.try_order(customer, 1000, binding(b"b"))
                .await
                .unwrap_err(),
            CommandError::KeyReused
        );

        assert_eq!(shop.reserved(customer).await, 1000);
        shop.stop().await;
    });
}

#[test]
fn a_message_that_always_fails_is_quarantined_and_stops_one_customer_only() {
    run(async {
        let shop = Fixture::start(folder(), "panic-customer=Ada Park").await;
        let poisoned = shop.customer(1500).await;

        let request = NewCustomer {
            name: "Bob".into(),
            credit_limit: Money::from_cents(1500),
        };

        let healthy = shop
            .gateway
            .create_customer(request, None)
            .await
            .unwrap()
            .entity
            .id;

        let gateway = &shop.gateway;

        let new = |customer| NewOrder {
            customer_id: customer,
            total: Money::from_cents(100),
            lines: vec![],
            note: None,
        };

        let stuck = gateway
            .create_order(new(poisoned), None, Follow::Nothing)
            .await
            .unwrap()
            .answered()
            .await
            .unwrap();

        assert_eq!(
            shop.order(healthy, 100).await.entity.state,
            OrderState::Approved
        );

        let customers = shop.parts.databases[0].clone();
        let quarantined = loop {
            let parked =
                store::parking::list_quarantined(&customers, &QuarantineFilter::default(), 10)
                    .await
                    .unwrap();
            if let Some(found) = parked.into_iter().next() {
                break found;
            }
            tokio::task::yield_now().await;
        };

        let folder = shop.stop().await;
        let shop = Fixture::start(folder, "").await;

        let id = quarantined.message.id();
        while shop
            .gateway
            .operate_parked(id, ParkedAction::Replay, Operator::anonymous(), None)
            .await
            .is_err()
        {
            tokio::task::yield_now().await;
        }

        let gateway = &shop.gateway;
        while gateway.ship_order(stuck.entity.id, None).await.is_err() {
            tokio::task::yield_now().await;
        }

        assert_eq!(shop.reserved(poisoned).await, 100);
        shop.stop().await;
    });
}
