//! A service's private database: one connection that the journal writes through, and a few that
//! only read.

mod files;
pub(crate) mod unusable;
mod wal;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sagas::Service;
use sea_orm::sea_query::OnConflict;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sea_orm::{
    ActiveValue, ConnectOptions, Database, DatabaseConnection, DbErr, EntityTrait,
    sqlx::sqlite::SqliteSynchronous,
};

use crate::faults::Faults;
use crate::journal::CommitStore;
use crate::journal::sqlite::SqliteStore;
use crate::tables::setting;
use crate::{ServiceSchema, StoreError, migrations};

pub(crate) use files::all_of;

/// Connections that read at the same time.
const READERS: u32 = 4;
/// The page cache of the writing connection, in KiB. It holds what a transaction changes; larger
/// costs more than it saves, because SQLite walks over it at the end of each transaction in which a
/// tree was balanced.
const WRITER_CACHE_KIB: u32 = 4 * 1024;
/// So much of a file is read where the operating system has it, in bytes: a reading connection
/// forgets its own cache with each commit of another. It is as much as SQLite allows.
const MAPPED_BYTES: u32 = 0x7fff_0000;
/// The write-ahead log is copied into the database each time it has grown by so many pages.
const CHECKPOINT_PAGES: u32 = 2000;

/// The database of one service.
#[derive(Clone, Debug)]
pub struct ServiceDatabase {
    /// Whose it is.
    pub service: Service,
    /// What it keeps beside the mechanism's tables.
    pub(crate) schema: ServiceSchema,
    /// Where it is; `-wal` and `-shm` files lie beside it.
    pub(crate) file: PathBuf,
    /// Reads what is committed; cannot write.
    pub read: DatabaseConnection,
    /// The journal's.
    pub(crate) write: DatabaseConnection,
}

impl ServiceDatabase {
    /// Opens, and if need be creates, the embedded database of a service in `folder`, and brings
    /// its schema up to date. `shards` is fixed at the first start.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when it cannot be read and written, [`StoreError::Configuration`]
    /// when it was made for another number of shards or by a newer release.
    pub async fn open_embedded(
        schema: ServiceSchema,
        folder: &Path,
        shards: u16,
    ) -> Result<Self, StoreError> {
        schema.register()?;
        let file = file_of(schema.service, folder);
        files::check(&file)?;
        let failed = |error: DbErr| unusable::opening(&file, &error);

        let write = connect(&file, Use::Write).await.map_err(failed)?;
        if let Some(unknown) = migrations::unknown(&schema, &write).await.map_err(failed)? {
            return Err(StoreError::Configuration(format!(
                "{} was written by a newer release, whose change {unknown} this one does not know; \
                 start that release",
                file.display()
            )));
        }
        migrations::migrate(&schema, &write).await.map_err(failed)?;
        let read = connect(&file, Use::Read).await.map_err(failed)?;

        let database = ServiceDatabase {
            service: schema.service,
            schema,
            file,
            read,
            write,
        };
        // Which release has opened it last. It is also the write by which a database that cannot be
        // written is known before anything rests on it.
        database.set("release", env!("CARGO_PKG_VERSION")).await?;
        database.fix_shards(shards).await?;

        Ok(database)
    }

    /// Opens an existing embedded database to read only, with or without a node running on it.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn open_to_read(schema: ServiceSchema, folder: &Path) -> Result<Self, StoreError> {
        schema.register()?;
        let file = file_of(schema.service, folder);
        if !file.exists() {
            return Err(StoreError::Configuration(format!(
                "there is no database {}",
                file.display()
            )));
        }

        let read = connect(&file, Use::Read)
            .await
            .map_err(|error| unusable::opening(&file, &error))?;

        Ok(ServiceDatabase {
            service: schema.service,
            schema,
            file,
            read: read.clone(),
            write: read,
        })
    }

    /// The writing side, for the journal.
    pub(crate) fn commit_store(&self, faults: Faults) -> Result<Box<dyn CommitStore>, StoreError> {
        let pool = self.write.get_sqlite_connection_pool();
        let file = pool.connect_options().get_filename().to_owned();
        Ok(Box::new(SqliteStore::open(self.service, &file, faults)?))
    }

    /// Closes the connections.
    pub async fn close(self) {
        for connection in [self.read, self.write] {
            if let Err(error) = connection.close().await {
                tracing::warn!(service = %self.service, error = %error, "a connection does not close");
            }
        }
    }

    /// The number of shards the database was made for.
    ///
    /// # Errors
    /// When the database does not answer, or its setting cannot be read.
    pub async fn shards(&self) -> Result<Option<u16>, StoreError> {
        let row = setting::Entity::find_by_id("shards".to_owned())
            .one(&self.read)
            .await
            .map_err(|source| self.failed(source))?;
        row.map(|row| {
            row.value.parse().map_err(|error| StoreError::Corrupt {
                what: format!("setting shards of the {} database", self.service),
                source: Box::new(error),
            })
        })
        .transpose()
    }

    async fn fix_shards(&self, shards: u16) -> Result<(), StoreError> {
        match self.shards().await? {
            Some(fixed) if fixed == shards => Ok(()),
            Some(fixed) => Err(StoreError::Configuration(format!(
                "COUNTERFOIL_SHARDS is {shards}, but the {} database was made for {fixed}; allowed: {fixed}",
                self.service
            ))),
            None => self.set("shards", &shards.to_string()).await,
        }
    }

    /// Writes a setting, in the place of a former value. Only before the journal is started and
    /// after it has ended.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when it cannot be written.
    pub(crate) async fn set(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let row = setting::ActiveModel {
            name: ActiveValue::Set(name.to_owned()),
            value: ActiveValue::Set(value.to_owned()),
        };
        let renewed = OnConflict::column(setting::Column::Name)
            .update_column(setting::Column::Value)
            .to_owned();

        setting::Entity::insert(row)
            .on_conflict(renewed)
            .exec_without_returning(&self.write)
            .await
            .map(drop)
            .map_err(|error| unusable::opening(&self.file, &error))
    }

    pub(crate) fn failed(&self, source: DbErr) -> StoreError {
        StoreError::Database {
            what: self.service.to_string(),
            source,
        }
    }
}

/// The file of a service's embedded database in a data folder.
#[must_use]
pub fn file_of(service: Service, folder: &Path) -> PathBuf {
    folder.join(format!("{service}.db"))
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Use {
    Write,
    Read,
}

pub(crate) async fn connect(file: &Path, r#use: Use) -> Result<DatabaseConnection, DbErr> {
    let mode = if r#use == Use::Write { "rwc" } else { "rw" };
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode={mode}", file.display()));
    let connections = if r#use == Use::Write { 1 } else { READERS };
    options
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| pragmas(sqlite, r#use));
    // Connections of SQLite do not age; a new one would only start with a cold cache.
    options.max_lifetime(None).idle_timeout(None);
    Database::connect(options).await
}

fn pragmas(sqlite: SqliteConnectOptions, r#use: Use) -> SqliteConnectOptions {
    let sqlite = sqlite
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("mmap_size", MAPPED_BYTES.to_string())
        .busy_timeout(Duration::from_secs(5));
    match r#use {
        Use::Write => sqlite
            .pragma("cache_size", format!("-{WRITER_CACHE_KIB}"))
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
            .pragma("journal_size_limit", "67108864"),
        Use::Read => sqlite.pragma("query_only", "ON"),
    }
}
