//! Which databases belong together.
//!
//! The services of a deployment share nothing, and yet each remembers how far it has read the
//! others. So a database that is put beside strangers, or beside newer ones than it has left, would
//! answer wrongly for ever and nobody could say since when. Each database therefore carries the id
//! of its deployment, and what it has seen of the others; a start compares all of them before
//! anything rests on one ([`compare`]).
//!
//! The id is given in two steps, each a durable write: first every database has it, then each is
//! told that all have. A process that dies in between leaves a set that no node has worked on, and
//! the next start goes on. Databases of releases without identity get theirs in the same way, when
//! they fit together.

mod account;
mod account_in_file;
mod misfit;
mod owning;
mod stored_account;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use sagas::Service;
use uuid::Uuid;

use crate::database::postgres::occupancy::Turn;
use crate::database::{Location, PostgresAddress, file_of, unusable};
use crate::{ServiceDatabase, ServiceSchema, StoreError, backup};

pub use account::{Account, ShardName};
pub use misfit::{Misfit, compare};

/// The settings in which a database keeps its part.
pub(crate) const ID: &str = "deployment";
pub(crate) const ORIGIN: &str = "deployment_origin";
pub(crate) const COMPLETE: &str = "deployment_complete";
pub(crate) const SEEN: &str = "deployment_seen";

/// The databases of one deployment, which fit together.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The same in each of its databases.
    pub id: Uuid,
    /// The deployment that began this history: another one when this was restored from a backup.
    /// What callers hold of that one means the same here.
    pub origin: Uuid,
    /// In the order of the schemas that were given.
    pub databases: Vec<ServiceDatabase>,
    /// The services whose databases this node writes to.
    pub owned: BTreeSet<Service>,
}

/// Where a service's database is to be.
#[derive(Clone, Debug)]
pub enum Home {
    /// In a file of this folder.
    Folder(PathBuf),
    /// On a server, where it must have been made.
    Postgres(PostgresAddress),
}

impl Home {
    /// The file, when it is to be one and is not there yet.
    fn missing_file(&self, service: Service) -> Option<PathBuf> {
        let Home::Folder(folder) = self else {
            return None;
        };
        let file = file_of(service, folder);
        (!file.exists()).then_some(file)
    }

    /// Opens an existing database to read only, with or without a node running on it.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn open_to_read(&self, schema: ServiceSchema) -> Result<ServiceDatabase, StoreError> {
        match self {
            Home::Folder(folder) => ServiceDatabase::open_to_read(schema, folder).await,
            Home::Postgres(address) => {
                ServiceDatabase::open_postgres_to_read(schema, address).await
            }
        }
    }

    async fn open(
        &self,
        schema: ServiceSchema,
        shards: u16,
    ) -> Result<ServiceDatabase, StoreError> {
        match self {
            Home::Folder(folder) => ServiceDatabase::open_embedded(schema, folder, shards).await,
            Home::Postgres(address) => {
                ServiceDatabase::open_postgres(schema, address, shards).await
            }
        }
    }
}

impl Deployment {
    /// Opens the embedded databases of all services in a folder, making them at the first start.
    /// Call it before any journal: it writes.
    ///
    /// # Errors
    /// [`StoreError::Misfit`] when they do not belong together, otherwise as
    /// [`ServiceDatabase::open_embedded`].
    pub async fn open_embedded(
        services: &[ServiceSchema],
        folder: &Path,
        shards: u16,
    ) -> Result<Self, StoreError> {
        let home = |schema: &ServiceSchema| (*schema, Home::Folder(folder.to_owned()));
        let services: Vec<_> = services.iter().map(home).collect();
        Self::open(&services, shards).await
    }

    /// Opens the databases of all services, each where it is at home. Call it before any journal:
    /// it writes.
    ///
    /// # Errors
    /// [`StoreError::Misfit`] when they do not belong together, otherwise as
    /// [`ServiceDatabase::open_embedded`] and [`ServiceDatabase::open_postgres`].
    pub async fn open(services: &[(ServiceSchema, Home)], shards: u16) -> Result<Self, StoreError> {
        let folders: BTreeSet<&Path> = services
            .iter()
            .filter_map(|(_, home)| match home {
                Home::Folder(folder) => Some(folder.as_path()),
                Home::Postgres(_) => None,
            })
            .collect();
        for folder in &folders {
            backup::refuse_unfinished_restore(folder)?;
        }

        // Opens what is there before it makes anything beside it.
        let mut databases = Vec::new();
        let (missing, present): (Vec<_>, Vec<_>) = services
            .iter()
            .partition(|(schema, home)| home.missing_file(schema.service).is_some());
        for (schema, home) in present {
            databases.push(home.open(*schema, shards).await?);
        }
        let file = missing
            .first()
            .and_then(|(schema, home)| home.missing_file(schema.service));
        if let Some(file) = file {
            let accounts = accounts(&databases).await?;
            misfit::refuse_missing(&file, &accounts)?;
        }

        for (schema, home) in missing {
            databases.push(home.open(*schema, shards).await?);
        }
        databases.sort_by_key(|database| {
            services
                .iter()
                .position(|(schema, _)| schema.service == database.service)
        });
        // The files are there after a loss of power, or none is.
        for folder in folders {
            sync(folder)?;
        }

        let turn = turn(services).await?;
        let owned = services.iter().map(|(schema, _)| schema.service).collect();
        let (id, origin) = join(&databases, &owned).await?;
        drop(turn);
        Ok(Deployment {
            id,
            origin,
            databases,
            owned,
        })
    }

