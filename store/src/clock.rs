//! The clock, injected so that tests can move it. What is random in an id comes from it, too, so
//! that a simulation makes the same ids again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sagas::Timestamp;
use uuid::Uuid;

/// Where times and new ids come from in a simulation.
pub trait TimeSource: fmt::Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// An id that nothing else has, ordered by time.
    fn new_id(&self) -> Uuid;
}

/// Tells the time. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<AtomicI64>),
    Other(Arc<dyn TimeSource>),
}

impl Clock {
    /// The clock of the machine.
    #[must_use]
    pub fn system() -> Self {
        Clock(Source::System)
    }

    /// A clock that stands until it is set.
    #[must_use]
    pub fn manual(now: Timestamp) -> Self {
        Clock(Source::Manual(Arc::new(AtomicI64::new(now.micros()))))
    }

    /// A clock of any kind.
    #[must_use]
    pub fn of(source: Arc<dyn TimeSource>) -> Self {
        Clock(Source::Other(source))
    }

    /// Sets a manual clock; others are left alone.
    pub fn set(&self, now: Timestamp) {
        if let Source::Manual(manual) = &self.0 {
            manual.store(now.micros(), Ordering::SeqCst);
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => of_the_machine(),
            Source::Manual(manual) => Timestamp::from_micros(manual.load(Ordering::SeqCst)),
            Source::Other(source) => source.now(),
        }
    }

    /// An id that nothing else has: a UUID v7.
    #[must_use]
    pub fn new_id(&self) -> Uuid {
        match &self.0 {
            Source::System | Source::Manual(_) => Uuid::now_v7(),
            Source::Other(source) => source.new_id(),
        }
    }
}

fn of_the_machine() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
