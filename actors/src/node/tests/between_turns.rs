//! A panic in the shard itself, outside the turns in which it does its work.
//!
//! How it is tested: the node's clock panics so many times. Shards ask it between two turns, and
//! when they open.

use std::sync::atomic::AtomicU32;

use ::sagas::Timestamp;
use store::clock::TimeSource;

use super::late_replies::eventually;
use super::*;

#[derive(Debug, Default)]
struct PanickingClock {
    left: AtomicU32,
}

impl PanickingClock {
    fn panics(&self, times: u32) {
        self.left.store(times, Ordering::SeqCst);
    }

    fn has_panicked(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }
}

impl TimeSource for PanickingClock {
    fn now(&self) -> Timestamp {
        let one_less = |left: u32| left.checked_sub(1);
        let left = (self.left).fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        assert!(left.is_err(), "the clock panics");
        Clock::system().now()
    }

    fn new_id(&self) -> Uuid {
        Clock::system().new_id()
    }
}

impl Fixture {
    async fn begins_an_order(&self, customer: domain::CustomerId) -> bool {
        let order = NewOrder {
            customer_id: customer,
            total: Money::from_cents(100),
            lines: Vec::new(),
            note: None,
        };
        let begun = self.gateway.create_order(order, None, Follow::Nothing);
        begun.await.is_ok()
    }
}

#[test]
fn shards_that_panic_between_turns_and_while_they_open_go_on() {
    run(async {
        let clock = Arc::new(PanickingClock::default());
        let setup = Setup {
            shards: 1,
            clock: Clock::of(clock.clone()),
            ..Setup::default()
        };
        let shop = Fixture::start_as(folder(), &setup).await;
        let ada = shop.customer(1000).await;
        shop.order(ada, 100).await;

        // More often than there are shards: some panic again while they reload.
        clock.panics(6);
        let panicked = eventually(async || clock.has_panicked());
        let panicked = tokio::time::timeout(PATIENCE, panicked).await;
        assert!(panicked.is_ok(), "the shards are gone");

        eventually(async || shop.begins_an_order(ada).await).await;
        let order = shop.order(ada, 100).await;
        assert_eq!(order.entity.state, OrderState::Approved);
        shop.stop().await;
    });
}
