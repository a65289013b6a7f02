//! The databases of a deployment as a node opens them that owns shards of some services, or of
//! none: what it does not own it only reads, once a node that does has made it, brought it up to
//! date and given it its id.

use std::collections::BTreeSet;

use sagas::Service;

use super::{Deployment, Home, join, turn};
use crate::{ServiceDatabase, ServiceSchema, StoreError};

impl Deployment {
    /// Opens the databases of all services, each where it is at home, on a server. Writes only to
    /// those of the services that the node may own shards of. Call it before any journal.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] while a server does not answer, or no node that owns a service
    /// has prepared its database: one may have been later. Otherwise as [`Deployment::open`].
    pub async fn open_owning(
        owned: &BTreeSet<Service>,
        services: &[(ServiceSchema, Home)],
        shards: u16,
    ) -> Result<Self, StoreError> {
        let mut databases = Vec::new();
        let opened = open_all(owned, services, shards, &mut databases);
        match opened.await {
            Ok((id, origin)) => Ok(Deployment {
                id,
                origin,
                databases,
                owned: owned.clone(),
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

async fn open_all(
    owned: &BTreeSet<Service>,
    services: &[(ServiceSchema, Home)],
    shards: u16,
    databases: &mut Vec<ServiceDatabase>,
) -> Result<(uuid::Uuid, uuid::Uuid), StoreError> {
    // Its own first: nodes that own the others may wait for them.
    let is_own = |(schema, _): &&(ServiceSchema, Home)| owned.contains(&schema.service);
    let (own, others): (Vec<_>, Vec<_>) = services.iter().partition(is_own);
    for (schema, home) in own {
        databases.push(home.open(*schema, shards).await?);
    }
    for (schema, home) in others {
        let database = home.open_to_read(*schema).await?;
        databases.push(database.clone());
        database.is_prepared_for(shards).await?;
    }
    databases.sort_by_key(|database| {
        let schemas = services.iter().map(|(schema, _)| schema.service);
        schemas
            .into_iter()
            .position(|service| service == database.service)
    });

    let turn = match owned.is_empty() {
        true => None,
        false => turn(services).await?,
    };
    let joined = join(databases, owned).await;
    drop(turn);
    joined
}
