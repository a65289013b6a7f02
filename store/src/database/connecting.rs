//! How connections to an embedded database are made, and how they are set.
//!
//! Three kinds are made: the journal's, by `rusqlite`, which writes; the pool that reads; and one
//! that writes by SeaORM before the journal begins and after it has ended.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};

/// Connections that read at the same time.
const READERS: u32 = 4;
/// How long a connection waits for a lock that another holds; the journal waits in its own way.
const LOCK_WITHIN: Duration = Duration::from_secs(5);

/// Set on every connection. `synchronous=FULL` is what a durable commit rests on.
const EACH: [(&str, &str); 4] = [
    ("journal_mode", "wal"),
    ("synchronous", "full"),
    ("foreign_keys", "on"),
    // Reads this much of the file where the operating system has it, in bytes; SQLite allows no
    // more. A reading connection forgets its own cache with each commit of another.
    ("mmap_size", "2147418112"),
];

/// Set on connections that write, too.
const WRITING: [(&str, &str); 3] = [
    // The page cache, in KiB. It holds what a transaction changes; larger costs more than it saves,
    // because SQLite walks over it at the end of each transaction in which a tree was balanced.
    ("cache_size", "-4096"),
    // The write-ahead log is copied into the file each time it has grown by this many pages.
    ("wal_autocheckpoint", "2000"),
    // What is kept of the write-ahead log after that, in bytes.
    ("journal_size_limit", "67108864"),
];

/// Set on connections that read, too.
const READING: [(&str, &str); 1] = [("query_only", "on")];

/// What a connection of SeaORM is for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Use {
    /// One connection, which makes the file when there is none.
    Write,
    /// A few connections, which cannot write.
    Read,
}

impl Use {
    fn settings(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let own = match self {
            Use::Write => &WRITING[..],
            Use::Read => &READING[..],
        };
        EACH.iter().chain(own).copied()
    }
}

/// Connects to a file by SeaORM.
pub(crate) async fn connect(file: &Path, r#use: Use) -> Result<DatabaseConnection, DbErr> {
    let (mode, connections) = match r#use {
        Use::Write => ("rwc", 1),
        Use::Read => ("rw", READERS),
    };

    let mut options = ConnectOptions::new(format!("sqlite://{}?mode={mode}", file.display()));
    options
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| set(sqlite, r#use));
    // Connections of SQLite do not age; a new one would only start with a cold cache.
    options.max_lifetime(None).idle_timeout(None);

    Database::connect(options).await
}

fn set(sqlite: SqliteConnectOptions, r#use: Use) -> SqliteConnectOptions {
    let waiting = sqlite.busy_timeout(LOCK_WITHIN);
    r#use
        .settings()
        .fold(waiting, |sqlite, (name, value)| sqlite.pragma(name, value))
}

/// Opens the connection of a journal on a file whose schema is there. It waits for no lock.
pub(crate) fn open_to_commit(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;

    for (name, value) in Use::Write.settings() {
        connection.pragma_update(None, name, value)?;
    }
    connection.busy_timeout(Duration::ZERO)?;

    Ok(connection)
}
