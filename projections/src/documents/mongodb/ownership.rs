//! Whose a generation is, and whether its collections are still those it was made with: both are
//! noted in the document of its positions.
//!
//! A database may be shared with another deployment by mistake. Whatever has that one's id on it is
//! neither written nor dropped here. And people may drop a collection, or put another in its place,
//! while a node runs; writing would silently make a new one that has next to nothing. Each
//! collection of MongoDB has an id of its own that tells.

use futures_util::TryStreamExt as _;
use mongodb::Database;
use mongodb::bson::{Bson, Document, doc};
use mongodb::results::CollectionType;
use uuid::Uuid;

use super::Names;
use super::errors::{DUPLICATE_KEY, code_of, failed};
use super::positions::COLLECTION;
use crate::ViewError;
use crate::documents::{VIEW, damaged};

const DEPLOYMENT: &str = "deployment";
const COLLECTIONS: &str = "collections";

/// Makes a generation this deployment's.
///
/// # Errors
/// [`ViewError::Foreign`] when it is another's.
pub(super) async fn claim(
    database: &Database,
    generation: u32,
    deployment: Uuid,
) -> Result<(), ViewError> {
    let ours = deployment.to_string();
    let free_or_ours = doc! {
        "_id": i64::from(generation),
        "$or": [{DEPLOYMENT: &ours}, {DEPLOYMENT: {"$exists": false}}],
    };

    let claimed = database
        .collection::<Document>(COLLECTION)
        .update_one(free_or_ours, doc! {"$set": {DEPLOYMENT: &ours}})
        .upsert(true)
        .await;

    match claimed {
        Err(error) if code_of(&error) == Some(DUPLICATE_KEY) => {
            not_of_another(database, generation, deployment).await
        }
        claimed => claimed.map(drop).map_err(failed),
    }
}

/// The deployment that has made a generation, where that is noted.
pub(super) async fn owner(database: &Database, generation: u32) -> Result<Option<Uuid>, ViewError> {
    let noted = noted(database, generation).await?;
    let owner = noted
        .as_ref()
        .and_then(|noted| noted.get_str(DEPLOYMENT).ok());
    Ok(owner.and_then(|owner| owner.parse().ok()))
}

/// # Errors
/// [`ViewError::Foreign`] when a generation is another deployment's.
pub(super) async fn not_of_another(
    database: &Database,
    generation: u32,
    deployment: Uuid,
) -> Result<(), ViewError> {
    match owner(database, generation).await? {
        Some(other) if other != deployment => Err(ViewError::foreign(VIEW, other, deployment)),
        _ => Ok(()),
    }
}

/// Whether the collections of a generation are those that were noted; false when none were.
///
/// # Errors
/// [`ViewError::Damaged`] when one is not, or is no collection; [`ViewError::Foreign`] when the
/// generation is another deployment's.
pub(super) async fn is_unchanged(
    database: &Database,
    names: &Names,
    deployment: Uuid,
) -> Result<bool, ViewError> {
    let found = collections(database, names).await?;
    let noted = noted(database, names.generation).await?;

    if let Some(other) = noted
        .as_ref()
        .and_then(|noted| noted.get_str(DEPLOYMENT).ok())
        && other != deployment.to_string()
    {
        let other = other.parse().unwrap_or_default();
        return Err(ViewError::foreign(VIEW, other, deployment));
    }

    let Some(noted) = noted else {
        return Err(damaged("its positions are gone"));
    };
    if let Ok(collections) = noted.get_document(COLLECTIONS) {
        let changed = [&names.customers, &names.orders]
            .into_iter()
            .find(|name| found.get(name.as_str()) != collections.get(name.as_str()));
        return match changed {
            Some(name) => Err(damaged(format_args!("{name} is not the collection it was"))),
            None => Ok(true),
        };
    }

    // Release 0.1 has noted nothing.
    let has_positions = noted
        .get_document("positions")
        .is_ok_and(|positions| !positions.is_empty());
    if has_positions && found.len() < 2 {
        return Err(damaged("a collection is gone"));
    }
    Ok(false)
}

/// Notes the collections of a generation as they are.
pub(super) async fn note(database: &Database, names: &Names) -> Result<(), ViewError> {
    let found = collections(database, names).await?;
    database
        .collection::<Document>(COLLECTION)
        .update_one(
            doc! {"_id": i64::from(names.generation)},
            doc! {"$set": {COLLECTIONS: found}},
        )
        .await
        .map_err(failed)?;
    Ok(())
}

async fn noted(database: &Database, generation: u32) -> Result<Option<Document>, ViewError> {
    database
        .collection::<Document>(COLLECTION)
        .find_one(doc! {"_id": i64::from(generation)})
        .await
        .map_err(failed)
}

/// The collections of a generation that exist, with their ids.
async fn collections(database: &Database, names: &Names) -> Result<Document, ViewError> {
    let wanted = doc! {"name": {"$in": [&names.customers, &names.orders]}};
    let listed = database.list_collections().filter(wanted).await;
    let listed: Vec<_> = listed
        .map_err(failed)?
        .try_collect()
        .await
        .map_err(failed)?;

    let mut found = Document::new();
    for specification in listed {
        if specification.collection_type != CollectionType::Collection {
            return Err(damaged(format_args!(
                "{} is no collection",
                specification.name
            )));
        }
        let id = specification.info.uuid.map_or(Bson::Null, Bson::Binary);
        found.insert(specification.name, id);
    }
    Ok(found)
}
