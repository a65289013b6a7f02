//! A service's private database: a few connections that only read it. The journal has one of its
//! own, through which it writes.

mod connecting;
mod files;
pub(crate) mod postgres;
mod prepared;
mod reading;
mod releases;
pub(crate) mod unusable;
mod wal;

use std::path::{Path, PathBuf};

use sagas::Service;
#[cfg(feature = "testing")]
use sea_orm::MockDatabaseConnection;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait};

use crate::faults::Faults;
use crate::journal::CommitStore;
use crate::journal::postgres::PostgresStore;
use crate::journal::sqlite::SqliteStore;
use crate::tables::setting;
use crate::{ServiceSchema, StoreError, migrations};

pub(crate) use connecting::{Use, connect, open_to_commit};
pub(crate) use files::all_of;
use postgres::opening::Opening;
use prepared::made_for;

pub use postgres::PostgresAddress;
pub use postgres::occupancy::Occupancy;
pub use postgres::striving::Striving;
pub use reading::Reading;

/// The database of one service.
#[derive(Clone, Debug)]
pub struct ServiceDatabase {
    /// Whose it is.
    pub service: Service,
    /// What it keeps beside the mechanism's tables.
    pub(crate) schema: ServiceSchema,
    pub(crate) location: Location,
    /// Reads what is committed; cannot write.
    pub read: Reading,
}

/// Where a database is.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    /// In a file; `-wal` and `-shm` files lie beside it.
    File(PathBuf),
    /// On a server.
    Postgres(PostgresAddress),
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
        let writing = migrated(&schema, &file).await?;
        let read = connect(&file, Use::Read)
            .await
            .map_err(|error| unusable::opening(&file, &error))?;

        let database = ServiceDatabase {
            service: schema.service,
            schema,
            location: Location::File(file.clone()),
            read: Reading::file(read),
        };
        let failed = |error: &DbErr| unusable::opening(&file, error);
        note_start(schema.service, &writing, shards, failed).await?;
        let closed = writing.close().await;
        closed.map_err(|error| unusable::opening(&file, &error))?;

        Ok(database)
    }

    /// Opens the database of a service on a PostgreSQL server, where it must be there, and brings
    /// its schema up to date. `shards` is fixed at the first start. Connections belong to the
    /// runtime that this is called in.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] when the server does not answer, or only reads: it may do so
    /// later. [`StoreError::Unusable`] when it does not let this process in,
    /// [`StoreError::Configuration`] when the database was made for another number of shards or by
    /// a newer release.
    pub async fn open_postgres(
        schema: ServiceSchema,
        address: &PostgresAddress,
        shards: u16,
    ) -> Result<Self, StoreError> {
        schema.register()?;
        let opening = Opening {
            schema: &schema,
            address,
        };
        let service = schema.service;
        let failed = |error: &DbErr| postgres::errors::opening_by_sea_orm(address, service, error);

        opening
            .migrated(async |writing| note_start(service, writing, shards, failed).await)
            .await?;
        Self::on_postgres(schema, address).await
    }

    /// Opens an existing database on a PostgreSQL server to read only.
    ///
    /// # Errors
    /// When the server does not answer, or there is none.
    pub async fn open_postgres_to_read(
        schema: ServiceSchema,
        address: &PostgresAddress,
    ) -> Result<Self, StoreError> {
        schema.register()?;
        Self::on_postgres(schema, address).await
    }

    async fn on_postgres(
        schema: ServiceSchema,
        address: &PostgresAddress,
    ) -> Result<Self, StoreError> {
        Ok(ServiceDatabase {
            service: schema.service,
            schema,
            location: Location::Postgres(address.clone()),
            read: address.readers(schema.service).await?,
        })
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
            location: Location::File(file),
            read: Reading::file(read),
        })
    }

    /// A database in memory.
    #[cfg(feature = "testing")]
    pub(crate) fn simulated(
        schema: ServiceSchema,
        read: MockDatabaseConnection,
    ) -> Result<Self, StoreError> {
        schema.register()?;
        Ok(ServiceDatabase {
            service: schema.service,
            schema,
            location: Location::File(PathBuf::from("memory")),
            read: Reading::memory(read),
        })
    }

    /// The writing side, for the journal.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn commit_store(&self, faults: Faults) -> Result<Box<dyn CommitStore>, StoreError> {
        Ok(match &self.location {
            Location::File(file) => Box::new(SqliteStore::open(self.service, file, faults)?),
            Location::Postgres(address) => {
                Box::new(PostgresStore::new(self.service, address.clone(), faults))
            }
        })
    }

    /// The first of these messages that the service leaves out, if it says which it has.
    #[must_use]
    pub fn left_out(
        &self,
        messages: impl IntoIterator<Item = &'static str>,
    ) -> Option<&'static str> {
        let read = self.schema.read_versions()?;
        messages.into_iter().find(|name| !read.contains_key(name))
    }

    /// Where it is, without secrets.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.location {
            Location::File(file) => file.display().to_string(),
            Location::Postgres(address) => address.to_string(),
        }
    }

    /// Closes the connections.
    pub async fn close(self) {
        if let Err(error) = self.read.close().await {
            tracing::warn!(service = %self.service, error = %error, "a connection does not close");
        }
    }

    /// The number of shards the database was made for.
    ///
    /// # Errors
    /// When the database does not answer, or its setting cannot be read.
    pub async fn shards(&self) -> Result<Option<u16>, StoreError> {
        fixed_shards(self.service, &self.read, |source| self.failed(source)).await
    }

    /// Writes a setting, in the place of a former value. Only before the journal is started and
    /// after it has ended.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) async fn set(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let failed = |error: DbErr| self.unusable(&error);
        let writing = self.writing().await?;
        let set = set_on(&writing, name, value).await.map_err(failed);
        writing.close().await.map_err(failed)?;
        set
    }

    /// A connection that writes beside the journal.
    pub(crate) async fn writing(&self) -> Result<DatabaseConnection, StoreError> {
        match &self.location {
            Location::File(file) => {
                let connected = connect(file, Use::Write).await;
                connected.map_err(|error| self.unusable(&error))
            }
            Location::Postgres(address) => address.writer(self.service).await,
        }
    }

    /// What has failed while nothing rests on the database yet.
    fn unusable(&self, error: &DbErr) -> StoreError {
        match &self.location {
            Location::File(file) => unusable::opening(file, error),
            Location::Postgres(address) => {
                postgres::errors::opening_by_sea_orm(address, self.service, error)
            }
        }
    }

    pub(crate) fn failed(&self, source: DbErr) -> StoreError {
        StoreError::Database {
            what: self.service.to_string(),
            source,
        }
    }
}

