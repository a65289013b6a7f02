//! How many sagas and parked messages are in which state: what operators keep an eye on.
//!
//! Only what is rare is counted, by the indexes that lead to it, so that the answer costs the same
//! among a million sagas that have ended.

use ::sagas::SagaId;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QueryResult, QuerySelect, Statement,
};
use uuid::Uuid;

use crate::tables::saga;
use crate::{ServiceDatabase, StoreError, loading, mapping};

/// Timers lead to the sagas under way, an index with nothing else in it to those that are stuck.
fn counting_open_sagas(backend: DbBackend) -> String {
    // As a join, PostgreSQL may begin at the other end.
    let have_timers = match backend {
        DbBackend::Postgres => "= ANY (ARRAY(SELECT timer_id FROM timers))",
        _ => "IN (SELECT timer_id FROM timers)",
    };
    format!(
        "SELECT kind, state, count(*) AS number FROM sagas \
         WHERE saga_id {have_timers} AND state IN ('RUNNING', 'COMPENSATING') \
         GROUP BY kind, state \
         UNION ALL SELECT kind, state, count(*) AS number FROM sagas \
         WHERE state = 'STUCK' GROUP BY kind, state"
    )
}

const PARKED: &str = "SELECT state AS kind, state, count(*) AS number FROM parked_messages \
    GROUP BY state";

/// How many there are of a kind in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// A saga's type by its name; of parked messages their state.
    pub kind: String,
    /// The state by its name.
    pub state: String,
    /// How many.
    pub number: u64,
}

/// The sagas that have not ended, by type and state. A type and state without any is left out.
///
/// # Errors
/// When the database does not answer.
pub async fn open_sagas(database: &ServiceDatabase) -> Result<Vec<Count>, StoreError> {
    let sql = counting_open_sagas(database.read.get_database_backend());
    counts(database, &sql).await
}

/// The parked messages by state. A state without any is left out.
///
/// # Errors
/// When the database does not answer.
pub async fn parked_messages(database: &ServiceDatabase) -> Result<Vec<Count>, StoreError> {
    counts(database, PARKED).await
}

/// How many sagas there have been.
///
/// # Errors
/// When the database does not answer.
pub async fn sagas(database: &ServiceDatabase) -> Result<u64, StoreError> {
    saga::Entity::find()
        .count(&database.read)
        .await
        .map_err(|e| database.failed(e))
}

/// The state of a saga, by its name; `None` when there is no such saga.
///
/// # Errors
/// When the database does not answer.
pub async fn saga_state(
    database: &ServiceDatabase,
    saga: SagaId,
) -> Result<Option<String>, StoreError> {
    saga::Entity::find_by_id(saga.0)
        .select_only()
        .column(saga::Column::State)
        .into_tuple()
        .one(&database.read)
        .await
        .map_err(|e| database.failed(e))
}

/// The id of the saga that stands `places` behind another, or behind the beginning, in the order of
/// their ids; `None` when there are fewer.
///
/// # Errors
/// When the database does not answer.
pub async fn saga_at(
    database: &ServiceDatabase,
    after: Option<Uuid>,
    places: u64,
) -> Result<Option<Uuid>, StoreError> {
    let mut places = places.saturating_sub(1);

    loop {
        let mut query = saga::Entity::find()
            .select_only()
            .column(saga::Column::SagaId);
        if let Some(after) = after {
            query = query.filter(saga::Column::SagaId.gt(after));
        }
        let found = query
            .order_by_asc(saga::Column::SagaId)
            .offset(places)
            .limit(1)
            .into_tuple()
            .one(&database.read)
            .await;
        match found {
            Ok(id) => return Ok(id),
            // The next one whose id can be read.
            Err(error) if loading::is_of_a_row(&error) => places += 1,
            Err(error) => return Err(database.failed(error)),
        }
    }
}

async fn counts(database: &ServiceDatabase, sql: &str) -> Result<Vec<Count>, StoreError> {
    let connection = &database.read;
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await;

    let count = |row: QueryResult| {
        Ok(Count {
            kind: row.try_get("", "kind")?,
            state: row.try_get("", "state")?,
            number: mapping::unsigned(row.try_get("", "number")?),
        })
    };
    rows.and_then(|rows| rows.into_iter().map(count).collect())
        .map_err(|e| database.failed(e))
}

#[cfg(test)]
mod tests;
