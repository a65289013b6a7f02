//! The writing connection of an SQLite file, and how it waits for the file's lock.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::journal::standing::Patience;

/// The page cache, in KiB. It holds what a transaction changes; larger costs more than it saves,
/// because SQLite walks over it at the end of each transaction in which a tree was balanced.
const CACHE_KIB: i64 = 4 * 1024;
/// Reads this much of the file where the operating system has it, in bytes; SQLite allows no more.
const MAPPED_BYTES: i64 = 0x7fff_0000;
/// The write-ahead log is copied into the file each time it has grown by this many pages.
const CHECKPOINT_PAGES: i64 = 2000;
/// What is kept of the write-ahead log after that, in bytes.
const LOG_BYTES: i64 = 64 * 1024 * 1024;
/// Statements that stay prepared: two or three for each table.
const STATEMENTS: usize = 64;
/// A lock that is taken is tried again after this long at first, and then less and less often.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(25);

pub(super) fn open(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;

    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "mmap_size", MAPPED_BYTES)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // `begin` waits, and nothing else does.
    connection.busy_timeout(Duration::ZERO)?;

    Ok(connection)
}

/// Begins a transaction with the lock for writing, which another connection may hold for a while.
pub(super) fn begin(connection: &Connection, patience: &Patience) -> rusqlite::Result<()> {
    let mut pause = FIRST_PAUSE;
    let mut begin = connection.prepare_cached("BEGIN IMMEDIATE")?;

    loop {
        let Err(error) = begin.execute([]) else {
            return Ok(());
        };
        if error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) || patience.is_over() {
            return Err(error);
        }

        patience.waits_for(|| error.to_string());
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
