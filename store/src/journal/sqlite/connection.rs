//! The connection of the commit store, and how it waits for the file's lock.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use crate::database::open_to_commit;
use crate::journal::standing::Patience;

/// Statements that stay prepared: two or three for each table.
const STATEMENTS: usize = 64;
/// A lock that is taken is tried again after this long at first, and then less and less often.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(25);

/// Only [`begin`] waits on it.
pub(super) fn open(file: &Path) -> rusqlite::Result<Connection> {
    let connection = open_to_commit(file)?;
    prepare_for_commits(&connection);
    Ok(connection)
}

/// Keeps the statements of commits prepared.
pub(super) fn prepare_for_commits(connection: &Connection) {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
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
