//! Entities that need no table of their own: their state as JSON.

use store::entities::{self, Versioned};
use store::loading::Found;
use store::mapping::Stored;
use store::tables::entity;
use store::{ServiceDatabase, StoreError};
use uuid::Uuid;

use super::Entity;

pub(super) fn row<E: Entity>(stored: &Stored<E>) -> Result<entity::Model, StoreError> {
    let head = stored.entity.head();
    let versioned = Stored {
        entity: Versioned {
            state: &stored.entity,
            version: head.version,
            created_at: head.created_at,
            updated_at: head.updated_at,
        },
        created_by: stored.created_by,
        remembered: stored.remembered.clone(),
    };
    entities::to_row(head.id, &versioned)
}

pub(super) async fn load<E: Entity>(
    database: &ServiceDatabase,
    ids: &[Uuid],
) -> Result<Found<Uuid, Stored<E>>, StoreError> {
    let found = entities::load::<E>(database, ids).await?;

    let plain = |stored: Stored<Versioned<E>>| Stored {
        entity: stored.entity.state,
        created_by: stored.created_by,
        remembered: stored.remembered,
    };
    let entries = found.into_iter();
    Ok(entries
        .map(|(id, stored)| (id, stored.map(plain)))
        .collect())
}
