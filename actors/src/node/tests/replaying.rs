//! Entities that are loaded by replay are what they are when they are loaded from their rows; and
//! where row and history do not agree, that stops this entity and nobody else.

use std::num::NonZeroU64;

use domain::{Coordination, Customer, Order};
use proptest::prelude::*;

use super::both_ways::{FAULTS, callers, play_as};
use super::damage::damage;
use super::*;
use crate::entity::Entity;
use crate::loading::Source;
use domain::CustomerId;

fn replay(snapshot_every: u64) -> Loading {
    Loading::Replay {
        snapshot_every: NonZeroU64::new(snapshot_every),
    }
}

/// How a node is started that keeps nearly nothing in memory, so that it loads all the time.
fn forgetful(loading: Loading) -> Setup {
    Setup {
        loading,
        live_actors: usize::from(SHARDS),
        ..Setup::default()
    }
}

/// Every entity of a service as it is loaded from its row, and as replay loads it.
async fn compared<E: Entity>(shop: &Fixture, snapshot_every: u64) {
    let mut databases = shop.parts.databases.iter();
    let database = databases.find(|database| database.service == E::SERVICE);
    let database = database.unwrap();
    for id in &ids(&shop.folder, E::SERVICE) {
        let shard = ShardId::of(E::SERVICE, *id, SHARDS);
        let by = |loading| Source {
            database,
            shard,
            loading,
        };
        let row = by(Loading::Row).load::<E>(&[*id]).await.unwrap();
        let row = &row[id].as_ref().unwrap().stored;
        for loading in [replay(0), replay(snapshot_every)] {
            let replayed = by(loading).load::<E>(&[*id]).await.unwrap();
            let replayed = &replayed[id].as_ref().unwrap().stored;
            let (row, replayed) = (format!("{row:?}"), format!("{replayed:?}"));
            assert_eq!(row, replayed, "{loading}");
        }
    }
}

/// The ids of all entities of a service.
fn ids(folder: &TempDir, service: Service) -> Vec<Uuid> {
    let file = folder.path().join(format!("{service}.db"));
    let database = rusqlite::Connection::open(file).unwrap();
    let query = match service.name() {
        "customers" => "SELECT customer_id FROM customers",
        _ => "SELECT order_id FROM orders",
    };
    let mut query = database.prepare(query).unwrap();
    let ids = query
        .query_map([], |row| row.get::<_, [u8; 16]>(0))
        .unwrap();
    ids.map(|id| Uuid::from_bytes(id.unwrap())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, max_shrink_iters: 32, ..ProptestConfig::default() })]

    #[test]
    fn entities_by_replay_are_what_they_are_by_their_rows(
        callers in callers(),
        faults in proptest::sample::select(&FAULTS[..]),
        snapshot_every in 0u64..5,
        by_choreography in any::<bool>(),
    ) {
        let coordination = match by_choreography {
            true => Coordination::Choreography,
            false => Coordination::Orchestration,
        };
        run(async {
            let setup = Setup { faults, ..forgetful(replay(snapshot_every)) };
            let (replayed, folder) = play_as(&callers, &setup, coordination).await;
            let setup = forgetful(Loading::Row);
            let (by_rows, _) = play_as(&callers, &setup, coordination).await;
            assert_eq!(replayed, by_rows);

            let shop = Fixture::start(folder, "").await;
            compared::<Customer>(&shop, snapshot_every).await;
            compared::<Order>(&shop, snapshot_every).await;
            shop.stop().await;
        });
    }
}

/// A shop with an order of Ada's, whose orders' database is then changed behind its back.
async fn damaged(loading: Loading, service: Service, sql: &str) -> (Fixture, domain::OrderId) {
    let shop = Fixture::start_as(folder(), &forgetful(loading)).await;
    let ada = shop.customer(1000).await;
    let order = shop.order(ada, 100).await.entity.id;
    let folder = shop.stop().await;
    damage(&folder, service, sql);
    (Fixture::start_as(folder, &forgetful(loading)).await, order)
}

