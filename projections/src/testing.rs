//! For the tests of the shop's views: a log in memory, a small shop that fills it, and faults in
//! the way of a view.

use std::sync::Arc;
use std::time::Duration;

use store::Clock;
use store::threads::OwnThreads;
use uuid::Uuid;

use crate::projector::Surroundings;

mod faulty;
pub mod lab;
mod log;
mod shop;

pub use faulty::{Fault, FaultyWriter};
pub use log::{SHARDS, TestLog};
pub use shop::{Shop, message_of};

/// Whose views the tests make.
pub const DEPLOYMENT: Uuid = Uuid::from_u128(0xd0);

/// What feeds a view from this log. Call it inside a runtime.
pub fn surroundings(log: &Arc<TestLog>) -> Surroundings {
    Surroundings {
        log: Arc::<TestLog>::clone(log),
        threads: Arc::new(OwnThreads::here()),
        clock: Clock::system(),
    }
}

/// Asks again until it is true, and fails after ten seconds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..2_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came true that {what}");
}
