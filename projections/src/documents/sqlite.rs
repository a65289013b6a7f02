//! The document view in SQLite files of the data directory, one for each generation
//! ([`generations`]).
//!
//! SeaORM describes the tables (`tables`), creates them (`migrations`) and reads them (`reader`).
//! The projector writes through a connection of its own (`writer`) with prepared statements made
//! from the same description: a batch has thousands of rows, and building SeaORM statements for
//! them costs several times what SQLite takes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use sea_orm_migration::MigratorTrait;

use crate::ViewError;

mod conversions;
mod errors;
pub mod generations;
mod migrations;
mod reader;
mod statements;
mod tables;
mod writer;

pub use generations::SqliteDocumentStore;
pub use reader::SqliteDocumentReader;
pub use writer::SqliteDocumentWriter;

/// How this store is named in `GET /views`.
pub const BACKEND: &str = "sqlite";

/// How long a statement waits for a lock that another connection holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections for queries. Each is a thread of its own inside the driver, and more than the
/// machine has cores do not answer sooner.
const READERS: u32 = 4;
/// The page cache of one reading connection, in KiB. It is forgotten with each commit of the
/// writer, so it is small.
const READER_CACHE_KIB: u32 = 2 * 1024;
/// SQLite reads this many bytes of the file where the operating system has them: as much as it
/// allows.
const MAPPED_BYTES: i64 = 0x7fff_0000;

/// Opens the first generation of the view in `directory`, creating or migrating it when need be.
///
/// # Errors
/// [`ViewError::Unavailable`] when the file cannot be opened or migrated, [`ViewError::Damaged`]
/// when it is no such file.
pub async fn open(
    directory: &Path,
) -> Result<(SqliteDocumentWriter, SqliteDocumentReader), ViewError> {
    open_file(&generations::folder(directory).path(1)).await
}

async fn open_file(path: &Path) -> Result<(SqliteDocumentWriter, SqliteDocumentReader), ViewError> {
    errors::probe(path)?;

    let migration = connect(path, 1, |options| options.create_if_missing(true)).await?;
    migrations::Migrator::up(&migration, None)
        .await
        .map_err(errors::opened)?;

    migration.close().await.map_err(errors::read)?;
    let writer = SqliteDocumentWriter::open(path)?;
    let cache = format!("-{READER_CACHE_KIB}");

    let readers = connect(path, READERS, move |options| {
        options
            .pragma("query_only", "ON")
            .pragma("cache_size", cache.clone())
    });

    Ok((writer, SqliteDocumentReader::new(readers.await?)))
}

/// Opens a file that exists to read only, with or without a node at work on it.
async fn open_to_read(path: &Path) -> Result<SqliteDocumentReader, ViewError> {
    let readers = connect(path, READERS, |options| options.pragma("query_only", "ON")).await?;
    Ok(SqliteDocumentReader::new(readers))
}

async fn connect(
    path: &Path,
    connections: u32,
    adjust: impl Fn(SqliteConnectOptions) -> SqliteConnectOptions + Send + Sync + 'static,
) -> Result<DatabaseConnection, ViewError> {
    let file = PathBuf::from(path);

    let mut options = ConnectOptions::new("sqlite::memory:");
    options
        .min_connections(1)
        .max_connections(connections)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |options| {
            // The path is set here and not in the URL, where some of its characters would mean
            // something else.
            let options = options
                .filename(&file)
                .in_memory(false)
                .shared_cache(false)
                .busy_timeout(BUSY_TIMEOUT);
            let options = options
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Normal);
            adjust(options.pragma("mmap_size", MAPPED_BYTES.to_string()))
        });

    Database::connect(options).await.map_err(errors::read)
}

#[cfg(test)]
mod tests;
