//! The commit store: the port to a service's database on its writing side. The journal is the only
//! one who calls it; readers have connections of their own.
//!
//! Its answers are futures, which the journal awaits one at a time on a thread that it has for
//! nothing else. So a store that blocks, as SQLite does, may block within them; one across a
//! network waits for its connection, and is free to send many statements at once.
//!
//! After a panic in a method the journal calls [`recover`](CommitStore::recover). A store that does
//! not answer holds up every shard of the service, so each method gives up when its [`Patience`]
//! ends.

use std::fmt;

use futures_util::future::LocalBoxFuture;
use sagas::{ShardId, Timestamp};

use super::standing::Patience;
use crate::StoreError;
use crate::log::Heads;
use crate::unit::Unit;

/// What a commit store answers.
pub type StoreAnswer<'a, T, E = StoreError> = LocalBoxFuture<'a, Result<T, E>>;

/// Writes for one service, on behalf of the shards that its node owns.
pub trait CommitStore: Send {
    /// Where it is, to be named in logs: a file, or an address.
    fn place(&self) -> String;

    /// How long a small batch waits for more units.
    fn gathering(&self) -> Gathering {
        Gathering::Briefly
    }

    /// Takes a shard over: raises its epoch before anything of it is read, so that a batch of an
    /// older epoch is refused from then on, whoever writes it. With `held` only if that is still
    /// the shard's epoch: then nobody has taken it over since, and nobody is asked whose it is.
    ///
    /// A crash before: the former owner may still commit. A crash after: nobody can, until the
    /// next claim.
    ///
    /// # Errors
    /// When the store does not answer. The epoch may have been raised all the same, which costs
    /// nothing but a number. [`StoreError::StaleEpoch`] when another epoch than `held` is there,
    /// and nothing has changed.
    fn claim<'a>(
        &'a mut self,
        shard: ShardId,
        owner: &'a str,
        held: Option<u64>,
        patience: &'a Patience,
    ) -> StoreAnswer<'a, Claim>;

    /// Writes a batch as a whole, or nothing of it. The epoch of each unit is compared under a lock
    /// that no claim passes, and the version of each row with what its unit expects; of several
    /// units that change one row, only the last state need be written. When a unit of a shard is
    /// found wrong, no earlier unit of that shard may be. Outbox rows are readable as soon as it
    /// returns. A batch without units reaches the disk as well, also when it notes nothing new: the
    /// journal sees by it whether the store can write.
    ///
    /// A crash before the store has decided: nothing has happened. A crash after: all of it has,
    /// and the next owner finds the positions moved and the messages in the outbox.
    ///
    /// # Errors
    /// Why nothing was written, or that it is not known whether it was.
    fn write<'a>(
        &'a mut self,
        batch: &'a Batch<'a>,
        patience: &'a Patience,
    ) -> StoreAnswer<'a, (), Failure>;

    /// Whether the batch last given to [`write`](Self::write) has been written. It is asked when
    /// that call panicked, or could not tell. The answer is final: when it is no, the batch is not
    /// written later either.
    ///
    /// # Errors
    /// When the store does not answer. Then the outcome stays unknown: its shards are claimed anew
    /// and read what is durable.
    fn happened<'a>(&'a mut self, patience: &'a Patience) -> StoreAnswer<'a, bool>;

    /// Removes commands and replies; see [`Prune`]. Events stay for ever, and so does what the next
    /// owner needs to go on with the sequence.
    ///
    /// A crash before, or in between: nothing is removed. A crash after: it is, and nobody reads
    /// it again. Repeating it removes nothing more.
    ///
    /// # Errors
    /// When the store does not answer, or the shard is held at another epoch.
    fn prune<'a>(&'a mut self, prune: &'a Prune, patience: &'a Patience)
    -> StoreAnswer<'a, Pruned>;

    /// Undoes what a call that panicked had begun, and trusts nothing that was kept in memory.
    ///
    /// # Errors
    /// When the store does not answer; whatever is begun next may find the rest of that call, and
    /// is refused then.
    fn recover(&mut self) -> StoreAnswer<'_, ()>;
}

/// How long a small batch waits for more units. One that comes alone never waits: its caller is the
/// only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gathering {
    /// Commits of small batches begin a moment apart.
    Briefly,
    /// Until it is as large as the one before, but no longer than that one's commit has taken:
    /// where each commit costs much besides its rows, and so does what it sends.
    LikeTheOneBefore,
}

/// What is written at once.
pub struct Batch<'b> {
    /// In the order in which their shards submitted them.
    pub units: &'b [Unit],
    /// Noted beside them, where the shard is still held at that epoch.
    pub published: &'b [Published],
}

impl Batch<'_> {
    /// Whether it only asks if the shards are still held: its units rest on others and write
    /// nothing.
    #[must_use]
    pub fn changes_nothing(&self) -> bool {
        self.published.is_empty() && self.units.iter().all(Unit::is_empty)
    }
}

/// How far the outbox of a shard is published.
#[derive(Clone, Debug)]
pub struct Published {
    /// Whose outbox it is.
    pub shard: ShardId,
    /// The epoch at which the shard is held.
    pub epoch: u64,
    /// Everything up to their [`published`](Heads::published) is acknowledged by the log.
    pub heads: Heads,
}

/// Why a batch was not written.
#[derive(Debug)]
pub enum Failure {
    /// Nothing of it was, because the data of this unit are wrong.
    Unit {
        /// Its place in the batch.
        index: usize,
        /// What is wrong with it.
        error: StoreError,
    },
    /// Nothing of it was, because the store failed.
    Store(StoreError),
    /// It is not known whether it was.
    Unknown(StoreError),
}

/// A shard that has been taken over.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Which one.
    pub shard: ShardId,
    /// What the claim has raised it to. Every commit for the shard names it.
    pub epoch: u64,
    /// The sequence of the next message of its outbox.
    pub next_sequence: u64,
    /// How far its outbox had been published when that was last noted.
    pub published: u64,
    /// The newest sequence per destination of its outbox.
    pub heads: Heads,
}

/// Which commands and replies to remove: those of a shard up to a sequence that are older than a
/// time.
#[derive(Clone, Copy, Debug)]
pub struct Prune {
    /// Whose outbox it is.
    pub shard: ShardId,
    /// The epoch at which the shard is held.
    pub epoch: u64,
    /// The last sequence that may go.
    pub up_to: u64,
    /// What was sent at this time or later stays.
    pub before: Timestamp,
    /// Looks at no more rows than this.
    pub rows: u32,
}

/// What has been removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Rows emptied or removed.
    pub rows: usize,
    /// Whether there was more than could be looked at.
    pub more: bool,
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("units", &self.units.len())
            .field("published", &self.published.len())
            .finish()
    }
}

#[cfg(any(test, feature = "testing"))]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]
pub mod contract;
