//! Sagas, in the order of their ids.

use std::collections::{HashMap, HashSet};

use ::sagas::SagaId;
use sea_orm::{ColumnTrait, DerivePartialModel, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::Snapshot;
use crate::StoreError;
use crate::actions::SAGA_ABANDONED;
use crate::mapping::IDS_PER_QUERY;
use crate::tables::{action, saga, timer};

/// The columns of a saga that what it works on must agree with.
#[derive(Clone, Debug, PartialEq, Eq, DerivePartialModel)]
#[sea_orm(entity = "saga::Entity")]
pub struct SagaRow {
    /// Its id.
    pub saga_id: Uuid,
    /// The name of its definition.
    pub kind: String,
    /// By its name.
    pub state: String,
    /// The shard that it lives in, by its number.
    pub shard: i32,
    /// What it works on.
    pub entity_id: Uuid,
    /// JSON: what it knows.
    pub data: String,
    /// Why it does not go forward, by its name.
    pub reason: Option<String>,
    /// When it ended; absent while it is open.
    pub ended_at: Option<i64>,
    /// When it gives up going forward.
    pub deadline: i64,
    /// When it wants to be woken.
    pub wake_at: Option<i64>,
    /// Raised by each change.
    pub version: i64,
}

impl Snapshot {
    /// Sagas by id after one, at most `limit`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sagas(&self, after: Option<Uuid>, limit: u64) -> Result<Vec<SagaRow>, StoreError> {
        let mut query = saga::Entity::find();
        if let Some(after) = after {
            query = query.filter(saga::Column::SagaId.gt(after));
        }
        let rows = query.order_by_asc(saga::Column::SagaId).limit(limit);
        rows.into_partial_model()
            .all(&self.transaction)
            .await
            .map_err(|e| self.failed(e))
    }

    /// When the timers of these sagas are set for, by saga; one that has none is not in it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn timers_of(&self, sagas: &[SagaRow]) -> Result<HashMap<Uuid, i64>, StoreError> {
        let ids: Vec<_> = sagas.iter().map(|saga| saga.saga_id).collect();
        self.timers(&ids).await
    }

    /// When some sagas, or entities that wait by themselves, are woken: those that have a timer.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn timers(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, i64>, StoreError> {
        let columns = (timer::Column::TimerId, timer::Column::WakeAt);
        self.numbers_of::<timer::Entity>(columns, ids).await
    }

    /// The versions of the rows of some sagas; one that is gone is not in it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn saga_versions(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, i64>, StoreError> {
        let columns = (saga::Column::SagaId, saga::Column::Version);
        self.numbers_of::<saga::Entity>(columns, ids).await
    }

    /// Those of some sagas that operators have given up, as what is kept of operators says.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn given_up(&self, ids: &[Uuid]) -> Result<HashSet<Uuid>, StoreError> {
        let mut found = HashSet::with_capacity(ids.len());

        for ids in ids.chunks(IDS_PER_QUERY) {
            let rows: Vec<Uuid> = action::Entity::find()
                .select_only()
                .column(action::Column::SubjectId)
                .filter(action::Column::SubjectId.is_in(ids.iter().copied()))
                .filter(action::Column::Action.eq(SAGA_ABANDONED))
                .into_tuple()
                .all(&self.transaction)
                .await
                .map_err(|e| self.failed(e))?;
            found.extend(rows);
        }

        Ok(found)
    }

    /// Which of some sagas exist, and whether they are open.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open_sagas(&self, ids: &[SagaId]) -> Result<HashMap<SagaId, bool>, StoreError> {
        let mut found = HashMap::with_capacity(ids.len());

        for ids in ids.chunks(IDS_PER_QUERY) {
            let rows: Vec<(Uuid, Option<i64>)> = saga::Entity::find()
                .select_only()
                .columns([saga::Column::SagaId, saga::Column::EndedAt])
                .filter(saga::Column::SagaId.is_in(ids.iter().map(|id| id.0)))
                .into_tuple()
                .all(&self.transaction)
                .await
                .map_err(|e| self.failed(e))?;
            found.extend(
                rows.into_iter()
                    .map(|(id, ended)| (SagaId(id), ended.is_none())),
            );
        }

        Ok(found)
    }
}
