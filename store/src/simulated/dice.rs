//! One sequence of random numbers for all who ask.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sagas::testing::Chance;

/// A [`Chance`] that is asked through a shared reference.
#[derive(Debug)]
pub struct Dice(Mutex<Chance>);

impl Dice {
    /// The sequence of this seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Dice(Mutex::new(Chance::seeded(seed)))
    }

    /// The next number.
    pub fn number(&self) -> u64 {
        self.lock().number()
    }

    /// A number below the bound; 0 for 0.
    pub fn below(&self, bound: u64) -> u64 {
        self.lock().below(bound)
    }

    /// Whether something happens that happens so many times in a hundred.
    pub fn is(&self, percent: u64) -> bool {
        self.lock().is(percent)
    }

    /// One of the items; `None` when there is none.
    pub fn of<T: Copy>(&self, items: &[T]) -> Option<T> {
        self.lock().of(items)
    }

    // Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Chance> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
