//! One piece of work fails, and those beside it go on as if nothing had happened.

use domain::saga::{DEFINITIONS, SagaState};
use domain::{CustomerId, SagaId, Timestamp};

use super::*;

/// One shard, so that everything is in the same turn.
fn one_shard(faults: &'static str) -> Setup {
    Setup {
        faults,
        shards: 1,
        ..Setup::default()
    }
}

fn binding(key: &str) -> RequestBinding {
    RequestBinding::new("POST /orders/1/cancel", key, b"{}")
}

impl Fixture {
    fn new_order(&self, customer: CustomerId, cents: i64) -> NewOrder {
        NewOrder {
            customer_id: customer,
            total: Money::from_cents(cents),
            lines: Vec::new(),
            note: None,
        }
    }

    async fn saga(&self, id: SagaId) -> domain::saga::Saga {
        let database = &self.parts.databases[1];
        let mut found = store::sagas::load(database, &DEFINITIONS, &[id])
            .await
            .unwrap();
        found.remove(&id).unwrap().unwrap().saga
    }

    async fn quarantined(&self) -> Vec<store::parking::Parked> {
        let database = &self.parts.databases[0];
        store::parking::list_quarantined(database, &QuarantineFilter::default(), 10)
            .await
            .unwrap()
    }
}

/// Waits for something that must come about.
async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let seen = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), seen)
        .await
        .expect("it comes about within a minute");
}

/// Of fifty customers one makes its actor panic once, while all others' credit is released in the
/// same turn. Before, the retry dropped the reservations that had been read for the others, and
/// their releases were confirmed without any effect.
#[test]
fn releases_beside_a_panic_are_carried_out() {
    run(async {
        let shop = Fixture::start_as(folder(), &one_shard("")).await;
        let mut customers = vec![shop.customer_named("Ada Park", 1000).await];
        for _ in 0..49 {
            customers.push(shop.customer_named("Bob", 1000).await);
        }
        let orders = join_all(customers.iter().map(|id| shop.order(*id, 500))).await;

        // Now the first command to Ada panics; it is her release.
        let faults = one_shard("panic-customer=Ada Park,panic-once");
        let shop = Fixture::start_as(shop.stop().await, &faults).await;
        let gateway = &shop.gateway;
        let cancels = orders
            .iter()
            .map(|order| gateway.cancel_order(order.entity.id, None, Follow::saga()));
        for cancelled in join_all(cancels).await {
            assert_eq!(
                cancelled
                    .unwrap()
                    .ended_within(PATIENCE)
                    .await
                    .unwrap()
                    .entity
                    .state,
                OrderState::Cancelled
            );
        }

        for customer in customers {
            assert_eq!(shop.reserved(customer).await, 0, "{customer}");
        }
        shop.stop().await;
    });
}

/// What a shard has in hand when its own code panics is answered `503`, and may be sent again.
#[test]
fn a_shard_that_panics_outside_its_actors_goes_on() {
    run(async {
        let shop = Fixture::start(folder(), "panic-turn=7").await;
        let gateway = &shop.gateway;
        let customer = repeated(async || {
            let request = NewCustomer {
                name: "Ada Park".into(),
                credit_limit: Money::from_cents(5000),
            };
            gateway.create_customer(request, Some(binding("ada"))).await
        });
        let customer = customer.await.entity.id;

        let order = async |number: u32| {
            let key = Some(binding(&format!("order {number}")));
            repeated(async || shop.try_order(customer, 250, key).await).await
        };
        join_all((0..50).map(order)).await;

        eventually(async || shop.reserved(customer).await == 5000).await;
        assert!(shop.node.snapshot().iter().any(|shard| shard.reloads > 0));
        shop.stop().await;
    });
}

