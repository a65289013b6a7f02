//! Looking at sagas from outside: lists for operators.

mod cause;

use std::collections::HashMap;

use ::sagas::{Definitions, SagaData, SagaId, SagaState, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, Order, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Select,
};
use uuid::Uuid;

use crate::sagas::{self, StoredSaga};
use crate::tables::{saga, timer};
use crate::{ServiceDatabase, StoreError};

pub use cause::{Cause, without_ids};

/// Which sagas to list.
#[derive(Clone, Debug, Default)]
pub struct SagaFilter {
    /// The name of its definition.
    pub kind: Option<&'static str>,
    /// Only those in this state.
    pub state: Option<SagaState>,
    /// Only those that began before this time.
    pub started_before: Option<Timestamp>,
    /// Only some of these. The ids of sagas follow from what they work on.
    pub among: Option<Vec<SagaId>>,
    /// Only those that compensate for this, or of which a step shows it.
    pub cause: Option<Cause>,
    /// Only those that began before this one, in the order of the list.
    pub before: Option<(Timestamp, SagaId)>,
}

/// A saga in a list, with its place in it.
#[derive(Debug)]
pub struct ListedSaga<D: SagaData> {
    /// Its id.
    pub id: SagaId,
    /// When it began.
    pub started_at: Timestamp,
    /// An error says why this one cannot be read.
    pub saga: Result<StoredSaga<D>, StoreError>,
}

/// Sagas, newest first, at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn list_sagas<D: SagaData>(
    database: &ServiceDatabase,
    definitions: &Definitions<D>,
    filter: SagaFilter,
    limit: usize,
) -> Result<Vec<ListedSaga<D>>, StoreError> {
    let mut filter = filter;
    let mut listed = Vec::new();

    // One round, unless the database has found some by their causes that have others.
    loop {
        let places = places(database, &filter, limit).await?;
        let ids: Vec<_> = places.iter().map(|(id, _)| SagaId(*id)).collect();
        let mut found: HashMap<_, _> = sagas::load(database, definitions, &ids).await?;

        let of_place = |(id, started_at): &(Uuid, i64)| {
            Some(ListedSaga {
                id: SagaId(*id),
                started_at: Timestamp::from_micros(*started_at),
                saga: found.remove(&SagaId(*id))?,
            })
        };
        let is_meant = |listed: &ListedSaga<D>| match (&filter.cause, &listed.saga) {
            (Some(cause), Ok(saga)) => cause.is_of(saga),
            _ => true,
        };
        listed.extend(places.iter().filter_map(of_place).filter(is_meant));

        match places.last() {
            Some((id, started_at)) if places.len() == limit && listed.len() < limit => {
                filter.before = Some((Timestamp::from_micros(*started_at), SagaId(*id)));
            }
            _ => break,
        }
    }

    listed.truncate(limit);
    Ok(listed)
}

/// Ids of sagas, and when they began.
async fn places(
    database: &ServiceDatabase,
    filter: &SagaFilter,
    limit: usize,
) -> Result<Vec<(Uuid, i64)>, StoreError> {
    listing(filter, limit)
        .select_only()
        .column(saga::Column::SagaId)
        .column(saga::Column::StartedAt)
        .into_tuple()
        .all(&database.read)
        .await
        .map_err(|e| database.failed(e))
}

/// Nearly all sagas complete, so the list by start soon finds those. The other states are rare
/// among a million rows: timers lead to those that are under way, and indexes that have nothing
/// else in them to the rest.
fn listing(filter: &SagaFilter, limit: usize) -> Select<saga::Entity> {
    let mut query = saga::Entity::find();
    let is_under_way = matches!(
        filter.state,
        Some(SagaState::Running | SagaState::Compensating)
    );

    // A computed value has no index, so that the timers or ids are taken, few as they are, instead
    // of the order of all sagas there have been.
    let started = if is_under_way || filter.among.is_some() {
        Expr::col(saga::Column::StartedAt).add(0)
    } else {
        Expr::col(saga::Column::StartedAt)
    };

    if let Some(kind) = filter.kind {
        query = query.filter(saga::Column::Kind.eq(kind));
    }

    if let Some(state) = filter.state {
        // Written out, not bound: only so SQLite knows that a partial index fits.
        query =
            query.filter(Expr::col(saga::Column::State).eq(Expr::Constant(state.name().into())));
    }

    if is_under_way {
        let timers = timer::Entity::find()
            .select_only()
            .column(timer::Column::TimerId)
            .into_query();
        query = query.filter(saga::Column::SagaId.in_subquery(timers));
    }

    if let Some(ids) = &filter.among {
        query = query.filter(saga::Column::SagaId.is_in(ids.iter().map(|id| id.0)));
    }

    if let Some(cause) = &filter.cause {
        query = query.filter(cause.candidates());
    }

    if let Some(time) = filter.started_before {
        query = query.filter(started.clone().lt(time.micros()));
    }

    if let Some((time, id)) = filter.before {
        let earlier = started.clone().lt(time.micros()).or(started
            .clone()
            .eq(time.micros())
            .and(saga::Column::SagaId.lt(id.0)));
        // The first says nothing new, but the index is entered by it.
        query = query
            .filter(started.clone().lte(time.micros()))
            .filter(earlier);
    }

    query
        .order_by(started, Order::Desc)
        .order_by_desc(saga::Column::SagaId)
        .limit(u64::try_from(limit).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait, DbBackend, Statement};

    use super::*;

    async fn plan(database: &ServiceDatabase, filter: SagaFilter) -> String {
        let listing = listing(&filter, 20).build(DbBackend::Sqlite);
        let sql = format!("EXPLAIN QUERY PLAN {}", listing.sql);
        let explain = match listing.values {
            Some(values) => Statement::from_sql_and_values(DbBackend::Sqlite, sql, values),
            None => Statement::from_string(DbBackend::Sqlite, sql),
        };
        let rows = database.read.query_all_raw(explain).await.unwrap();
        rows.iter()
            .map(|row| row.try_get::<String>("", "detail").unwrap())
            .collect::<Vec<_>>()
            .join("; ")
    }

    #[tokio::test]
    async fn no_rare_state_is_looked_for_among_all_sagas() {
        let folder = tempfile::tempdir().unwrap();
        let database =
            ServiceDatabase::open_embedded(crate::testing::BOOKINGS_SCHEMA, folder.path(), 1)
                .await
                .unwrap();

        let before = Some((Timestamp::from_micros(7), SagaId(Uuid::now_v7())));
        for before in [None, before] {
            for kind in [None, Some("cancel-order")] {
                for (state, index) in [
                    (None, "sagas_by_start"),
                    (Some(SagaState::Completed), "sagas_by_start"),
                    (Some(SagaState::Compensated), "sagas_compensated"),
                    (Some(SagaState::Running), "sqlite_autoindex_sagas_1"),
                    (Some(SagaState::Compensating), "sqlite_autoindex_sagas_1"),
                    (Some(SagaState::Stuck), "sagas_stuck"),
                    (Some(SagaState::Abandoned), "sagas_abandoned"),
                ] {
                    let plan = plan(
                        &database,
                        SagaFilter {
                            kind,
                            state,
                            before,
                            ..SagaFilter::default()
                        },
                    )
                    .await;
                    assert!(
                        plan.contains(&format!("USING INDEX {index}")),
                        "{state:?}: {plan}"
                    );
                    let enters = before.is_none() || plan.starts_with("SEARCH");
                    assert!(
                        enters,
                        "a later page walks over the earlier ones: {state:?}: {plan}"
                    );
                }
            }
        }
    }
}
