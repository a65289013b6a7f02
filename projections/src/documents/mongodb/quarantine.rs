//! The entities that a generation has in quarantine: a document for each.

use std::collections::HashMap;

use domain::Service;
use futures_util::TryStreamExt as _;
use mongodb::Database;
use mongodb::bson::{Document, deserialize_from_document, doc, serialize_to_bson};
use uuid::Uuid;

use super::errors::failed;
use crate::ViewError;
use crate::documents::{damaged, refused};
use crate::port::QuarantinedEntity;

pub(super) const COLLECTION: &str = "view_quarantine";

/// What changes with the next commit: `None` = it is let go. The last word about an entity counts.
pub(super) type Changes = HashMap<(Service, Uuid), Option<QuarantinedEntity>>;

pub(super) async fn list(
    database: &Database,
    generation: u32,
    limit: Option<usize>,
) -> Result<Vec<QuarantinedEntity>, ViewError> {
    let collection = database.collection::<Document>(COLLECTION);

    let mut find = collection.find(doc! {"generation": i64::from(generation)});
    if let Some(limit) = limit {
        find = find.limit(i64::try_from(limit).unwrap_or(i64::MAX));
    }

    let found: Vec<Document> = find
        .await
        .map_err(failed)?
        .try_collect()
        .await
        .map_err(failed)?;

    let entity = |stored: Document| {
        let detail = stored.get_document("detail").map_err(damaged)?;
        deserialize_from_document(detail.clone()).map_err(damaged)
    };
    found.into_iter().map(entity).collect()
}

pub(super) async fn save(
    database: &Database,
    generation: u32,
    changes: &Changes,
) -> Result<(), ViewError> {
    let collection = database.collection::<Document>(COLLECTION);

    for ((service, entity), change) in changes {
        let id = format!("{generation}/{service}/{entity}");
        match change {
            Some(entity) => {
                let detail = serialize_to_bson(entity).map_err(refused)?;
                let stored =
                    doc! {"_id": &id, "generation": i64::from(generation), "detail": detail};
                collection
                    .replace_one(doc! {"_id": &id}, stored)
                    .upsert(true)
                    .await
                    .map_err(failed)?;
            }
            None => {
                collection
                    .delete_one(doc! {"_id": &id})
                    .await
                    .map_err(failed)?;
            }
        }
    }

    Ok(())
}

pub(super) async fn forget(database: &Database, generation: u32) -> Result<(), ViewError> {
    let collection = database.collection::<Document>(COLLECTION);
    collection
        .delete_many(doc! {"generation": i64::from(generation)})
        .await
        .map_err(failed)?;
    Ok(())
}
