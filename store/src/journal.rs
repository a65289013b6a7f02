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

mod claim;
mod indexing;
mod queue;
mod superseding;
mod thread;
mod writer;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::{Service, ShardId};
use tokio::sync::oneshot;

use crate::faults::Faults;
use crate::log::embedded::EmbeddedLog;
use crate::unit::Unit;
use crate::{ServiceDatabase, StoreError};

pub use claim::Claim;
use queue::{Queue, Work};

/// Submits units to the journal of one service. Cheap to clone; the journal ends with
/// [`Journal::close`].
#[derive(Clone, Debug)]
pub struct Journal {
    service: Service,
    queue: Arc<Queue>,
    durable: Arc<[AtomicU64]>,
}

impl Journal {
    /// Starts the journal's thread.
    ///
    /// # Errors
    /// When the database's writing connection cannot be had, or no thread can be started.
    pub async fn start(
        database: &ServiceDatabase,
        log: Arc<EmbeddedLog>,
        faults: Faults,
        shards: u16,
    ) -> Result<Self, StoreError> {
        let queue = Arc::new(Queue::default());
        let durable: Arc<[AtomicU64]> = (0..shards).map(|_| AtomicU64::new(0)).collect();

        let journal = Journal {
            service: database.service,
            queue: Arc::clone(&queue),
            durable: Arc::clone(&durable),
        };

        let parts = thread::Parts {
            service: database.service,
            log,
            faults,
            queue,
            durable,
        };
        thread::spawn(database, parts).await?;

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

    /// The ticket up to which the units of a shard are durable.
    #[must_use]
    pub fn durable(&self, shard: ShardId) -> u64 {
        self.durable
            .get(usize::from(shard.number))
            .map_or(0, |ticket| ticket.load(Ordering::Acquire))
    }

    /// Takes a shard over: raises its epoch before anything of it is read, so that units of the
    /// epoch before can no longer commit.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim(&self, shard: ShardId, owner: &str) -> Result<Claim, StoreError> {
        let (answer, claimed) = oneshot::channel();

        self.queue.push(
            self.service,
            Work::Claim {
                shard,
                owner: owner.to_owned(),
                answer,
            },
        );

        claimed.await.unwrap_or_else(|_| {
            Err(StoreError::Closed {
                what: self.service.to_string(),
            })
        })
    }

    /// Empties the commands and replies of outbox rows of a shard up to `sequence` that are older
    /// than `before`, at most a bounded number at once. Answers how many rows it emptied or
    /// removed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn prune(
        &self,
        shard: ShardId,
        sequence: u64,
        before: domain::Timestamp,
    ) -> Result<usize, StoreError> {
        let (answer, pruned) = oneshot::channel();

        self.queue.push(
            self.service,
            Work::Prune {
                shard,
                sequence,
                before,
                answer,
            },
        );

        pruned.await.unwrap_or_else(|_| {
            Err(StoreError::Closed {
                what: self.service.to_string(),
            })
        })
    }

    /// Commits what has been submitted, notes how far the outbox is published, and ends the thread.
    pub async fn close(&self) {
        let (answer, closed) = oneshot::channel();
        self.queue.push(self.service, Work::Close { answer });
        // The thread may have ended already; then there is nothing to wait for.
        let _ = closed.await;
    }
}