    /// Notes in each database that this node writes to what it has seen of the others. Call it when
    /// no journal runs.
    ///
    /// # Errors
    /// When a database does not answer.
    pub async fn note_seen(&self) -> Result<(), StoreError> {
        if self.owned.is_empty() {
            return Ok(());
        }
        let accounts = accounts(&self.databases).await?;
        note_seen(&self.databases, &self.owned, &accounts).await
    }
}

/// Several nodes may start at once on databases on servers; one after the other works out which
/// belong together, so that all of them are given one id.
async fn turn(services: &[(ServiceSchema, Home)]) -> Result<Option<Turn>, StoreError> {
    for (schema, home) in services {
        if let Home::Postgres(address) = home {
            return address.take_turn(schema.service).await.map(Some);
        }
    }
    Ok(None)
}

/// Compares the databases, and gives an id to those of these services that have none. Tells the id,
/// and the origin.
async fn join(
    databases: &[ServiceDatabase],
    owned: &BTreeSet<Service>,
) -> Result<(Uuid, Uuid), StoreError> {
    let accounts = accounts(databases).await?;
    compare(&accounts)?;

    let id = id_of(databases, owned, &accounts)?;
    let origin = accounts.iter().find_map(|account| account.origin);

    let mut nameless = None;
    for (database, account) in databases.iter().zip(&accounts) {
        if account.deployment.is_some() {
            continue;
        }
        match owned.contains(&database.service) {
            true => database.set(ID, &id.to_string()).await?,
            false => nameless = Some(database),
        }
    }
    if let Some(database) = nameless {
        return Err(belongs_nowhere(database));
    }

    for (database, account) in databases.iter().zip(&accounts) {
        if !account.complete && owned.contains(&database.service) {
            database.set(COMPLETE, "true").await?;
        }
    }

    note_seen(databases, owned, &accounts).await?;
    Ok((id, origin.unwrap_or(id)))
}

/// The id that one of them has; or else a new one, given by whoever writes to the first, so that
/// nodes that own different services do not give two.
fn id_of(
    databases: &[ServiceDatabase],
    owned: &BTreeSet<Service>,
    accounts: &[Account],
) -> Result<Uuid, StoreError> {
    let known = accounts.iter().find_map(|account| account.deployment);
    match (known, databases.first()) {
        (Some(id), _) => Ok(id),
        (None, Some(first)) if !owned.contains(&first.service) => Err(belongs_nowhere(first)),
        (None, _) => Ok(Uuid::now_v7()),
    }
}

fn belongs_nowhere(database: &ServiceDatabase) -> StoreError {
    database.not_prepared("it belongs to no deployment yet")
}

async fn note_seen(
    databases: &[ServiceDatabase],
    owned: &BTreeSet<Service>,
    accounts: &[Account],
) -> Result<(), StoreError> {
    let owned = |database: &&ServiceDatabase| owned.contains(&database.service);
    for database in databases.iter().filter(owned) {
        let seen = account::seen_of_others(database.service.name(), accounts)?;
        database.set(SEEN, &seen).await?;
    }
    Ok(())
}

/// The accounts of databases on which other nodes may be at work: first what each has received and
/// seen, then how far each has come, so that nobody seems to have received what was never sent.
async fn accounts(databases: &[ServiceDatabase]) -> Result<Vec<Account>, StoreError> {
    let mut accounts = Vec::with_capacity(databases.len());
    for database in databases {
        accounts.push(account_of(database).await?);
    }

    for (database, account) in databases.iter().zip(&mut accounts) {
        if !matches!(database.location, Location::File(_)) {
            account.ends = account_of(database).await?.ends;
        }
    }
    Ok(accounts)
}

async fn account_of(database: &ServiceDatabase) -> Result<Account, StoreError> {
    let service = database.service.to_string();
    let Location::File(file) = &database.location else {
        return stored_account::read(database).await;
    };

    // Reading waits for the disk.
    let file = file.clone();
    let closed = StoreError::Closed {
        what: service.clone(),
    };
    let reading = tokio::task::spawn_blocking(move || Account::read(&service, &file));
    reading.await.unwrap_or(Err(closed))
}

fn sync(folder: &Path) -> Result<(), StoreError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| unusable::disk(folder, error))
}
