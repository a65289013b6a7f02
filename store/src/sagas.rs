//! Sagas: mapping between runs and rows, and loading. Any service's: what is its own about a saga
//! is one JSON column.

use ::sagas::nested::Parent;
use ::sagas::{Definitions, Reason, Run, SagaData, SagaId, SagaState, ShardId, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};
use serde::Serialize;
use uuid::Uuid;

use crate::loading::{self, Found};
use crate::mapping::{self, RememberedKey};
use crate::tables::saga;
use crate::{ServiceDatabase, StoreError};

/// A saga and what its row remembers besides.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSaga<D: SagaData> {
    /// Its state.
    pub saga: Run<D>,
    /// The keys of operators' commands that had an effect.
    pub remembered: Vec<RememberedKey>,
}

/// The row of a saga.
///
/// # Errors
/// When its data have no JSON form.
pub fn to_row<D: SagaData>(
    stored: &StoredSaga<D>,
    shard: ShardId,
) -> Result<saga::Model, StoreError> {
    let saga = &stored.saga;
    let parent = saga.parent.as_ref();

    Ok(saga::Model {
        saga_id: saga.id.0,
        kind: saga.definition.name.to_owned(),
        definition_version: i32::from(saga.definition.version),
        state: saga.state.name().to_owned(),
        shard: i32::from(shard.number),
        entity_id: saga.entity,
        data: json(saga.id, &saga.data)?,
        reason: saga.reason.as_ref().map(|reason| reason.name().to_owned()),
        steps: json(saga.id, &saga.steps)?,
        attempts: i32::try_from(saga.attempts).unwrap_or(i32::MAX),
        commands_sent: i64::from(saga.commands_sent),
        started_at: saga.started_at.micros(),
        updated_at: saga.updated_at.micros(),
        ended_at: saga.ended_at.map(Timestamp::micros),
        deadline: saga.deadline.micros(),
        wake_at: saga.wake_at.map(Timestamp::micros),
        version: mapping::signed(saga.version),
        parent: parent.map(|parent| json(saga.id, parent)).transpose()?,
        remembered_keys: mapping::keys_to_column(&stored.remembered),
    })
}

/// Room for the steps of a saga of a few, so that it need not grow.
const JSON_BYTES: usize = 512;

fn json<T: Serialize>(id: SagaId, value: &T) -> Result<String, StoreError> {
    let mut json = Vec::with_capacity(JSON_BYTES);
    serde_json::to_writer(&mut json, value).map_err(|e| corrupt(id.0, e))?;
    String::from_utf8(json).map_err(|e| corrupt(id.0, e))
}

/// Reads a row back.
///
/// # Errors
/// When a name, the steps or the data cannot be read, or no definition fits: then this saga stops,
/// and it alone.
pub fn from_row<D: SagaData>(
    row: saga::Model,
    definitions: &Definitions<D>,
) -> Result<StoredSaga<D>, StoreError> {
    let id = row.saga_id;
    let what = || format!("saga {id}");

    // A counter that cannot be read must not begin anew: an old reply would be taken for a new one.
    let commands_sent =
        u32::try_from(row.commands_sent).map_err(|e| in_column(id, "commands_sent", e))?;
    let version = u16::try_from(row.definition_version)
        .map_err(|e| in_column(id, "definition_version", e))?;

    let steps = serde_json::from_str(&row.steps).map_err(|e| in_column(id, "steps", e))?;
    let mut data: D = serde_json::from_str(&row.data).map_err(|e| in_column(id, "data", e))?;
    let (definition, steps) = definitions
        .resolve(&row.kind, version, steps, &mut data)
        .map_err(|e| corrupt(id, e))?;

    let parent = row.parent.as_deref();
    let parent: Option<Parent> = parent
        .map(serde_json::from_str)
        .transpose()
        .map_err(|e| in_column(id, "parent", e))?;

    Ok(StoredSaga {
        saga: Run {
            id: SagaId(id),
            definition,
            state: mapping::named(SagaState::from_name(&row.state), &row.state, what)?,
            entity: row.entity_id,
            data,
            reason: row.reason.map(Reason::from),
            steps,
            attempts: u32::try_from(row.attempts).unwrap_or(0),
            commands_sent,
            started_at: Timestamp::from_micros(row.started_at),
            updated_at: Timestamp::from_micros(row.updated_at),
            ended_at: row.ended_at.map(Timestamp::from_micros),
            deadline: Timestamp::from_micros(row.deadline),
            wake_at: row.wake_at.map(Timestamp::from_micros),
            version: mapping::unsigned(row.version),
            parent,
        },
        remembered: mapping::keys_from_column(row.remembered_keys.as_deref(), what)?,
    })
}

fn in_column(
    id: Uuid,
    column: &'static str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> StoreError {
    mapping::in_column(format!("saga {id}"), column, source)
}

fn corrupt(id: Uuid, source: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Corrupt {
        what: format!("saga {id}"),
        source: Box::new(source),
    }
}

/// The sagas among `ids` that exist.
///
/// # Errors
/// When the database does not answer.
pub async fn load<D: SagaData>(
    database: &ServiceDatabase,
    definitions: &Definitions<D>,
    ids: &[SagaId],
) -> Result<Found<SagaId, StoredSaga<D>>, StoreError> {
    let query = async |ids: Vec<Uuid>| {
        saga::Entity::find()
            .filter(saga::Column::SagaId.is_in(ids))
            .all(&database.read)
            .await
    };

    let read = |row: saga::Model| (SagaId(row.saga_id), from_row(row, definitions));
    loading::by_ids(database, ids, "saga", query, read).await
}

/// The stuck sagas of a shard, at most `limit`. Those that cannot be read are left out.
///
/// # Errors
/// When the database does not answer.
pub async fn stuck<D: SagaData>(
    database: &ServiceDatabase,
    definitions: &Definitions<D>,
    shard: ShardId,
    limit: u64,
) -> Result<Vec<Run<D>>, StoreError> {
    // Written out, not bound: only so SQLite knows that the index of stuck ones fits.
    let state = Expr::Constant(SagaState::Stuck.name().into());
    let ids: Vec<Uuid> = saga::Entity::find()
        .select_only()
        .column(saga::Column::SagaId)
        .filter(Expr::col(saga::Column::State).eq(state))
        .filter(saga::Column::Shard.eq(i32::from(shard.number)))
        .limit(limit)
        .into_tuple()
        .all(&database.read)
        .await
        .map_err(|e| database.failed(e))?;

    let ids: Vec<_> = ids.into_iter().map(SagaId).collect();
    let found = load(database, definitions, &ids).await?;
    let runs = found.into_values().filter_map(Result::ok);
    Ok(runs.map(|stored| stored.saga).collect())
}

/// The entity that a saga works on, and in whose shard it lives; `None` when there is no such saga.
///
/// # Errors
/// When the database does not answer.
pub async fn entity_of(database: &ServiceDatabase, id: SagaId) -> Result<Option<Uuid>, StoreError> {
    saga::Entity::find_by_id(id.0)
        .select_only()
        .column(saga::Column::EntityId)
        .into_tuple()
        .one(&database.read)
        .await
        .map_err(|e| database.failed(e))
}
