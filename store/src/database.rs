//! A service's private database: a few connections that only read it. The journal has one of its
//! own, through which it writes.

mod connecting;
mod files;
pub(crate) mod unusable;
mod wal;

use std::path::{Path, PathBuf};

use sagas::Service;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue, DatabaseConnection, DbErr, EntityTrait};

use crate::faults::Faults;
use crate::journal::CommitStore;
use crate::journal::sqlite::SqliteStore;
use crate::tables::setting;
use crate::{ServiceSchema, StoreError, migrations};

pub(crate) use connecting::{Use, connect, open_to_commit};
pub(crate) use files::all_of;

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
            file,
            read,
        };
        // Which release has opened it last. This write also shows whether the database can be
        // written, before anything rests on it.
        let release = env!("CARGO_PKG_VERSION");
        database.set_on(&writing, "release", release).await?;
        database.fix_shards(&writing, shards).await?;
        let closed = writing.close().await;
        closed.map_err(|error| unusable::opening(&database.file, &error))?;

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
            read,
        })
    }

    /// A database that is read through any connection of SeaORM.
    #[cfg(feature = "testing")]
    pub(crate) fn simulated(
        schema: ServiceSchema,
        read: DatabaseConnection,
    ) -> Result<Self, StoreError> {
        schema.register()?;
        Ok(ServiceDatabase {
            service: schema.service,
            schema,
            file: PathBuf::from("memory"),
            read,
        })
    }

    /// The writing side, for the journal.
    pub(crate) fn commit_store(&self, faults: Faults) -> Result<Box<dyn CommitStore>, StoreError> {
        let store = SqliteStore::open(self.service, &self.file, faults)?;
        Ok(Box::new(store))
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

    async fn fix_shards(
        &self,
        writing: &DatabaseConnection,
        shards: u16,
    ) -> Result<(), StoreError> {
        match self.shards().await? {
            Some(fixed) if fixed == shards => Ok(()),
            Some(fixed) => Err(StoreError::Configuration(format!(
                "COUNTERFOIL_SHARDS is {shards}, but the {} database was made for {fixed}; \
                 allowed: {fixed}",
                self.service
            ))),
            None => self.set_on(writing, "shards", &shards.to_string()).await,
        }
    }

    /// Writes a setting, in the place of a former value. Only before the journal is started and
    /// after it has ended.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when it cannot be written.
    pub(crate) async fn set(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let failed = |error: DbErr| unusable::opening(&self.file, &error);

        let writing = connect(&self.file, Use::Write).await.map_err(failed)?;
        let set = self.set_on(&writing, name, value).await;
        writing.close().await.map_err(failed)?;
        set
    }

    async fn set_on(
        &self,
        writing: &DatabaseConnection,
        name: &str,
        value: &str,
    ) -> Result<(), StoreError> {
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
            .map_err(|error| unusable::opening(&self.file, &error))
    }

    pub(crate) fn failed(&self, source: DbErr) -> StoreError {
        StoreError::Database {
            what: self.service.to_string(),
            source,
        }
    }
}

/// Brings the schema in a file up to date, and gives the connection that did so.
async fn migrated(schema: &ServiceSchema, file: &Path) -> Result<DatabaseConnection, StoreError> {
    let failed = |error: DbErr| unusable::opening(file, &error);
    let writing = connect(file, Use::Write).await.map_err(failed)?;

    let unknown = migrations::unknown(schema, &writing).await;
    if let Some(unknown) = unknown.map_err(failed)? {
        return Err(StoreError::Configuration(format!(
            "{} was written by a newer release, whose change {unknown} this one does not know; \
             start that release",
            file.display()
        )));
    }

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
mod tests;