/// Sends a command under a key until it is answered.
async fn repeated<T>(send: impl AsyncFn() -> Result<T, CommandError>) -> T {
    loop {
        match send().await {
            Ok(answer) => return answer,
            Err(CommandError::Unavailable) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Ada's messages are in quarantine, and more than a thousand of her orders wait. Others go on.
#[test]
fn one_customer_in_quarantine_is_refused_in_the_end_and_nobody_else() {
    run(async {
        let shop = Fixture::start_as(folder(), &one_shard("panic-customer=Ada Park")).await;
        let ada = shop.customer_named("Ada Park", 1000).await;
        let bob = shop.customer_named("Bob", 1_000_000).await;
        let gateway = &shop.gateway;

        let mut refused = None;
        for _ in 0..2_000 {
            let answer = gateway
                .create_order(shop.new_order(ada, 1), None, Follow::Nothing)
                .await;
            if let Err(error) = answer {
                refused = Some(error);
                break;
            }
        }
        assert_eq!(refused, Some(CommandError::Overloaded));

        for _ in 0..20 {
            assert_eq!(
                shop.order(bob, 100).await.entity.state,
                OrderState::Approved
            );
        }
        shop.stop().await;
    });
}

/// A saga with a deadline of five seconds, and a clock that goes back by three hours: the deadline
/// comes within five seconds of the new time, with or without a restart.
#[test]
fn a_clock_that_steps_back_costs_no_more_than_the_policy() {
    run(async {
        let hours = Duration::from_secs(3 * 3600);
        let start = Timestamp::from_micros(1_800_000_000_000_000);
        let clock = Clock::manual(start.after(hours));
        let setup = Setup {
            faults: "panic-customer=Ada Park",
            sagas: SagaPolicy {
                deadline: Duration::from_secs(5),
                ..SagaPolicy::default()
            },
            clock: clock.clone(),
            ..one_shard("")
        };
        let shop = Fixture::start_as(folder(), &setup).await;
        let ada = shop.customer_named("Ada Park", 1000).await;
        let begin = async |shop: &Fixture| {
            let order = shop.new_order(ada, 1);
            let answer = shop
                .gateway
                .create_order(order, None, Follow::Nothing)
                .await;
            answer.unwrap().answered().await.unwrap().saga_id.unwrap()
        };

        // Back by three hours, and six seconds on: that is what the deadline allows.
        let running = begin(&shop).await;
        clock.set(start);
        let reloaded = || shop.node.snapshot().iter().all(|shard| shard.reloads > 0);
        eventually(async || reloaded() && shop.node.troubles().is_empty()).await;
        clock.set(start.after(Duration::from_secs(6)));
        eventually(async || shop.saga(running).await.state == SagaState::Compensating).await;

        // The same, while no node runs.
        clock.set(start.after(hours));
        let stopped = begin(&shop).await;
        let folder = shop.stop().await;
        clock.set(start.after(Duration::from_secs(60)));
        let shop = Fixture::start_as(folder, &setup).await;
        shop.node.opened().await;
        clock.set(start.after(Duration::from_secs(66)));
        eventually(async || shop.saga(stopped).await.state == SagaState::Compensating).await;
        shop.stop().await;
    });
}

/// A cancel is under way and another one with a key joins it. The cancel falls back; the repeat of
/// the key shows that, and does not cancel anew.
#[test]
fn a_key_that_joins_a_cancel_is_bound_to_it() {
    run(async {
        let shop = Fixture::start_as(folder(), &one_shard("")).await;
        let ada = shop.customer_named("Ada Park", 1000).await;
        let order = shop.order(ada, 500).await.entity.id;

        let stuck = one_shard("panic-customer=Ada Park");
        let shop = Fixture::start_as(shop.stop().await, &stuck).await;
        let gateway = &shop.gateway;
        let begun = gateway
            .cancel_order(order, None, Follow::Nothing)
            .await
            .unwrap()
            .answered()
            .await
            .unwrap();
        let joined = gateway
            .cancel_order(order, Some(binding("k1")), Follow::Nothing)
            .await
            .unwrap()
            .answered()
            .await
            .unwrap();
        assert_eq!(joined.saga_id, begun.saga_id);
        gateway
            .operate_saga(
                begun.saga_id.unwrap(),
                SagaAction::Cancel,
                Operator::anonymous(),
                None,
            )
            .await
            .unwrap();

        let shop = Fixture::start_as(shop.stop().await, &one_shard("")).await;
        let gateway = &shop.gateway;
        for parked in shop.quarantined().await {
            gateway
                .operate_parked(parked.id, ParkedAction::Replay, Operator::anonymous(), None)
                .await
                .unwrap();
        }
        let saga = begun.saga_id.unwrap();
        eventually(async || shop.saga(saga).await.state.has_ended()).await;

        let again = gateway
            .cancel_order(order, Some(binding("k1")), Follow::Nothing)
            .await
            .unwrap()
            .answered()
            .await
            .unwrap();
        assert_eq!((again.saga_id, again.saga_ended), (Some(saga), true));
        assert_eq!(again.entity.state, OrderState::Approved);
        assert_eq!(shop.reserved(ada).await, 500);
        shop.stop().await;
    });
}

/// A saga compensates already, and another operator's cancel joins it: its key is bound all the
/// same, over a restart, and cannot be used for another request.
#[test]
fn a_key_that_joins_the_cancel_of_a_saga_is_bound() {
    run(async {
        let stuck = one_shard("panic-customer=Ada Park");
        let shop = Fixture::start_as(folder(), &stuck).await;
        let ada = shop.customer_named("Ada Park", 1000).await;
        let order = shop.new_order(ada, 500);
        let gateway = &shop.gateway;
        let accepted = gateway.create_order(order, None, Follow::Nothing).await;
        let saga = accepted.unwrap().answered().await.unwrap().saga_id.unwrap();
        gateway
            .operate_saga(saga, SagaAction::Cancel, Operator::anonymous(), None)
            .await
            .unwrap();
        let key = Some(binding("k1"));
        gateway
            .operate_saga(saga, SagaAction::Cancel, Operator::anonymous(), key)
            .await
            .unwrap();

        let shop = Fixture::start_as(shop.stop().await, &stuck).await;
        let gateway = &shop.gateway;
        gateway
            .operate_saga(saga, SagaAction::Cancel, Operator::anonymous(), key)
            .await
            .unwrap();
        let other = key.map(|bound| RequestBinding {
            fingerprint: ::sagas::Fingerprint::of(b"another"),
            ..bound
        });
        let reused = gateway
            .operate_saga(
                saga,
                SagaAction::Cancel,
                Operator::anonymous().because("why"),
                other,
            )
            .await;
        assert_eq!(reused.unwrap_err(), CommandError::KeyReused);
        shop.stop().await;
    });
}
