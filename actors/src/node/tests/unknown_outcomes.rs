//! A unit is durable, and its shard does not know: what has come of it must be found and told.
//!
//! How it is tested: a log in front of the embedded one panics over the messages of a unit that is
//! committed. A store whose answer to a commit is lost, and that cannot be asked after it, looks
//! the same to a shard.

use store::Message;
use store::log::Heads;
use tokio::time::Instant;

use super::*;

/// Panics over the first event of a name.
#[derive(Debug)]
pub(super) struct PanickingLog {
    log: Arc<EmbeddedLog>,
    event: &'static str,
    is_calm: AtomicBool,
}

impl PanickingLog {
    pub(super) fn new(log: Arc<EmbeddedLog>, event: &'static str) -> Self {
        PanickingLog {
            log,
            event,
            is_calm: AtomicBool::new(false),
        }
    }
}

impl Publisher for PanickingLog {
    fn restore(&self, source: ShardId, published: u64, heads: &Heads) {
        self.log.restore(source, published, heads);
    }

    fn publish(&self, messages: Vec<Message>) {
        let found = messages.iter().any(|message| message.name == self.event);
        assert!(
            !found || self.is_calm.swap(true, Ordering::SeqCst),
            "a trap"
        );
        self.log.publish(messages);
    }

    fn acknowledged(&self, source: ShardId) -> Option<Heads> {
        self.log.acknowledged(source)
    }
}

#[test]
fn who_waits_for_a_saga_hears_of_its_end_although_its_shard_did_not_know_that_it_was_durable() {
    for (event, cents, state) in [
        ("order.approved", 1_000, OrderState::Approved),
        ("order.rejected", 9_000, OrderState::Rejected),
    ] {
        run(async {
            let setup = Setup {
                panics_over: Some(event),
                ..Setup::default()
            };
            let shop = Fixture::start_as(folder(), &setup).await;
            let customer = shop.customer(1_500).await;

            let begun = Instant::now();
            let order = shop.order(customer, cents).await;
            assert!(order.saga_ended, "{order:?}");
            assert_eq!(order.entity.state, state);
            assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
            shop.stop().await;
        });
    }
}
