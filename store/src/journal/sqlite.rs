//! The commit store on an SQLite file, by prepared statements on a connection of its own.
//!
//! A batch is one transaction, and a transaction begins by taking the file's only lock for writing:
//! what it reads of epochs and versions stays true until it ends. Nothing after that waits, so the
//! one place where a call waits, and gives up, is the beginning. A commit that fails is rolled back
//! here and now, so there is no outcome that this store does not know; only a panic between the
//! commit and its answer makes the journal ask.
//!
//! Beside the batches it writes the history index (`indexing`).

mod batch;
mod claim;
mod connection;
mod indexing;
mod pruning;

use std::path::{Path, PathBuf};

use futures_util::FutureExt;
use rusqlite::Connection;
use sagas::{Service, ShardId};

use super::commit_store::{Batch, Claim, CommitStore, Failure, Prune, Pruned, StoreAnswer};
use super::noted_versions::{self, NOTE, NotedVersions};
use super::standing::Patience;
use crate::StoreError;
use crate::faults::{AfterCommit, Faults};
use indexing::{Piece, Tails};

/// A service's database in a file.
pub struct SqliteStore {
    service: Service,
    file: PathBuf,
    connection: Connection,
    faults: Faults,
    tails: Tails,
    noted: NotedVersions,
    /// Whether the batch that was begun last has been committed.
    committed: bool,
}

impl SqliteStore {
    /// Opens a file whose schema is there.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(service: Service, file: &Path, faults: Faults) -> Result<Self, StoreError> {
        let connection = connection::open(file).map_err(|e| failure(service, e))?;
        Ok(SqliteStore {
            service,
            file: file.to_owned(),
            connection,
            faults,
            tails: Tails::default(),
            noted: NotedVersions::default(),
            committed: false,
        })
    }

    /// On a connection of any kind.
    #[cfg(feature = "testing")]
    pub(crate) fn on(service: Service, connection: Connection, faults: Faults) -> Self {
        connection::prepare_for_commits(&connection);
        SqliteStore {
            service,
            file: PathBuf::from("memory"),
            connection,
            faults,
            tails: Tails::default(),
            noted: NotedVersions::default(),
            committed: false,
        }
    }

    /// What it was on.
    #[cfg(feature = "testing")]
    pub(crate) fn into_connection(self) -> Connection {
        self.connection
    }

    /// A batch was to be written and never came here.
    #[cfg(feature = "testing")]
    pub(crate) fn nothing_begun(&mut self) {
        self.committed = false;
    }

    /// Lets the file grow to this many pages, and no further: a full disk.
    #[cfg(test)]
    pub(crate) fn limit(&self, pages: u32) {
        self.connection
            .pragma_update(None, "max_page_count", pages)
            .unwrap();
    }

    fn failed(&self, source: rusqlite::Error) -> StoreError {
        failure(self.service, source)
    }

    fn execute(&self, sql: &str) -> Result<(), StoreError> {
        self.run(sql, []).map(drop)
    }

    fn run(&self, sql: &str, row: impl rusqlite::Params) -> Result<usize, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(row))
            .map_err(|e| self.failed(e))
    }

    /// Does `work` in one transaction, or nothing of it.
    fn transaction<T, E: From<StoreError>>(
        &mut self,
        patience: &Patience,
        work: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        connection::begin(&self.connection, patience).map_err(|e| self.failed(e))?;

        let done = work(self).and_then(|done| {
            self.execute("COMMIT")?;
            Ok(done)
        });

        if done.is_err() {
            self.roll_back();
        }

        done
    }

    /// Writes a piece of the history index within the transaction under way; false when it is not
    /// written. An index that is damaged stops no commit: the history is found in the outbox.
    fn index(&self, piece: Piece) -> Result<bool, StoreError> {
        self.execute("SAVEPOINT piece")?;

        let written = match piece.write(&self.connection) {
            Ok(written) => written,
            Err(error) => {
                let damaged =
                    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt);
                let error = self.failed(error);
                if error.is_transient() && !damaged {
                    return Err(error);
                }
                self.execute("ROLLBACK TO piece")?;
                tracing::error!(
                    service = %self.service, error = %error.chain(),
                    "the history index is damaged and stays as it is until the next start"
                );
                false
            }
        };

        self.execute("RELEASE piece")?;
        Ok(written)
    }

    fn roll_back(&self) {
        // SQLite may have rolled back by itself; then this has nothing to do and says so.
        let _ = self.execute("ROLLBACK");
    }
}

impl SqliteStore {
    fn take_over(
        &mut self,
        shard: ShardId,
        owner: &str,
        held: Option<u64>,
        patience: &Patience,
    ) -> Result<Claim, StoreError> {
        let (claim, indexed) = self.transaction(patience, |store| {
            claim::take_over(store, shard, owner, held)
        })?;

        let newest = claim.next_sequence.saturating_sub(1);
        self.tails.restore(shard, claim.epoch, indexed, newest);

        Ok(claim)
    }

