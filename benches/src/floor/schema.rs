//! The tables of the floor, as close to the product's as rows without its features can be, and how
//! to open the files.

use std::path::Path;

use anyhow::{Context, ensure};
use rusqlite::{Connection, OpenFlags};

/// One database file.
#[derive(Debug, Clone, Copy)]
pub struct Database {
    /// The name of the file.
    pub file: &'static str,
    tables: &'static str,
}

/// The database of the orders service.
pub const ORDERS: Database = Database {
    file: "orders.db",
    tables: "
CREATE TABLE orders (
    order_id BLOB PRIMARY KEY, customer_id BLOB NOT NULL, customer_name TEXT,
    total_cents INTEGER NOT NULL,
    state TEXT NOT NULL, rejection_reason TEXT, lines TEXT, note TEXT, version INTEGER NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, request_hash BLOB,
    remembered_keys TEXT);
CREATE TABLE sagas (
    saga_id BLOB PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, order_id BLOB NOT NULL,
    customer_id BLOB NOT NULL, steps TEXT NOT NULL, attempts INTEGER NOT NULL,
    started_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, ended_at INTEGER,
    deadline INTEGER NOT NULL, version INTEGER NOT NULL);
CREATE INDEX sagas_started ON sagas (started_at);
CREATE INDEX sagas_open ON sagas (deadline) WHERE ended_at IS NULL;
",
};

/// The database of the customers service.
pub const CUSTOMERS: Database = Database {
    file: "customers.db",
    tables: "
CREATE TABLE customers (
    customer_id BLOB PRIMARY KEY, name TEXT NOT NULL, limit_cents INTEGER NOT NULL,
    reserved_cents INTEGER NOT NULL, version INTEGER NOT NULL, created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL, request_hash BLOB);
CREATE TABLE reservations (
    order_id BLOB PRIMARY KEY, customer_id BLOB NOT NULL,
    amount_cents INTEGER NOT NULL) WITHOUT ROWID;
",
};

/// In both databases.
const MESSAGES: &str = "
CREATE TABLE outbox (
    shard INTEGER NOT NULL, sequence INTEGER NOT NULL, entity_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    events TEXT NOT NULL, messages TEXT NOT NULL, time INTEGER NOT NULL,
    PRIMARY KEY (shard, sequence)) WITHOUT ROWID;
CREATE INDEX outbox_entity ON outbox (entity_id, version);
CREATE TABLE inbox (
    shard INTEGER NOT NULL, source INTEGER NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (shard, source)) WITHOUT ROWID;
";

/// Durable at every commit. A larger cache and rarer checkpoints than the defaults cost nothing in
/// durability.
const SETTINGS: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA cache_size = -65536;
PRAGMA wal_autocheckpoint = 8000;
PRAGMA temp_store = MEMORY;
";

/// Creates the database in `directory`; refuses to go on with an existing one.
pub fn create(directory: &Path, database: Database) -> anyhow::Result<Connection> {
    let path = directory.join(database.file);
    ensure!(
        !path.exists(),
        "data-dir: {} exists; allowed is an empty or new directory",
        path.display()
    );
    let connection =
        Connection::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    connection.execute_batch(SETTINGS)?;
    connection.execute_batch(database.tables)?;
    connection.execute_batch(MESSAGES)?;
    Ok(connection)
}

/// Opens the database beside its writer, to read only.
pub fn open_to_read(directory: &Path, database: Database) -> anyhow::Result<Connection> {
    let path = directory.join(database.file);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(&path, flags)
        .with_context(|| format!("cannot open {} to read", path.display()))
}
