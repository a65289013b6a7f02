//! What waits for the journal's thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sagas::{Service, ShardId, Timestamp};
use tokio::sync::{Notify, oneshot};

use super::commit_store::{Claim, Pruned};
use super::committer::tell;
use crate::StoreError;
use crate::unit::{Fate, Unit};

/// What the journal's thread is asked for.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all work is units; a box for each would cost more than the room"
)]
pub(super) enum Work {
    Unit(Unit),
    Claim {
        shard: ShardId,
        owner: String,
        /// Only if the shard is still at this epoch.
        held: Option<u64>,
        answer: oneshot::Sender<Result<Claim, StoreError>>,
    },
    Prune {
        shard: ShardId,
        up_to: u64,
        before: Timestamp,
        answer: oneshot::Sender<Result<Pruned, StoreError>>,
    },
    Close {
        answer: oneshot::Sender<()>,
    },
}

#[derive(Default)]
struct Waiting {
    work: VecDeque<Work>,
    closed: bool,
}

/// The queue between the shards and the journal's thread. It is bounded by those who submit: shards
/// stop taking in work while the backlog is long.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    some: Notify,
    units: AtomicUsize,
    taken: Notify,
}

impl Queue {
    pub(super) fn push(&self, service: Service, work: Work) {
        let mut waiting = self.lock();
        if waiting.closed {
            drop(waiting);
            refuse(service, work);
            return;
        }

        if matches!(work, Work::Unit(_)) {
            self.units.fetch_add(1, Ordering::Relaxed);
        }

        let was_empty = waiting.work.is_empty();
        waiting.work.push_back(work);
        drop(waiting);

        if was_empty {
            self.some.notify_one();
        }
    }

    /// Waits for work, up to the limit if there is one, and takes all there is.
    pub(super) async fn take(&self, limit: Option<Duration>) -> VecDeque<Work> {
        match limit {
            // Nothing but the time is over then.
            Some(limit) => drop(tokio::time::timeout(limit, self.some_work()).await),
            None => self.some_work().await,
        }

        // As much room as was needed this time, so that it need not grow while others wait for the
        // lock.
        let room = VecDeque::with_capacity(self.len());
        let mut waiting = self.lock();
        let work = std::mem::replace(&mut waiting.work, room);
        self.units.store(0, Ordering::Release);
        drop(waiting);
        self.taken.notify_waiters();

        work
    }

    async fn some_work(&self) {
        while self.lock().work.is_empty() {
            // One that was pushed between the look and this has left a permit.
            self.some.notified().await;
        }
    }

    /// Waits until fewer than `units` wait.
    pub(super) async fn below(&self, units: usize) {
        while self.len() >= units {
            let taken = self.taken.notified();
            // What was taken between the two looks would not wake us any more.
            if self.len() >= units {
                taken.await;
            }
        }
    }

    /// Refuses what waits and whatever comes later.
    pub(super) fn close(&self, service: Service) {
        let mut waiting = self.lock();
        waiting.closed = true;
        let left = std::mem::take(&mut waiting.work);
        self.units.store(0, Ordering::Release);
        drop(waiting);
        self.taken.notify_waiters();
        for work in left {
            refuse(service, work);
        }
    }

    /// How many units wait.
    pub(super) fn len(&self) -> usize {
        self.units.load(Ordering::Acquire)
    }

    // Nothing panics while it holds the lock, and the queue is whole at any moment.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("units", &self.len()).finish()
    }
}

/// Answers that the journal is closed; a caller whose answer is dropped learns the same.
pub(super) fn refuse(service: Service, work: Work) {
    match work {
        Work::Unit(unit) => {
            let closed = StoreError::Closed {
                what: service.to_string(),
            };
            tell(unit.completion, Fate::Dropped(Arc::new(closed)));
        }
        Work::Claim { .. } | Work::Prune { .. } | Work::Close { .. } => {}
    }
}
