//! What the view has of entities, for readers who wait.

use std::collections::HashMap;

use domain::Service;
use futures_util::future::{BoxFuture, try_join};
use futures_util::{FutureExt as _, TryStreamExt as _};
use mongodb::Database;
use mongodb::bson::doc;
use serde::Deserialize;
use uuid::Uuid;

use super::MongoDocumentReader;
use crate::ViewError;
use crate::documents::mongodb::READ_BOUND;
use crate::documents::mongodb::errors::failed;
use crate::documents::mongodb::shapes::{id_of, version_of};
use crate::port::VersionReader;

/// What is read of a document to know its version.
#[derive(Deserialize)]
struct Version {
    #[serde(rename = "_id")]
    id: String,
    /// A document that only holds orders has none.
    #[serde(default)]
    version: i64,
}

impl VersionReader for MongoDocumentReader {
    fn versions_of<'a>(
        &'a self,
        entities: &'a [(Service, Uuid)],
    ) -> BoxFuture<'a, Result<Vec<u64>, ViewError>> {
        async move {
            let ids = |service| -> Vec<String> {
                entities
                    .iter()
                    .filter(|(of, _)| *of == service)
                    .map(|(_, id)| id.to_string())
                    .collect()
            };
            let (customers, orders) = (ids(domain::CUSTOMERS), ids(domain::ORDERS));

            let (database, names) = (self.connection.database.clone(), self.names.clone());
            let reading = async move {
                let customers = versions(&database, &names.customers, customers);
                try_join(customers, versions(&database, &names.orders, orders)).await
            };
            let (customers, orders) = self.connection.run(READ_BOUND, reading).await?;

            let version = |(service, id): &(Service, Uuid)| {
                let known = match *service {
                    domain::CUSTOMERS => &customers,
                    _ => &orders,
                };
                known.get(id).copied().unwrap_or(0)
            };

            Ok(entities.iter().map(version).collect())
        }
        .boxed()
    }
}

async fn versions(
    database: &Database,
    collection: &str,
    ids: Vec<String>,
) -> Result<HashMap<Uuid, u64>, ViewError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }

    let collection = database.collection::<Version>(collection);
    let found = collection
        .find(doc! {"_id": {"$in": ids}})
        .projection(doc! {"version": 1})
        .max_time(READ_BOUND);

    let found: Vec<Version> = found
        .await
        .map_err(failed)?
        .try_collect()
        .await
        .map_err(failed)?;

    found
        .into_iter()
        .map(|found| Ok((id_of(&found.id)?, version_of(found.version)?)))
        .collect()
}
