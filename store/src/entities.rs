//! Entities of services that need no tables of their own: their state as JSON in one table.
//!
//! That is enough for a service that looks for its entities by id alone. One that counts, sums or
//! searches in its own database keeps columns, in tables of its own.

use sagas::{Fingerprint, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::loading::{self, Found, MemoryColumns};
use crate::mapping::{self, Memory, Stored};
use crate::tables::entity;
use crate::{ServiceDatabase, StoreError};

/// An entity with what its row says of it beside its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// What its service decides on. A name in it, once written, means the same for ever: what is
    /// stored must be readable by every later release.
    pub state: T,
    /// 1 or more; raised by each event.
    pub version: u64,
    /// Of its first event.
    pub created_at: Timestamp,
    /// Of its newest event.
    pub updated_at: Timestamp,
}

/// The row of an entity, to be inserted or updated by [`Journaled`](crate::row_changes::Journaled).
///
/// # Errors
/// When its state has no JSON form, such as a map whose keys are no texts.
pub fn to_row<T: Serialize>(
    id: Uuid,
    stored: &Stored<Versioned<T>>,
) -> Result<entity::Model, StoreError> {
    let entity = &stored.entity;

    let state = serde_json::to_string(&entity.state).map_err(|e| StoreError::Corrupt {
        what: format!("entity {id}"),
        source: Box::new(e),
    })?;

    Ok(entity::Model {
        entity_id: id,
        version: mapping::signed(entity.version),
        state,
        created_at: entity.created_at.micros(),
        updated_at: entity.updated_at.micros(),
        request_fingerprint: stored.created_by.map(|fingerprint| fingerprint.0),
        remembered_keys: mapping::keys_to_column(&stored.remembered),
    })
}

fn from_row<T: DeserializeOwned>(row: entity::Model) -> Result<Stored<Versioned<T>>, StoreError> {
    let id = row.entity_id;
    let what = || format!("entity {id}");

    let state = serde_json::from_str(&row.state).map_err(|e| StoreError::Corrupt {
        what: what(),
        source: Box::new(e),
    })?;

    Ok(Stored {
        entity: Versioned {
            state,
            version: mapping::version(row.version, what)?,
            created_at: Timestamp::from_micros(row.created_at),
            updated_at: Timestamp::from_micros(row.updated_at),
        },
        created_by: row.request_fingerprint.map(Fingerprint),
        remembered: mapping::keys_from_column(row.remembered_keys.as_deref(), what)?,
    })
}

/// The entities among `ids` that exist.
///
/// # Errors
/// When the database does not answer.
pub async fn load<T: DeserializeOwned>(
    database: &ServiceDatabase,
    ids: &[Uuid],
) -> Result<Found<Uuid, Stored<Versioned<T>>>, StoreError> {
    let query = async |ids: Vec<Uuid>| {
        entity::Entity::find()
            .filter(entity::Column::EntityId.is_in(ids))
            .all(&database.read)
            .await
    };

    let read = |row: entity::Model| (row.entity_id, from_row(row));
    loading::by_ids(database, ids, "entity", query, read).await
}

/// What the rows of the entities among `ids` remember. Their states are not looked at.
///
/// # Errors
/// When the database does not answer.
pub async fn memories(
    database: &ServiceDatabase,
    ids: &[Uuid],
) -> Result<Found<Uuid, Memory>, StoreError> {
    let columns = MemoryColumns {
        id: entity::Column::EntityId,
        version: entity::Column::Version,
        request_fingerprint: entity::Column::RequestFingerprint,
        remembered_keys: entity::Column::RememberedKeys,
    };
    loading::memories::<entity::Entity>(database, ids, "entity", columns).await
}

#[cfg(test)]
mod tests;
