//! A compensation that is repeated before its first answer has arrived, on real stores.
//!
//! How it is tested: a log in front of the embedded one holds the customers' replies back, as a
//! database that stands still would. Meanwhile another order takes the customer's credit and gives
//! it back, so that the first attempt is refused and the second one succeeds.

use std::collections::BTreeMap;

use domain::{CustomerId, OrderId, SagaId, Timestamp};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use store::log::Heads;
use store::{Destination, Message, Positions, StoreError, Subscription, Wants};

use super::*;

/// Holds replies to the orders service back.
#[derive(Debug)]
pub(super) struct SlowReplies {
    log: Arc<EmbeddedLog>,
    held: Arc<AtomicBool>,
}

impl SlowReplies {
    pub(super) fn new(log: Arc<EmbeddedLog>, held: Arc<AtomicBool>) -> Self {
        SlowReplies { log, held }
    }

    /// What arrives of these messages while replies are held back. The receiver misses what this
    /// drops, and reads it once they are no longer.
    fn held_back(&self, live: Subscription) -> Subscription {
        let Subscription {
            deliveries: mut live,
            passed,
        } = live;
        let (arrive, deliveries) = tokio::sync::mpsc::channel(256);
        let held = Arc::clone(&self.held);

        tokio::spawn(async move {
            while let Some(delivery) = live.recv().await {
                let replies = delivery.iter().all(|message| is_reply(message.destination));
                let dropped = replies && held.load(Ordering::SeqCst);
                if !dropped && arrive.send(delivery).await.is_err() {
                    return;
                }
            }
        });

        Subscription { deliveries, passed }
    }

    fn holds(&self, destination: Destination) -> bool {
        is_reply(destination) && self.held.load(Ordering::SeqCst)
    }
}

fn is_reply(destination: Destination) -> bool {
    matches!(destination, Destination::Shard(shard) if shard.service == domain::ORDERS)
}

impl Log for SlowReplies {
    fn subscribe(&self, destination: Destination) -> Subscription {
        self.held_back(self.log.subscribe(destination))
    }

    fn listen(&self, shard: ShardId, events_of: &[ShardId], wants: Wants) -> Subscription {
        self.held_back(self.log.listen(shard, events_of, wants))
    }

    fn read(
        &self,
        source: ShardId,
        destination: Destination,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        if self.holds(destination) {
            return std::future::ready(Ok(Vec::new())).boxed();
        }
        self.log.read(source, destination, after, limit)
    }

    fn heads(&self, source: ShardId) -> Option<Heads> {
        self.log.heads(source)
    }

    fn head(&self, source: ShardId, destination: Destination) -> u64 {
        if self.holds(destination) {
            return 0;
        }
        self.log.head(source, destination)
    }

    fn head_time(&self, source: ShardId) -> Option<Timestamp> {
        self.log.head_time(source)
    }

    fn published(&self, source: ShardId) -> u64 {
        self.log.published(source)
    }

    fn history(
        &self,
        source: ShardId,
        entity: Uuid,
        from_version: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        self.log.history(source, entity, from_version, limit)
    }

    fn backlog<'a>(
        &'a self,
        source: ShardId,
        positions: &'a Positions,
    ) -> BoxFuture<'a, Result<BTreeMap<ShardId, u64>, StoreError>> {
        self.log.backlog(source, positions)
    }

    fn sources(&self) -> Vec<ShardId> {
        self.log.sources()
    }
}

/// Looks until it holds; the test's own time limit ends it.
pub(super) async fn eventually(holds: impl AsyncFn() -> bool) {
    while !holds().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Fixture {
    async fn state_of(&self, order: OrderId) -> OrderState {
        let database = &self.parts.databases[1];
        let mut found = store::services::orders::load(database, &[order.0])
            .await
            .unwrap();
        found.remove(&order.0).unwrap().unwrap().entity.state
    }

    /// The customer's replies to the sagas of an order's shard, whether they have arrived or not.
    async fn replies(&self, customer: CustomerId, order: OrderId) -> Vec<Message> {
        let source = ShardId::of(domain::CUSTOMERS, customer.0, SHARDS);
        let target = ShardId::of(domain::ORDERS, order.0, SHARDS);
        let log = EmbeddedLog::new(self.parts.databases.clone(), SHARDS, Faults::default());
        log.read(source, Destination::Shard(target), 0, 100)
            .await
            .unwrap()
    }

    async fn has_replied(
        &self,
        customer: CustomerId,
        order: OrderId,
        saga: SagaId,
        name: &str,
        attempt: u32,
    ) -> bool {
        let replies = self.replies(customer, order).await;
        replies.iter().any(|reply| {
            let echoed = reply.attempt.as_ref();
            reply.entity == saga.0
                && reply.name == name
                && echoed.is_some_and(|echoed| echoed.number == attempt && echoed.saga == saga)
        })
    }
}

#[test]
fn a_compensation_repeated_after_its_refusal_leaves_no_credit_behind() {
    run(async {
        let held = Arc::new(AtomicBool::new(false));
        let began = Timestamp::from_micros(1_800_000_000_000_000);
        let clock = Clock::manual(began);

        let setup = Setup {
            clock: clock.clone(),
            held_replies: Some(Arc::clone(&held)),
            ..Setup::default()
        };
        let shop = Fixture::start_as(folder(), &setup).await;
        let gateway = &shop.gateway;

        let customer = shop.customer(1000).await;
        let order = shop.order(customer, 1000).await.entity.id;

        // The cancel has released the credit, and does not hear of it.
        held.store(true, Ordering::SeqCst);
        let cancel = gateway.cancel_order(order, None, Follow::Nothing).await;
        let cancel = cancel.unwrap();
        let cancel = cancel.answered().await.unwrap().saga_id.unwrap();
        eventually(async || shop.reserved(customer).await == 0).await;

        // Another order takes the credit; the cancel is stopped, and cannot take it back.
        let request = NewOrder {
            customer_id: customer,
            total: Money::from_cents(1000),
            lines: Vec::new(),
            note: None,
        };
        let other = gateway.create_order(request, None, Follow::Nothing).await;
        let other = other.unwrap();
        let other = other.answered().await.unwrap();
        eventually(async || shop.reserved(customer).await == 1000).await;

        gateway
            .operate_saga(cancel, SagaAction::Cancel, Operator::anonymous(), None)
            .await
            .unwrap();
        let exceeded = "customer.credit-limit-exceeded-reply";
        eventually(async || shop.has_replied(customer, order, cancel, exceeded, 2).await).await;

        // The other order gives the credit back, and the repeat finds it free.
        let creation = other.saga_id.unwrap();
        gateway
            .operate_saga(creation, SagaAction::Cancel, Operator::anonymous(), None)
            .await
            .unwrap();
        eventually(async || shop.reserved(customer).await == 0).await;

        clock.set(began.after(SagaPolicy::default().first_retry));
        let reserved = "customer.credit-reserved-reply";
        eventually(async || shop.has_replied(customer, order, cancel, reserved, 3).await).await;

        // Both answers arrive.
        held.store(false, Ordering::SeqCst);
        eventually(async || shop.state_of(order).await != OrderState::CancelPending).await;
        eventually(async || shop.state_of(other.entity.id).await != OrderState::Pending).await;

        assert_eq!(shop.state_of(order).await, OrderState::Approved);
        assert_eq!(shop.state_of(other.entity.id).await, OrderState::Rejected);
        assert_eq!(shop.reserved(customer).await, 1000);
        shop.stop().await;
    });
}
