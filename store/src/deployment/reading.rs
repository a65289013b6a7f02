//! The databases of a deployment as whoever only reads them finds them: made, brought up to date and
//! given their id by nodes that own shards. Until one has done so there is nothing to read.

use uuid::Uuid;

use super::{Deployment, Home, accounts, compare};
use crate::{ServiceDatabase, ServiceSchema, StoreError};

impl Deployment {
    /// Opens the databases of all services, each where it is at home, and writes nothing.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] while a server does not answer, or no node that owns shards has
    /// been there: one may have been later. [`StoreError::Misfit`] when the databases do not belong
    /// together, [`StoreError::Configuration`] when one was made for another number of shards or by
    /// a newer release.
    pub async fn open_to_read(
        services: &[(ServiceSchema, Home)],
        shards: u16,
    ) -> Result<Self, StoreError> {
        let mut databases = Vec::new();
        let belong = async {
            for (schema, home) in services {
                let database = home.open_to_read(*schema).await?;
                databases.push(database.clone());
                database.is_prepared_for(shards).await?;
            }
            belong(&databases).await
        };

        match belong.await {
            Ok((id, origin)) => Ok(Deployment {
                id,
                origin,
                databases,
            }),
            Err(error) => {
                for database in databases {
                    database.close().await;
                }
                Err(error)
            }
        }
    }
}

/// To which deployment they belong, and which one began its history.
async fn belong(databases: &[ServiceDatabase]) -> Result<(Uuid, Uuid), StoreError> {
    let accounts = accounts(databases).await?;
    let id = accounts.iter().find_map(|account| account.deployment);
    let unfinished = databases
        .iter()
        .zip(&accounts)
        .find(|(_, account)| !account.complete);
    match (id, unfinished) {
        (Some(id), None) => {
            compare(&accounts)?;
            let origin = accounts.iter().find_map(|account| account.origin);
            Ok((id, origin.unwrap_or(id)))
        }
        (_, Some((database, _))) => Err(database.not_prepared("it belongs to no deployment yet")),
        (None, None) => Err(StoreError::Configuration(
            "a deployment has no database".to_owned(),
        )),
    }
}
