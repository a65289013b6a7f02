//! The clock of a simulated node: it goes with the simulation's time, and can be off.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use sagas::Timestamp;
use tokio::time::Instant;
use uuid::{Builder, Uuid};

use super::Dice;
use crate::clock::TimeSource;

/// How fast a clock goes that is right.
const PER_MILLION: u64 = 1_000_000;

/// One node's clock. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SimulatedClock(Arc<Dial>);

#[derive(Debug)]
struct Dial {
    began: Instant,
    at: Timestamp,
    /// How far it is off, in microseconds.
    off: AtomicI64,
    /// How many of its microseconds make a million of the simulation's.
    speed: AtomicU64,
    dice: Dice,
}

impl SimulatedClock {
    /// A clock that shows `at` now. Ids that it makes follow from the seed.
    #[must_use]
    pub fn at(at: Timestamp, seed: u64) -> Self {
        SimulatedClock(Arc::new(Dial {
            began: Instant::now(),
            at,
            off: AtomicI64::new(0),
            speed: AtomicU64::new(PER_MILLION),
            dice: Dice::seeded(seed),
        }))
    }

    /// Steps by so many microseconds, back when it is negative.
    pub fn step(&self, micros: i64) {
        self.0.off.fetch_add(micros, Ordering::Relaxed);
    }

    /// Shows the simulation's time again.
    pub fn set_right(&self) {
        self.0.off.store(0, Ordering::Relaxed);
        self.0.speed.store(PER_MILLION, Ordering::Relaxed);
    }

    /// Goes so fast from its beginning on.
    pub fn drift(&self, per_million: u64) {
        self.0.speed.store(per_million, Ordering::Relaxed);
    }
}

impl TimeSource for SimulatedClock {
    fn now(&self) -> Timestamp {
        let passed = self.0.began.elapsed().as_micros();
        let speed = u128::from(self.0.speed.load(Ordering::Relaxed));
        let passed = passed * speed / u128::from(PER_MILLION);
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        let off = self.0.off.load(Ordering::Relaxed);
        Timestamp::from_micros(self.0.at.micros() + passed + off)
    }

    fn new_id(&self) -> Uuid {
        let millis = u64::try_from(self.now().micros() / 1000).unwrap_or(0);
        let dice = &self.0.dice;
        let random = u128::from(dice.number()) << 64 | u128::from(dice.number());
        let [bytes @ .., _, _, _, _, _, _] = random.to_be_bytes();
        Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }
}
