//! A row that this release cannot read stops its own entity, and nobody else.

use ::sagas::Timestamp;
use domain::Coordination;
use store::parking::Parked;
use store::{Destination, Message};

use super::late_replies::eventually;
use super::*;

/// One shard, so that all share it.
fn one_shard() -> Setup {
    Setup {
        shards: 1,
        ..Setup::default()
    }
}

/// The same, and Ada's customer actor panics over every command.
fn stuck() -> Setup {
    Setup {
        faults: "panic-customer=Ada Park",
        ..one_shard()
    }
}

/// Changes rows behind the node's back, while none runs.
pub(super) fn damage(folder: &TempDir, service: ::sagas::Service, sql: &str) {
    let file = folder.path().join(format!("{service}.db"));
    let database = rusqlite::Connection::open(file).unwrap();
    let changed = database.execute(sql, []).unwrap();
    assert!(changed > 0, "{sql} changes something");
}

async fn node_with(folder: TempDir) -> Fixture {
    Fixture::start_as(folder, &one_shard()).await
}

impl Fixture {
    /// Others are served, and the shards do not reload for them.
    pub(super) async fn serves_others(&self) {
        let before: u64 = self.reloads();
        let bob = self.customer_named("Bob", 1000).await;
        let order = self.order(bob, 100).await;
        assert_eq!(order.entity.state, OrderState::Approved);

        let gateway = &self.gateway;
        let cancelled = gateway
            .cancel_order(order.entity.id, None, Follow::saga())
            .await;
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
        assert_eq!(self.reloads(), before);
    }

    /// An order of 1.00, as it is when its saga has begun.
    async fn begin_order(&self, customer: domain::CustomerId) -> OrderAnswer {
        let order = NewOrder {
            customer_id: customer,
            total: Money::from_cents(100),
            lines: Vec::new(),
            note: None,
        };
        let begun = self.gateway.create_order(order, None, Follow::Nothing);
        begun.await.unwrap().answered().await.unwrap()
    }

    /// Whom the timers of orders wake, and when.
    async fn timers(&self) -> Vec<(Uuid, Timestamp)> {
        let shard = ShardId::new(domain::ORDERS, 0);
        let timers = store::timers::of_shard(&self.parts.databases[1], shard);
        let timers = timers.await.unwrap().into_iter();
        timers.map(|timer| (timer.id, timer.set.wake_at)).collect()
    }

    async fn quarantined_customers(&self) -> Vec<Parked> {
        let all = QuarantineFilter::default();
        let listed = store::parking::list_quarantined(&self.parts.databases[0], &all, 10);
        listed.await.unwrap()
    }

    async fn operate(&self, parked: &Parked, action: ParkedAction) -> Result<(), CommandError> {
        let by = Operator::anonymous();
        let done = self.gateway.operate_parked(parked.id, action, by, None);
        done.await.map(drop)
    }

    /// How often the customers have sent themselves a release for this one.
    async fn releases_of(&self, customer: domain::CustomerId) -> usize {
        let shard = ShardId::new(domain::CUSTOMERS, 0);
        let sent = self
            .parts
            .log
            .read(shard, Destination::Shard(shard), 0, 100);
        let sent = sent.await.unwrap().into_iter();
        let is_release = |sent: &Message| sent.name == "customer.release-credit";
        sent.filter(|sent| sent.entity == customer.0 && is_release(sent))
            .count()
    }

    fn reloads(&self) -> u64 {
        self.node.snapshot().iter().map(|shard| shard.reloads).sum()
    }
}

#[test]
fn an_order_of_an_unknown_state_answers_that_it_fails() {
    run(async {
        let shop = node_with(folder()).await;
        let ada = shop.customer(1000).await;
        let order = shop.order(ada, 100).await.entity.id;
        let folder = shop.stop().await;
        damage(
            &folder,
            domain::ORDERS,
            "UPDATE orders SET state = 'RETURNED'",
        );

        let shop = node_with(folder).await;
        let gateway = &shop.gateway;
        for _ in 0..3 {
            let shipped = gateway.ship_order(order, None).await;
            assert_eq!(shipped.unwrap_err(), CommandError::Failed);
        }
        shop.serves_others().await;
        shop.stop().await;
    });
}

#[test]
fn a_customer_whose_row_cannot_be_decoded_has_its_messages_quarantined() {
    run(async {
        let shop = node_with(folder()).await;
        let ada = shop.customer(1000).await;
        let folder = shop.stop().await;
        damage(
            &folder,
            domain::CUSTOMERS,
            "UPDATE customers SET reserved_cents = 'much'",
        );

        let shop = node_with(folder).await;
        let answer = shop.begin_order(ada).await;
        assert_eq!(answer.entity.state, OrderState::Pending);

        shop.serves_others().await;
        let parked = shop.quarantined_customers().await;
        assert_eq!((parked.len(), parked[0].message.entity), (1, ada.0));
        assert!(parked[0].cause.as_ref().unwrap().contains("cannot be read"));
        shop.stop().await;
    });
}

/// A shard neither wakes an open saga whose row it cannot read, nor tells it its reply; it opens,
/// and everybody else's sagas go on.
#[test]
fn an_open_saga_that_cannot_be_read_keeps_nobody_from_starting() {
    for damaged in ["state = 'LOST'", "wake_at = 'soon'", "steps = '{'"] {
        run(async {
            let shop = Fixture::start_as(folder(), &stuck()).await;
            let ada = shop.customer(1000).await;
            let answer = shop.begin_order(ada).await;
            let saga = answer.saga_id.unwrap();
            let folder = shop.stop().await;
            damage(
                &folder,
                domain::ORDERS,
                &format!("UPDATE sagas SET {damaged}"),
            );

            let shop = node_with(folder).await;
            shop.serves_others().await;
            let refused = shop
                .gateway
                .operate_saga(saga, SagaAction::Cancel, Operator::anonymous(), None)
                .await;
            assert_eq!(refused.unwrap_err(), CommandError::Failed, "{damaged}");
            shop.stop().await;
        });
    }
}

