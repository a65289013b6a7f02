//! What is shown of a generation while its projector works: written by the projector, read by
//! whoever asks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use sagas::{ShardId, Timestamp};
use store::Positions;
use tokio::time::Instant;

use crate::port::QuarantinedEntity;

/// What a projector is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feeding {
    /// It reads what was there when it started.
    CatchingUp,
    /// It follows the log.
    Following,
    /// The store or the log fails, or too many entities are in quarantine; the projector tries
    /// again.
    Failed,
}

#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// What the projector is at.
    pub feeding: Feeding,
    /// Why it fails, if it does.
    pub error: Option<String>,
    /// The entities that are not taken in any more.
    pub quarantined: Vec<QuarantinedEntity>,
}

#[derive(Debug)]
pub(crate) struct Progress {
    shown: Mutex<Snapshot>,
    /// Where it stood when it started, and since when.
    started: OnceLock<(Instant, u64)>,
    /// Events taken in since then.
    taken: AtomicU64,
    /// When the newest event of each source happened that is committed, as far as it was taken in
    /// since then.
    times: Mutex<Times>,
}

/// Times by source.
pub(crate) type Times = BTreeMap<ShardId, Timestamp>;

/// What a projector has done since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fed {
    /// The sum of its positions at its start.
    pub from: u64,
    /// Events taken in since then.
    pub events: u64,
    /// How long ago its start was.
    pub elapsed: Duration,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let shown = Snapshot {
            feeding: Feeding::CatchingUp,
            error: None,
            quarantined: Vec::new(),
        };
        Progress {
            shown: Mutex::new(shown),
            started: OnceLock::new(),
            taken: AtomicU64::new(0),
            times: Mutex::default(),
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.shown().clone()
    }

    pub(crate) fn feeding(&self) -> Feeding {
        self.shown().feeding
    }

    pub(crate) fn fed(&self) -> Fed {
        let Some((begun, from)) = self.started.get() else {
            return Fed::default();
        };
        Fed {
            from: *from,
            events: self.taken.load(Ordering::Relaxed),
            elapsed: begun.elapsed(),
        }
    }

    /// It starts from these positions, for the first time or again.
    pub(super) fn start(&self, positions: &Positions) {
        self.started
            .get_or_init(|| (Instant::now(), positions.values().sum()));
        self.lock_times().clear();
    }

    pub(super) fn committed(&self, events: usize, times: &Times) {
        self.taken
            .fetch_add(u64::try_from(events).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.lock_times().clone_from(times);
    }

    pub(crate) fn times(&self) -> Times {
        self.lock_times().clone()
    }

    fn lock_times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn working(&self, feeding: Feeding) {
        let mut shown = self.shown();
        shown.feeding = feeding;
        shown.error = None;
    }

    pub(super) fn failed(&self, error: String) {
        let mut shown = self.shown();
        shown.feeding = Feeding::Failed;
        shown.error = Some(error);
    }

    pub(super) fn quarantined(&self, entities: Vec<QuarantinedEntity>) {
        self.shown().quarantined = entities;
    }

    fn shown(&self) -> MutexGuard<'_, Snapshot> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
