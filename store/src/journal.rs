//! The journal: the group committer of one service's database on this node.
//!
//! Shards submit units and go on deciding as if everything submitted will commit. A thread of its
//! own takes what has gathered as soon as the previous commit has ended (only a small batch waits
//! for a moment, see `thread`), writes it in one transaction, and only then hands the messages to
//! the log and the answers to their callers. The slower the disk, the larger the batches.
//!
//! When a unit cannot be written because of its own data, it alone is refused
//! ([`Fate::Culprit`](crate::unit::Fate::Culprit)); later units of its shard were decided on a
//! state that will never be, so they are dropped and the shard reloads at a new epoch. When the
//! database fails, all shards of the batch do.
//!
//! A crash before the commit: nothing of the batch has happened, and nothing has left. A crash
//! after it: all of it has; its messages are read from the outbox by whoever has not received them.

pub mod commit_store;
mod committer;
mod instruments;
mod noted_versions;
pub mod postgres;
mod pruning_pace;
mod queue;
pub mod sqlite;
mod standing;
mod superseding;
mod thread;

#[cfg(any(test, feature = "testing"))]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]
pub mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sagas::{Service, ShardId};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::faults::Faults;
use crate::log::Publisher;
use crate::threads::{OwnThreads, Threads};
use crate::unit::Unit;
use crate::{ServiceDatabase, StoreError};

pub(crate) use noted_versions::SETTING as SETTING_OF_VERSIONS;

pub use commit_store::{Claim, CommitStore, Pruned, StoreAnswer};
pub use standing::{Patience, Standing};

use queue::{Queue, Work};
use standing::Watch;

/// Whoever closes a journal waits this long for a store that does not answer.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Submits units to the journal of one service. Cheap to clone; the journal ends with
/// [`Journal::close`].
#[derive(Clone, Debug)]
pub struct Journal {
    service: Service,
    queue: Arc<Queue>,
    durable: Arc<[AtomicU64]>,
    watch: Arc<Watch>,
}

impl Journal {
    /// Starts the journal of a service's database.
    ///
    /// # Errors
    /// When its commit store cannot be opened, or no thread can be started.
    pub async fn start(
        database: &ServiceDatabase,
        log: Arc<dyn Publisher>,
        faults: Faults,
        shards: u16,
    ) -> Result<Self, StoreError> {
        let store = database.commit_store(faults)?;
        let threads = Arc::new(OwnThreads::here());
        Self::start_on(store, database.service, log, shards, threads)
    }

    /// Starts the journal on a commit store, on a thread of these. Must be called where a tokio
    /// runtime runs.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start_on(
        store: Box<dyn CommitStore>,
        service: Service,
        log: Arc<dyn Publisher>,
        shards: u16,
        threads: Arc<dyn Threads>,
    ) -> Result<Self, StoreError> {
        let journal = Journal {
            service,
            queue: Arc::new(Queue::default()),
            durable: (0..shards).map(|_| AtomicU64::new(0)).collect(),
            watch: Watch::new(service, store.place()),
        };

        let parts = thread::Parts {
            service,
            log,
            queue: Arc::clone(&journal.queue),
            durable: Arc::clone(&journal.durable),
            watch: Arc::clone(&journal.watch),
            threads,
        };
        thread::spawn(store, parts)?;
        tokio::spawn(Arc::clone(&journal.watch).keep_looking());

        Ok(journal)
    }

    /// Queues a unit. Its completion is called when its fate is known, also when the journal has
    /// closed.
    pub fn submit(&self, unit: Unit) {
        self.queue.push(self.service, Work::Unit(unit));
    }

    /// How many units wait for their commit.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.queue.len()
    }

    /// Waits until fewer than `units` wait for their commit.
    pub async fn below(&self, units: usize) {
        self.queue.below(units).await;
    }

    /// Whose database it writes.
    #[must_use]
    pub fn service(&self) -> Service {
        self.service
    }

    /// The ticket up to which the units of a shard are durable.
    #[must_use]
    pub fn durable(&self, shard: ShardId) -> u64 {
        self.durable
            .get(usize::from(shard.number))
            .map_or(0, |ticket| ticket.load(Ordering::Acquire))
    }

    /// What is known of a store that stands still: it does not answer, or the newest write has
    /// failed. It will hardly answer soon, so callers need not wait to hear that.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.watch.standing()
    }

    /// Waits until the journal has ended by itself, because it could not go on: everything it had
    /// in hand has been answered, and whatever comes later is refused. The node should end then,
    /// and start anew.
    pub async fn failed(&self) -> Standing {
        self.watch.ended_by_itself().await
    }

    /// Takes a shard over: raises its epoch before anything of it is read, so that units of the
    /// epoch before can no longer commit. With `held` only if it is still at that epoch.
    ///
    /// # Errors
    /// When the database does not answer; within seconds, also when it stands still.
    /// [`StoreError::StaleEpoch`] when it is not at the epoch `held`.
    pub async fn claim(
        &self,
        shard: ShardId,
        owner: &str,
        held: Option<u64>,
    ) -> Result<Claim, StoreError> {
        let (answer, claimed) = oneshot::channel();

        self.queue.push(
            self.service,
            Work::Claim {
                shard,
                owner: owner.to_owned(),
                held,
                answer,
            },
        );

        claimed.await.unwrap_or_else(|_| Err(self.closed()))
    }

    /// Empties the commands and replies of outbox rows of a shard up to `up_to` that are older than
    /// `before`, a bounded number at once; never any that are not published. A shard that was not
    /// claimed here is left alone.
    ///
    /// # Errors
    /// When the database does not answer, or the shard has another owner now.
    pub async fn prune(
        &self,
        shard: ShardId,
        up_to: u64,
        before: sagas::Timestamp,
    ) -> Result<Pruned, StoreError> {
        let (answer, pruned) = oneshot::channel();

        self.queue.push(
            self.service,
            Work::Prune {
                shard,
                up_to,
                before,
                answer,
            },
        );

        pruned.await.unwrap_or_else(|_| Err(self.closed()))
    }

    /// Commits what has been submitted, notes how far the outbox is published, and ends the thread.
    /// When the store stands still, what has been submitted is dropped instead, after a moment.
    pub async fn close(&self) {
        let begun = Instant::now();
        let (answer, mut closed) = oneshot::channel();
        self.watch.close();
        self.queue.push(self.service, Work::Close { answer });

        loop {
            // The thread may have ended already; then there is nothing to wait for.
            if tokio::time::timeout(CLOSE_WITHIN, &mut closed)
                .await
                .is_ok()
            {
                return;
            }
            if let Some(Standing { since, cause }) = self.standing()
                && since.max(begun).elapsed() >= CLOSE_WITHIN
            {
                tracing::error!(
                    service = %self.service, cause,
                    "the journal does not end; what it holds is lost"
                );
                return;
            }
        }
    }

    /// The answer to whoever asks a journal that has ended.
    fn closed(&self) -> StoreError {
        StoreError::Closed {
            what: self.service.to_string(),
        }
    }
}