/// Notes which release has opened a database last, and fixes its number of shards. This write also
/// shows whether the database can be written, before anything rests on it.
async fn note_start(
    service: Service,
    writing: &impl ConnectionTrait,
    shards: u16,
    failed: impl Fn(&DbErr) -> StoreError,
) -> Result<(), StoreError> {
    let failed = |error: DbErr| failed(&error);
    let release = env!("CARGO_PKG_VERSION");
    set_on(writing, "release", release).await.map_err(failed)?;

    match fixed_shards(service, writing, failed).await? {
        Some(fixed) if fixed == shards => Ok(()),
        Some(fixed) => Err(made_for(service, fixed, shards)),
        None => {
            let set = set_on(writing, "shards", &shards.to_string()).await;
            set.map_err(failed)
        }
    }
}

/// The number of shards that a database was made for.
async fn fixed_shards(
    service: Service,
    connection: &impl ConnectionTrait,
    failed: impl Fn(DbErr) -> StoreError,
) -> Result<Option<u16>, StoreError> {
    let row = setting::Entity::find_by_id("shards".to_owned())
        .one(connection)
        .await
        .map_err(failed)?;
    let shards = row.map(|row| row.value.parse()).transpose();
    shards.map_err(|error| StoreError::Corrupt {
        what: format!("setting shards of the {service} database"),
        source: Box::new(error),
    })
}

async fn set_on(writing: &impl ConnectionTrait, name: &str, value: &str) -> Result<(), DbErr> {
    let row = setting::ActiveModel {
        name: ActiveValue::Set(name.to_owned()),
        value: ActiveValue::Set(value.to_owned()),
    };
    let renewed = OnConflict::column(setting::Column::Name)
        .update_column(setting::Column::Value)
        .to_owned();

    setting::Entity::insert(row)
        .on_conflict(renewed)
        .exec_without_returning(writing)
        .await
        .map(drop)
}

/// Brings the schema in a file up to date, and gives the connection that did so.
async fn migrated(schema: &ServiceSchema, file: &Path) -> Result<DatabaseConnection, StoreError> {
    let failed = |error: DbErr| unusable::opening(file, &error);
    let writing = connect(file, Use::Write).await.map_err(failed)?;

    let place = file.display().to_string();
    releases::refuse_newer(schema, &place, &writing, failed).await?;
    migrations::migrate(schema, &writing)
        .await
        .map_err(failed)?;
    Ok(writing)
}

/// The file of a service's embedded database in a data folder.
#[must_use]
pub fn file_of(service: Service, folder: &Path) -> PathBuf {
    folder.join(format!("{service}.db"))
}

#[cfg(test)]
impl ServiceDatabase {
    /// The file of an embedded database.
    pub(crate) fn file(&self) -> &Path {
        match &self.location {
            Location::File(file) => file,
            Location::Postgres(address) => panic!("{address} is no file"),
        }
    }
}

#[cfg(test)]
mod tests;
