//! Sagas: mapping between domain and rows, and loading.

use std::collections::HashMap;

use domain::saga::{Saga, SagaKind, SagaState};
use domain::{CustomerId, Money, OrderId, RejectionReason, SagaId, ShardId, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::mapping::{self, RememberedKey};
use crate::tables::saga;
use crate::{ServiceDatabase, StoreError};

/// A saga and what its row remembers besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSaga {
    pub saga: Saga,
    pub remembered: Vec<RememberedKey>,
}

/// The row of a saga.
///
/// # Errors
/// When the steps have no JSON form, which cannot happen.
pub fn to_row(stored: &StoredSaga, shard: ShardId) -> Result<saga::Model, StoreError> {
    let saga = &stored.saga;

    let steps = serde_json::to_string(&saga.steps).map_err(|e| StoreError::Corrupt {
        what: format!("saga {}", saga.id),
        source: Box::new(e),
    })?;

    Ok(saga::Model {
        saga_id: saga.id.0,
        kind: saga.kind.name().to_owned(),
        state: saga.state.name().to_owned(),
        shard: i32::from(shard.number),
        order_id: saga.order_id.0,
        customer_id: saga.customer_id.0,
        amount_cents: saga.amount.cents(),
        order_version: mapping::signed(saga.order_version),
        customer_name: saga.customer_name.clone(),
        customer_version: saga.customer_version.map(mapping::signed),
        reason: saga.reason.map(|reason| reason.name().to_owned()),
        steps,
        attempts: i32::try_from(saga.attempts).unwrap_or(i32::MAX),
        started_at: saga.started_at.micros(),
        updated_at: saga.updated_at.micros(),
        ended_at: saga.ended_at.map(Timestamp::micros),
        deadline: saga.deadline.micros(),
        wake_at: saga.wake_at.map(Timestamp::micros),
        version: mapping::signed(saga.version),
        remembered_keys: mapping::keys_to_column(&stored.remembered),
    })
}

/// Reads a row back.
///
/// # Errors
/// When a name or the steps cannot be read.
pub fn from_row(row: saga::Model) -> Result<StoredSaga, StoreError> {
    let id = row.saga_id;
    let what = || format!("saga {id}");

    let reason = row.reason.as_deref();
    let reason = reason
        .map(|name| mapping::named(RejectionReason::from_name(name), name, what))
        .transpose()?;

    let steps = serde_json::from_str(&row.steps).map_err(|e| StoreError::Corrupt {
        what: what(),
        source: Box::new(e),
    })?;

    Ok(StoredSaga {
        saga: Saga {
            id: SagaId(row.saga_id),
            kind: mapping::named(SagaKind::from_name(&row.kind), &row.kind, what)?,
            state: mapping::named(SagaState::from_name(&row.state), &row.state, what)?,
            order_id: OrderId(row.order_id),
            customer_id: CustomerId(row.customer_id),
            amount: Money::from_cents(row.amount_cents),
            order_version: mapping::unsigned(row.order_version),
            customer_name: row.customer_name,
            customer_version: row.customer_version.map(mapping::unsigned),
            reason,
            steps,
            attempts: u32::try_from(row.attempts).unwrap_or(0),
            started_at: Timestamp::from_micros(row.started_at),
            updated_at: Timestamp::from_micros(row.updated_at),
            ended_at: row.ended_at.map(Timestamp::from_micros),
            deadline: Timestamp::from_micros(row.deadline),
            wake_at: row.wake_at.map(Timestamp::from_micros),
            version: mapping::unsigned(row.version),
        },
        remembered: mapping::keys_from_column(row.remembered_keys.as_deref(), what)?,
    })
}

/// The sagas among `ids` that exist.
///
/// # Errors
/// When the database does not answer, or a row cannot be read.
pub async fn load(
    database: &ServiceDatabase,
    ids: &[SagaId],
) -> Result<HashMap<SagaId, StoredSaga>, StoreError> {
    let mut found = HashMap::with_capacity(ids.len());

    for ids in ids.chunks(mapping::IDS_PER_QUERY) {
        let rows = saga::Entity::find()
            .filter(saga::Column::SagaId.is_in(ids.iter().map(|id| id.0)))
            .all(&database.read)
            .await
            .map_err(|e| database.failed(e))?;
        for row in rows {
            found.insert(SagaId(row.saga_id), from_row(row)?);
        }
    }

    Ok(found)
}

/// The open sagas of a shard that want to be woken, with the time.
///
/// # Errors
/// When the database does not answer.
pub async fn timers(
    database: &ServiceDatabase,
    shard: ShardId,
) -> Result<Vec<(SagaId, Timestamp)>, StoreError> {
    let rows: Vec<(Uuid, Option<i64>)> = saga::Entity::find()
        .select_only()
        .column(saga::Column::SagaId)
        .column(saga::Column::WakeAt)
        .filter(saga::Column::Shard.eq(i32::from(shard.number)))
        .filter(saga::Column::EndedAt.is_null())
        .filter(saga::Column::WakeAt.is_not_null())
        .into_tuple()
        .all(&database.read)
        .await
        .map_err(|e| database.failed(e))?;
    Ok(rows
        .into_iter()
        .filter_map(|(id, wake_at)| Some((SagaId(id), Timestamp::from_micros(wake_at?))))
        .collect())
}
