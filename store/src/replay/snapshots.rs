//! Snapshots of entities: one row each, written in the unit of an event.
//!
//! In the same unit, so that there is never one of a state that has not become durable, and so that
//! it costs no commit of its own. It replaces the one before, whatever is in its row: a snapshot
//! refuses no unit.

use std::collections::HashMap;

use metrics::counter;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::row_changes::{Journaled, RowChange};
use crate::tables::entity_snapshot;
use crate::{ServiceDatabase, StoreError, loading, mapping, metric_names};

/// The row of a snapshot of an entity at this version; `None` when the state has no JSON form.
#[must_use]
pub fn snapshot_row<T: Serialize>(
    id: Uuid,
    version: u64,
    form: u16,
    state: &T,
) -> Option<RowChange> {
    let row = entity_snapshot::Model {
        entity_id: id,
        version: mapping::signed(version),
        form: i64::from(form),
        state: serde_json::to_string(state).ok()?,
    };
    Some(row.replace())
}

/// The snapshots of this form, with their versions. What cannot be used is told of and left out.
pub(super) async fn load<T: DeserializeOwned>(
    database: &ServiceDatabase,
    form: u16,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, (u64, T)>, StoreError> {
    let query = async |ids: Vec<Uuid>| {
        entity_snapshot::Entity::find()
            .filter(entity_snapshot::Column::EntityId.is_in(ids))
            .all(&database.read)
            .await
    };
    let read = |row: entity_snapshot::Model| (row.entity_id, read(row, form));
    let found = loading::by_ids(database, ids, "snapshot of entity", query, read).await?;

    let mut usable = HashMap::with_capacity(found.len());
    for (id, snapshot) in found {
        match snapshot {
            Ok(snapshot) => {
                usable.insert(id, snapshot);
            }
            Err(error) => tell_unusable(database, id, &error),
        }
    }
    Ok(usable)
}

fn read<T: DeserializeOwned>(
    row: entity_snapshot::Model,
    form: u16,
) -> Result<(u64, T), StoreError> {
    let what = || format!("snapshot of entity {}", row.entity_id);
    let corrupt = |source| StoreError::Corrupt {
        what: what(),
        source,
    };

    if row.form != i64::from(form) {
        let other = format!(
            "it has form {}, and this release writes form {form}",
            row.form
        );
        return Err(corrupt(other.into()));
    }
    let version = mapping::version(row.version, what)?;
    let state = serde_json::from_str(&row.state).map_err(|error| corrupt(error.into()))?;
    Ok((version, state))
}

/// Says that a snapshot is of no use. The next one takes its place.
pub(super) fn tell_unusable(database: &ServiceDatabase, id: Uuid, error: &StoreError) {
    let service = database.service.name();
    counter!(metric_names::SNAPSHOTS_UNUSABLE, "service" => service).increment(1);
    tracing::warn!(
        service, entity.id = %id, error = %error.chain(),
        "a snapshot cannot be used: the history is folded from its beginning"
    );
}