/// A parked message that cannot be read holds its entity; it is shown, and can be dropped.
#[test]
fn a_parked_message_that_cannot_be_read_keeps_nobody_from_starting() {
    for damaged in [
        "body = '{'",
        "attempts = 'many'",
        "state = 'LOST'",
        "source_service = 'x'",
    ] {
        run(async {
            let shop = Fixture::start_as(folder(), &stuck()).await;
            let ada = shop.customer(1000).await;
            let answer = shop.begin_order(ada).await;
            assert_eq!(answer.entity.state, OrderState::Pending);

            let customers = shop.parts.databases[0].clone();
            while store::parking::count_of(&customers, ada.0).await.unwrap() == 0 {
                tokio::task::yield_now().await;
            }
            let folder = shop.stop().await;
            let update = format!("UPDATE parked_messages SET {damaged}");
            damage(&folder, domain::CUSTOMERS, &update);

            let shop = node_with(folder).await;
            shop.serves_others().await;
            let behind = shop.begin_order(ada).await;

            let parked = &shop.quarantined_customers().await[0];
            shop.operate(parked, ParkedAction::Discard).await.unwrap();

            // What waited behind it follows.
            let gateway = &shop.gateway;
            while gateway.ship_order(behind.entity.id, None).await.is_err() {
                tokio::task::yield_now().await;
            }
            shop.stop().await;
        });
    }
}

/// Nobody knows what an event says whose row is damaged in its outbox: whoever hears its service
/// does not go past it as if it were nobody's business.
#[test]
fn an_event_whose_row_cannot_be_read_waits_until_somebody_has_mended_it() {
    run(async {
        let mut shop = node_with(folder()).await;
        shop.gateway = shop.gateway.coordinated_by(Coordination::Choreography);
        let ada = shop.customer(1000).await;
        let order = shop.order(ada, 100).await.entity.id;
        let cancelled = shop.gateway.cancel_order(order, None, Follow::saga()).await;
        cancelled.unwrap().ended_within(PATIENCE).await.unwrap();
        let folder = shop.stop().await;

        // Its customer has heard nothing of it.
        let unheard = "UPDATE inbox SET position = 0 WHERE stream = 'events'";
        damage(&folder, domain::CUSTOMERS, unheard);
        let damaged = "UPDATE outbox SET events = '#' || events WHERE version = 3";
        damage(&folder, domain::ORDERS, damaged);

        let shop = node_with(folder).await;
        eventually(async || shop.quarantined_customers().await.len() == 1).await;
        let parked = &shop.quarantined_customers().await[0];
        assert_eq!(parked.message.name, Message::UNREADABLE);
        assert_eq!(parked.message.entity, order.0);
        let cause = parked.cause.as_ref().unwrap();
        assert!(
            cause.contains("of shard orders/0 cannot be read"),
            "{cause}"
        );

        shop.operate(parked, ParkedAction::Replay).await.unwrap();
        eventually(async || shop.quarantined_customers().await.len() == 1).await;
        shop.serves_others().await;
        let folder = shop.stop().await;

        let mended = "UPDATE outbox SET events = substr(events, 2) WHERE events LIKE '#%'";
        damage(&folder, domain::ORDERS, mended);
        let shop = node_with(folder).await;
        let parked = &shop.quarantined_customers().await[0];
        // It can be read now, and nobody would ask for this release again.
        let refused = shop.operate(parked, ParkedAction::Discard).await;
        assert!(
            matches!(refused, Err(CommandError::Conflict(_))),
            "{refused:?}"
        );
        shop.operate(parked, ParkedAction::Replay).await.unwrap();
        eventually(async || shop.releases_of(ada).await == 2).await;
        assert!(shop.quarantined_customers().await.is_empty());
        shop.stop().await;
    });
}

/// A timer tells a shard which saga to wake, and when; the saga's own row says what it waits for.
#[test]
fn a_timer_that_is_damaged_is_set_anew_as_its_saga_wants_it() {
    for damaged in ["wake_at = wake_at - 3600000000", "wake_at = 'soon'"] {
        run(async {
            let shop = Fixture::start_as(folder(), &stuck()).await;
            let ada = shop.customer(1000).await;
            let answer = shop.begin_order(ada).await;
            let saga = answer.saga_id.unwrap();
            let wanted = shop.timers().await;
            assert_eq!(wanted.len(), 1);
            assert_eq!(wanted[0].0, saga.0);

            let folder = shop.stop().await;
            let damaged = format!("UPDATE timers SET {damaged}");
            damage(&folder, domain::ORDERS, &damaged);

            let shop = Fixture::start_as(folder, &stuck()).await;
            eventually(async || shop.timers().await == wanted).await;
            shop.stop().await;
        });
    }
}

#[test]
fn a_timer_of_a_saga_that_has_ended_goes() {
    run(async {
        let shop = node_with(folder()).await;
        let ada = shop.customer(1000).await;
        shop.order(ada, 100).await;
        let folder = shop.stop().await;
        let left = "INSERT INTO timers (timer_id, shard, wake_at, patience) \
            SELECT saga_id, shard, 1, 1 FROM sagas";
        damage(&folder, domain::ORDERS, left);

        let shop = node_with(folder).await;
        eventually(async || shop.timers().await.is_empty()).await;
        shop.stop().await;
    });
}
