//! Sagas: mapping between domain and rows, and loading.

use domain::saga::{Saga, SagaKind, SagaState};
use domain::{CustomerId, Money, OrderId, RejectionReason, SagaId, ShardId, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, Select};
use uuid::Uuid;

use crate::loading::{self, Found};
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
        commands_sent: i64::from(saga.commands_sent),
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

    // A counter that cannot be read must not begin anew: an old reply would be taken for a new one.
    let commands_sent = u32::try_from(row.commands_sent).map_err(|e| StoreError::Corrupt {
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
            commands_sent,
            started_at: Timestamp::from_micros(row.started_at),
            updated_at: Timestamp::from_micros(row.updated_at),
            ended_at: row.ended_at.map(Timestamp::from_micros),
            deadline: Timestamp::from_micros(row.deadline),
            wake_at: row.wake_at.map(Timestamp::from_micros),
            version: mapping::version(row.version, what)?,
        },
        remembered: mapping::keys_from_column(row.remembered_keys.as_deref(), what)?,
    })
}

/// The sagas among `ids` that exist.
///
/// # Errors
/// When the database does not answer.
pub async fn load(
    database: &ServiceDatabase,
    ids: &[SagaId],
) -> Result<Found<SagaId, StoredSaga>, StoreError> {
    let query = async |ids: Vec<Uuid>| {
        saga::Entity::find()
            .filter(saga::Column::SagaId.is_in(ids))
            .all(&database.read)
            .await
    };

    let read = |row: saga::Model| (SagaId(row.saga_id), from_row(row));
    loading::by_ids(database, ids, "saga", query, read).await
}

/// A timer of an open saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredTimer {
    pub saga: SagaId,
    /// As the saga's row has it.
    pub wake_at: Timestamp,
    /// The entity that the saga waits for.
    pub waits_for: Uuid,
    /// Whether it goes forward or compensates.
    pub state: SagaState,
    /// How often the running step, or its compensation, has been attempted.
    pub attempts: u32,
}

/// The timers of a shard: its open sagas that want to be woken.
///
/// # Errors
/// When the database does not answer.
pub async fn timers(
    database: &ServiceDatabase,
    shard: ShardId,
) -> Result<Vec<StoredTimer>, StoreError> {
    let open = || {
        saga::Entity::find()
            .select_only()
            .column(saga::Column::SagaId)
            .filter(saga::Column::Shard.eq(i32::from(shard.number)))
            .filter(saga::Column::EndedAt.is_null())
    };
    let timers = |query: Select<saga::Entity>| {
        query
            .column(saga::Column::WakeAt)
            .column(saga::Column::CustomerId)
            .column(saga::Column::State)
            .column(saga::Column::Attempts)
            .filter(saga::Column::WakeAt.is_not_null())
            .into_tuple::<TimerRow>()
    };

    match timers(open()).all(&database.read).await {
        Ok(rows) => Ok(rows
            .into_iter()
            .map(stored_timer)
            .filter_map(readable)
            .collect()),
        Err(error) if !loading::is_of_a_row(&error) => Err(database.failed(error)),
        // One of them cannot be read: it alone is left out.
        Err(_) => {
            let ids: Vec<Uuid> = open()
                .into_tuple()
                .all(&database.read)
                .await
                .map_err(|e| database.failed(e))?;
            let query = async |ids: Vec<Uuid>| {
                timers(open().filter(saga::Column::SagaId.is_in(ids)))
                    .all(&database.read)
                    .await
            };

            let read = |row: TimerRow| (row.0, stored_timer(row));
            let found = loading::by_ids(database, &ids, "saga", query, read).await?;
            Ok(found.into_values().filter_map(readable).collect())
        }
    }
}

/// Saga, wake-up time, customer, state and attempts.
type TimerRow = (Uuid, i64, Uuid, String, i32);

fn stored_timer(row: TimerRow) -> Result<StoredTimer, StoreError> {
    let (id, wake_at, waits_for, state, attempts) = row;
    let what = || format!("saga {id}");
    let state = mapping::named(SagaState::from_name(&state), &state, what)?;
    Ok(StoredTimer {
        saga: SagaId(id),
        wake_at: Timestamp::from_micros(wake_at),
        waits_for,
        state,
        attempts: u32::try_from(attempts).unwrap_or(0),
    })
}

fn readable(timer: Result<StoredTimer, StoreError>) -> Option<StoredTimer> {
    timer
        .inspect_err(|error| tracing::error!(error = %error.chain(), "a saga is not woken"))
        .ok()
}