impl Fixture {
    async fn shipped(&self, order: domain::OrderId) -> Result<OrderState, CommandError> {
        let shipped = self.gateway.ship_order(order, None).await;
        shipped.map(|answer| answer.entity.state)
    }
}

#[test]
fn a_row_that_cannot_be_read_is_no_matter_beside_a_good_history() {
    for loading in [replay(0), replay(1)] {
        run(async {
            let sql = "UPDATE orders SET state = 'RETURNED', total_cents = 'much'";
            let (shop, order) = damaged(loading, domain::ORDERS, sql).await;
            assert_eq!(shop.shipped(order).await, Ok(OrderState::Shipped));

            // The row is written as before; what is written once stays as it was.
            let found = store::services::orders::load(&shop.parts.databases[1], &[order.0]).await;
            let error = found.unwrap().remove(&order.0).unwrap().unwrap_err();
            assert!(error.chain().contains("total_cents"), "{}", error.chain());
            shop.serves_others().await;
            shop.stop().await;
        });
    }
}

#[test]
fn a_history_that_does_not_come_to_the_version_of_its_row_stops_its_entity_alone() {
    let first = "DELETE FROM outbox WHERE version = 1";
    let newest = "DELETE FROM outbox WHERE version = 2";
    let unreadable = "UPDATE outbox SET events = '[{' WHERE version = 1";
    let of_no_type = "UPDATE outbox SET events = replace(events, 'order.', 'parcel.')";
    let row = "UPDATE orders SET version = 1";
    let gone = "DELETE FROM orders";

    for sql in [first, newest, unreadable, of_no_type, row, gone] {
        run(async {
            let (shop, order) = damaged(replay(0), domain::ORDERS, sql).await;
            for _ in 0..2 {
                let failed = shop.shipped(order).await;
                assert_eq!(failed, Err(CommandError::Failed), "{sql}");
            }
            shop.serves_others().await;
            shop.stop().await;
        });
    }
}

#[test]
fn with_a_snapshot_only_what_is_behind_it_is_read() {
    run(async {
        let sql = "DELETE FROM outbox WHERE version = 1";
        let (shop, order) = damaged(replay(2), domain::ORDERS, sql).await;
        assert_eq!(shop.shipped(order).await, Ok(OrderState::Shipped));
        shop.stop().await;
    });
}

#[test]
fn a_snapshot_that_cannot_be_used_costs_a_whole_replay_and_no_more() {
    let unreadable = "UPDATE entity_snapshots SET state = '{'";
    let of_another_form = "UPDATE entity_snapshots SET form = form + 1, state = '{}'";
    let of_no_version = "UPDATE entity_snapshots SET version = 'last'";
    let newer = "UPDATE entity_snapshots SET version = 7";
    let gone = "DELETE FROM entity_snapshots";

    for sql in [unreadable, of_another_form, of_no_version, newer, gone] {
        run(async {
            let (shop, order) = damaged(replay(1), domain::ORDERS, sql).await;
            assert_eq!(shop.shipped(order).await, Ok(OrderState::Shipped), "{sql}");

            // The next one has taken its place.
            let folder = shop.stop().await;
            damage(
                &folder,
                domain::ORDERS,
                "DELETE FROM outbox WHERE version < 3",
            );
            let shop = Fixture::start_as(folder, &forgetful(replay(1))).await;
            assert_eq!(shop.shipped(order).await, Ok(OrderState::Shipped), "{sql}");
            shop.stop().await;
        });
    }
}

#[test]
fn what_is_loaded_by_replay_remembers_its_keys() {
    run(async {
        let setup = forgetful(replay(2));
        let shop = Fixture::start_as(folder(), &setup).await;
        let ada = shop.customer(1000).await;
        let order = shop.order(ada, 100).await.entity.id;
        let binding = RequestBinding::new("POST /orders/1/ship", "k", b"{}");
        let shipped = shop.gateway.ship_order(order, Some(binding)).await.unwrap();
        assert!(!shipped.repeated);
        let folder = shop.stop().await;

        let shop = Fixture::start_as(folder, &setup).await;
        let again = shop.gateway.ship_order(order, Some(binding)).await.unwrap();
        assert!(again.repeated);
        assert_eq!(again.entity, shipped.entity);
        shop.stop().await;
    });
}

