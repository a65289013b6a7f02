//! Looking at sagas from outside: lists for operators.

use domain::saga::{SagaKind, SagaState};
use domain::{SagaId, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, Order, QueryFilter, QueryOrder, QuerySelect, Select,
};

use crate::sagas::{StoredSaga, from_row};
use crate::tables::saga;
use crate::{ServiceDatabase, StoreError};

/// Which sagas to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct SagaFilter {
    pub kind: Option<SagaKind>,
    pub state: Option<SagaState>,
    /// Only those that began before this one, in the order of the list.
    pub before: Option<(Timestamp, SagaId)>,
}

/// Sagas, newest first, at most `limit`.
///
/// # Errors
/// When the database does not answer, or a row cannot be read.
pub async fn list_sagas(
    database: &ServiceDatabase,
    filter: SagaFilter,
    limit: usize,
) -> Result<Vec<StoredSaga>, StoreError> {
    let rows = listing(filter, limit)
        .all(&database.read)
        .await
        .map_err(|e| database.failed(e))?;
    rows.into_iter().map(from_row).collect()
}

/// Nearly all sagas complete, so the list by start soon finds those; the other states are rare
/// among a million rows, and each is found by an index that has little else in it.
fn listing(filter: SagaFilter, limit: usize) -> Select<saga::Entity> {
    let mut query = saga::Entity::find();
    // A computed value has no index, so that the one of open sagas is taken, few as they are,
    // instead of the order of all sagas there have been.
    let is_open = filter.state.is_some_and(|state| !state.has_ended());

    let started = if is_open {
        Expr::col(saga::Column::StartedAt).add(0)
    } else {
        Expr::col(saga::Column::StartedAt)
    };

    if let Some(kind) = filter.kind {
        query = query.filter(saga::Column::Kind.eq(kind.name()));
    }

    if let Some(state) = filter.state {
        // Written out, not bound: that is how a partial index is known to fit.
        query =
            query.filter(Expr::col(saga::Column::State).eq(Expr::Constant(state.name().into())));
    }

    if is_open {
        query = query.filter(saga::Column::EndedAt.is_null());
    }

    if let Some((time, id)) = filter.before {
        let earlier = started.clone().lt(time.micros()).or(started
            .clone()
            .eq(time.micros())
            .and(saga::Column::SagaId.lt(id.0)));
        // The first says nothing new, but it is by what an index is entered.
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

    use sea_orm::{ConnectionTrait, DbBackend, QueryTrait, Statement};
    use uuid::Uuid;

    use super::*;

    async fn plan(database: &ServiceDatabase, filter: SagaFilter) -> String {
        let listing = listing(filter, 20).build(DbBackend::Sqlite);
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
            for kind in [None, Some(SagaKind::CancelOrder)] {
                for (state, index) in [
                    (None, "sagas_by_start"),
                    (Some(SagaState::Completed), "sagas_by_start"),
                    (Some(SagaState::Compensated), "sagas_compensated"),
                    (Some(SagaState::Running), "sagas_open"),
                    (Some(SagaState::Compensating), "sagas_open"),
                    (Some(SagaState::Stuck), "sagas_open"),
                ] {
                    let plan = plan(
                        &database,
                        SagaFilter {
                            kind,
                            state,
                            before,
                        },
                    )
                    .await;
                    assert!(
                        plan.contains(&format!("USING INDEX {index}")),
                        "{state:?}: {plan}"
                    );
                    let enters =
                        index == "sagas_open" || before.is_none() || plan.starts_with("SEARCH");
                    assert!(
                        enters,
                        "a later page walks over the earlier ones: {state:?}: {plan}"
                    );
                }
            }
        }
    }
}
