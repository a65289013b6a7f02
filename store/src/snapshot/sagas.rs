//! What is known of sagas by their ids.

use std::collections::{HashMap, HashSet};

use ::sagas::SagaId;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::Snapshot;
use crate::StoreError;
use crate::actions::SAGA_ABANDONED;
use crate::mapping::IDS_PER_QUERY;
use crate::tables::{action, saga, timer};

impl Snapshot {
    /// When some sagas, or entities that wait by themselves, are woken: those that have a timer.
    /// One that cannot be read says nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn timers(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Option<i64>>, StoreError> {
        let columns = (timer::Column::TimerId, timer::Column::WakeAt);
        self.numbers_of::<timer::Entity>(columns, ids).await
    }

    /// The versions of the rows of some sagas; one that is gone is not in it, and one that cannot
    /// be read has none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn saga_versions(
        &self,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Option<i64>>, StoreError> {
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
        let columns = (saga::Column::SagaId, saga::Column::EndedAt);
        let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
        let ended = self.numbers_of::<saga::Entity>(columns, &ids).await?;

        // One that says something else than a time is told where sagas are looked at.
        let is_open = |(id, ended_at): (Uuid, Option<i64>)| (SagaId(id), ended_at.is_none());
        Ok(ended.into_iter().map(is_open).collect())
    }
}