/// The customer's limit is corrected while orders hold some of it, and it is loaded anew.
#[test]
fn a_corrected_limit_is_what_credit_goes_on_from_and_is_kept_as_an_operators_deed() {
    for loading in [Loading::Row, replay(0), replay(2)] {
        run(async {
            let setup = forgetful(loading);
            let shop = Fixture::start_as(folder(), &setup).await;
            let ada = shop.customer(500_000).await;
            shop.order(ada, 20_000).await;

            let binding = RequestBinding::new("POST /customers/1/credit-limit", "k", b"{}");
            let corrected = shop.corrects(ada, 50_000, Some(binding)).await.unwrap();
            assert_eq!(corrected.entity.version, 3);
            assert_eq!(
                corrected.entity.available_credit(),
                Money::from_cents(30_000)
            );
            let folder = shop.stop().await;

            let shop = Fixture::start_as(folder, &setup).await;
            let again = shop.corrects(ada, 50_000, Some(binding)).await.unwrap();
            assert!(again.repeated);
            let other = RequestBinding::new("POST /customers/1/credit-limit", "k", b"[]");
            let reused = shop.corrects(ada, 1, Some(other)).await;
            assert_eq!(reused.unwrap_err(), CommandError::KeyReused);
            let below = shop.corrects(ada, 19_999, None).await;
            assert!(matches!(below, Err(CommandError::Conflict(_))), "{below:?}");
            let same = shop.corrects(ada, 50_000, None).await.unwrap();
            assert_eq!(same.entity.version, 3);
            let nobody = CustomerId(Uuid::now_v7());
            let unknown = shop.corrects(nobody, 1, None).await.unwrap_err();
            assert_eq!(unknown, CommandError::not_found("customer"));

            let beyond = shop.order(ada, 30_001).await;
            assert_eq!(beyond.entity.state, OrderState::Rejected);
            let within = shop.order(ada, 30_000).await;
            assert_eq!(within.entity.state, OrderState::Approved);
            assert_eq!(shop.reserved(ada).await, 50_000);

            let customers = &shop.parts.databases[0];
            let all = store::actions::ActionFilter::default();
            let done = store::actions::list(customers, all, 10).await.unwrap();
            assert_eq!(done.len(), 1, "only what has had an effect");
            let done = &done[0].action;
            assert_eq!(done.action, "customer.credit-limit-corrected");
            assert_eq!(
                (done.entity, done.reason.as_deref()),
                (ada.0, Some("a zero"))
            );

            let shard = ShardId::of(domain::CUSTOMERS, ada.0, SHARDS);
            for (version, limit, reserved) in [
                (1, 500_000, 0),
                (2, 500_000, 20_000),
                (3, 50_000, 20_000),
                (4, 50_000, 50_000),
            ] {
                let then = store::history::AsOf::Version(version);
                let then = store::services::customers::as_of(customers, shard, ada, then);
                let then = then.await.unwrap().unwrap();
                let found = (then.credit_limit.cents(), then.reserved.cents());
                assert_eq!(found, (limit, reserved), "version {version}");
            }
            compared::<Customer>(&shop, 2).await;
            shop.stop().await;
        });
    }
}

impl Fixture {
    async fn corrects(
        &self,
        customer: CustomerId,
        cents: i64,
        binding: Option<RequestBinding>,
    ) -> Result<crate::CustomerAnswer, CommandError> {
        let by = Operator::anonymous().because("a zero");
        let limit = Money::from_cents(cents);
        let gateway = &self.gateway;
        gateway
            .correct_credit_limit(customer, limit, by, binding)
            .await
    }
}
