//! The clock, injected so that tests can move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sagas::Timestamp;

/// Tells the time. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    manual: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The clock of the machine.
    #[must_use]
    pub fn system() -> Self {
        Clock { manual: None }
    }

    /// A clock that stands until it is set.
    #[must_use]
    pub fn manual(now: Timestamp) -> Self {
        Clock {
            manual: Some(Arc::new(AtomicI64::new(now.micros()))),
        }
    }

    /// Sets a manual clock; the machine's is left alone.
    pub fn set(&self, now: Timestamp) {
        if let Some(manual) = &self.manual {
            manual.store(now.micros(), Ordering::SeqCst);
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        if let Some(manual) = &self.manual {
            return Timestamp::from_micros(manual.load(Ordering::SeqCst));
        }
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }
}