    fn commit(&mut self, batch: &Batch<'_>, patience: &Patience) -> Result<(), Failure> {
        self.committed = false;
        let piece = self.tails.due();
        let versions = self.noted.missing(batch.units);

        let after = self.transaction(patience, |store| {
            batch::write(store, batch)?;
            for version in &versions {
                let (name, value) = noted_versions::setting(version);
                store.run(NOTE, [name, value])?;
            }
            let indexed = piece.map_or(Ok(true), |piece| store.index(piece))?;
            let faults = if batch.changes_nothing() {
                AfterCommit::default()
            } else {
                store.faults.before_commit()?
            };
            Ok::<_, Failure>((indexed, faults))
        });
        let (indexed, after_commit) = after?;

        self.committed = true;
        self.noted.noted(versions);
        after_commit.reached();

        if let Some(piece) = piece {
            self.tails.indexed(piece, indexed);
        }
        for unit in batch.units {
            if let Some(outgoing) = &unit.outgoing {
                self.tails.grow(unit.shard, outgoing.last_sequence());
            }
        }

        Ok(())
    }

    fn remove(&mut self, prune: &Prune, patience: &Patience) -> Result<Pruned, StoreError> {
        let Some(range) = pruning::range(self, prune)? else {
            return Ok(Pruned::default());
        };
        let rows = self.transaction(patience, |store| pruning::remove(store, prune, range))?;
        Ok(Pruned {
            rows,
            more: range.more,
        })
    }

    fn begin_anew(&mut self) -> Result<(), StoreError> {
        if !self.connection.is_autocommit() {
            self.execute("ROLLBACK")?;
        }
        self.connection.flush_prepared_statement_cache();
        self.noted = NotedVersions::default();
        self.tails = self.tails.read_again(self)?;
        Ok(())
    }
}

/// It blocks: there is nothing to wait for but the disk, and the lock at the beginning.
impl CommitStore for SqliteStore {
    fn place(&self) -> String {
        self.file.display().to_string()
    }

    fn claim<'a>(
        &'a mut self,
        shard: ShardId,
        owner: &'a str,
        held: Option<u64>,
        patience: &'a Patience,
    ) -> StoreAnswer<'a, Claim> {
        async move { self.take_over(shard, owner, held, patience) }.boxed_local()
    }

    fn write<'a>(
        &'a mut self,
        batch: &'a Batch<'a>,
        patience: &'a Patience,
    ) -> StoreAnswer<'a, (), Failure> {
        async move { self.commit(batch, patience) }.boxed_local()
    }

    fn happened<'a>(&'a mut self, _: &'a Patience) -> StoreAnswer<'a, bool> {
        async { Ok(self.committed) }.boxed_local()
    }

    fn prune<'a>(
        &'a mut self,
        prune: &'a Prune,
        patience: &'a Patience,
    ) -> StoreAnswer<'a, Pruned> {
        async move { self.remove(prune, patience) }.boxed_local()
    }

    fn recover(&mut self) -> StoreAnswer<'_, ()> {
        async { self.begin_anew() }.boxed_local()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Store(error)
    }
}

/// The database fails, unless it says that it cannot take these data.
fn failure(service: Service, source: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{ConstraintViolation, TooBig, TypeMismatch, Unknown};

    let transient = match source.sqlite_error_code() {
        Some(code) => !matches!(code, ConstraintViolation | TypeMismatch | TooBig | Unknown),
        // It has not come to SQLite: a value could not be bound.
        None => false,
    };

    // With its number, for the text alone does not tell one failure of a disk from another.
    let code = source.sqlite_error().map(|error| error.extended_code);
    let text = match code {
        Some(code) => format!("{source} (SQLite error {code})"),
        None => source.to_string(),
    };

    StoreError::Write {
        what: service.to_string(),
        transient,
        source: text.into(),
    }
}

#[cfg(test)]
mod tests {
    use sagas::ShardId;
    use tempfile::TempDir;

    use super::*;
    use crate::ServiceDatabase;
    use crate::journal::commit_store::Published;
    use crate::journal::standing::Watch;
    use crate::testing::{BOOKINGS, BOOKINGS_SCHEMA};

    #[tokio::test]
    async fn a_batch_that_notes_nothing_new_is_written_all_the_same() {
        let folder = TempDir::new().unwrap();
        ServiceDatabase::open_embedded(BOOKINGS_SCHEMA, folder.path(), 1)
            .await
            .unwrap();
        let file = folder.path().join("bookings.db");
        let mut store = SqliteStore::open(BOOKINGS, &file, Faults::default()).unwrap();
        let patience = || Watch::new(BOOKINGS, String::new()).begin("a test");

        let shard = ShardId::new(BOOKINGS, 0);
        let claim = store.take_over(shard, "test", None, &patience()).unwrap();
        let note = [Published {
            shard,
            epoch: claim.epoch,
            heads: claim.heads,
        }];
        let batch = Batch {
            units: &[],
            published: &note,
        };
        store.commit(&batch, &patience()).unwrap();

        // It changes when another connection has written, and only then.
        let other = Connection::open(&file).unwrap();
        let version = || -> i64 {
            other
                .query_row("PRAGMA data_version", [], |row| row.get(0))
                .unwrap()
        };
        let before = version();
        store.commit(&batch, &patience()).unwrap();
        assert_ne!(version(), before);
    }
}
