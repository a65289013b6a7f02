//! Looking at sagas from outside: lists for operators.

use domain::saga::{SagaKind, SagaState};
use domain::{SagaId, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};

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
    let mut query = saga::Entity::find();
    if let Some(kind) = filter.kind {
        query = query.filter(saga::Column::Kind.eq(kind.name()));
    }
    if let Some(state) = filter.state {
        query = query.filter(saga::Column::State.eq(state.name()));
        if !state.has_ended() {
            // Few sagas are open, and they have an index of their own.
            query = query.filter(saga::Column::EndedAt.is_null());
        }
    }
    if let Some((time, id)) = filter.before {
        let earlier = saga::Column::StartedAt
            .lt(time.micros())
            .or(saga::Column::StartedAt.eq(time.micros()).and(saga::Column::SagaId.lt(id.0)));
        query = query.filter(earlier);
    }
    let rows = query
        .order_by_desc(saga::Column::StartedAt)
        .order_by_desc(saga::Column::SagaId)
        .limit(u64::try_from(limit).unwrap_or(u64::MAX))
        .all(&database.read)
        .await
        .map_err(|e| database.failed(e))?;
    rows.into_iter().map(from_row).collect()
}
