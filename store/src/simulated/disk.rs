//! A disk: a database in memory with its connections, and the pool that disks come from.
//!
//! Making one takes longer than most histories do, for each connection reads the schema and
//! prepares its statements. So a disk is given back when nobody has it any more, and the next
//! history begins on it with the rows of the beginning.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use sagas::{Service, ShardId, Timestamp};

use super::{outbox, sqlite_rows};
use crate::faults::Faults;
use crate::journal::sqlite::SqliteStore;
use crate::{Message, StoreError};

/// Statements that stay prepared: one for each kind of query.
const STATEMENTS: usize = 512;

pub(super) struct Disk {
    service: Service,
    place: String,
    /// Keeps the database, and reads from it.
    reader: Mutex<Connection>,
    /// Of journals that have ended.
    writers: Mutex<Vec<Connection>>,
    beginning: Vec<Table>,
}

/// A table as it is in the beginning.
struct Table {
    clear: String,
    insert: String,
    rows: Vec<Vec<Value>>,
}

impl Disk {
    fn copy_of(service: Service, file: &Path) -> rusqlite::Result<Self> {
        // Databases of one name are one database.
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let place = format!("file:/{service}-{number}?vfs=memdb");

        let from = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut reader = open(&place)?;
        Backup::new(&from, &mut reader)?.run_to_completion(i32::MAX, Duration::ZERO, None)?;
        reader.set_prepared_statement_cache_capacity(STATEMENTS);

        Ok(Disk {
            service,
            place,
            beginning: tables(&reader)?,
            reader: Mutex::new(reader),
            writers: Mutex::default(),
        })
    }

    /// Puts the rows of the beginning in the place of all that is there.
    fn begin_anew(&self) -> rusqlite::Result<()> {
        let mut reader = self.reader();
        let anew = reader.transaction()?;
        for table in &self.beginning {
            anew.prepare_cached(&table.clear)?.execute([])?;
            let mut insert = anew.prepare_cached(&table.insert)?;
            for row in &table.rows {
                insert.execute(params_from_iter(row))?;
            }
        }
        anew.commit()
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) fn reader(&self) -> MutexGuard<'_, Connection> {
        lock(&self.reader)
    }

    fn writer(&self) -> rusqlite::Result<Connection> {
        let idle = lock(&self.writers).pop();
        idle.map_or_else(|| open(&self.place), Ok)
    }
}

fn open(place: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(place, flags)?;
    // What is sorted on the way has no file to go to.
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(connection)
}

fn tables(connection: &Connection) -> rusqlite::Result<Vec<Table>> {
    let table = |name: String| {
        let mut found = connection.prepare(&format!("SELECT * FROM {name}"))?;
        let columns = found.column_count();
        let row = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect();
        let rows = found.query_map([], row)?;

        let places = vec!["?"; columns].join(", ");
        Ok(Table {
            clear: format!("DELETE FROM {name}"),
            insert: format!("INSERT INTO {name} VALUES ({places})"),
            rows: rows.collect::<rusqlite::Result<_>>()?,
        })
    };
    sqlite_rows::table_names(connection)?
        .into_iter()
        .map(table)
        .collect()
}

/// Disks that nobody has.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<Vec<Disk>>,
}

impl Pool {
    /// A disk that is as the file is.
    pub(super) fn lend(self: &Arc<Self>, service: Service, file: &Path) -> rusqlite::Result<Lent> {
        let idle = lock(&self.idle)
            .extract_if(.., |disk| disk.service == service)
            .next();
        let disk = match idle {
            Some(disk) => disk,
            None => Disk::copy_of(service, file)?,
        };
        disk.begin_anew()?;

        Ok(Lent {
            disk: Some(disk),
            pool: Arc::clone(self),
            sent: Mutex::default(),
        })
    }
}

/// A disk of a pool, which goes back there.
pub(super) struct Lent {
    disk: Option<Disk>,
    pool: Arc<Pool>,
    /// By shard: what it has sent, as far as it may have been removed.
    sent: Mutex<BTreeMap<u16, Vec<Message>>>,
}

impl Lent {
    /// Notes what a shard has sent before a time, for whoever looks from outside: it may be removed
    /// next.
    fn note_sent(&self, source: ShardId, before: Timestamp) -> rusqlite::Result<()> {
        let mut sent = lock(&self.sent);
        let noted = sent.entry(source.number).or_default();
        let after = noted.last().map_or(0, |last| last.sequence);
        let read = outbox::read(&self.reader(), source, after)?;
        let is_old = |message: &Message| message.time < before;
        let old = read.iter().rposition(is_old).map_or(0, |newest| newest + 1);
        noted.extend(read.into_iter().take(old));
        Ok(())
    }

    /// All that a shard has sent, what was removed since as well.
    pub(super) fn sent(&self, source: ShardId) -> rusqlite::Result<Vec<Message>> {
        let mut all = lock(&self.sent)
            .get(&source.number)
            .cloned()
            .unwrap_or_default();
        let after = all.last().map_or(0, |last| last.sequence);
        all.extend(outbox::read(&self.reader(), source, after)?);
        Ok(all)
    }
}

impl Deref for Lent {
    type Target = Disk;

    #[expect(clippy::expect_used, reason = "it has one until it is dropped")]
    fn deref(&self) -> &Disk {
        self.disk.as_ref().expect("a disk")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        lock(&self.pool.idle).extend(self.disk.take());
    }
}

/// The commit store on a disk. The connection goes back there.
pub struct MemoryStore {
    store: Option<SqliteStore>,
    disk: Arc<Lent>,
}

impl MemoryStore {
    pub(super) fn on(disk: &Arc<Lent>, faults: Faults) -> rusqlite::Result<Self> {
        let store = SqliteStore::on(disk.service, disk.writer()?, faults);
        Ok(MemoryStore {
            store: Some(store),
            disk: Arc::clone(disk),
        })
    }

    /// Notes what a shard has sent before a time, some of which is about to be removed.
    pub(super) fn note_sent(&self, source: ShardId, before: Timestamp) -> Result<(), StoreError> {
        let noted = self.disk.note_sent(source, before);
        noted.map_err(|error| StoreError::Configuration(error.to_string()))
    }
}

impl Deref for MemoryStore {
    type Target = SqliteStore;

    #[expect(clippy::expect_used, reason = "it has one until it is dropped")]
    fn deref(&self) -> &SqliteStore {
        self.store.as_ref().expect("a store")
    }
}

impl DerefMut for MemoryStore {
    #[expect(clippy::expect_used, reason = "it has one until it is dropped")]
    fn deref_mut(&mut self) -> &mut SqliteStore {
        self.store.as_mut().expect("a store")
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        let connection = self.store.take().map(SqliteStore::into_connection);
        // One that died within a transaction has left it open.
        let idle = connection.filter(|connection| {
            connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok()
        });
        lock(&self.disk.writers).extend(idle);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
