//! What waits: parked messages and timers; and what operators have done. All of it is rare.

use std::collections::HashMap;

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::Snapshot;
use crate::StoreError;
use crate::tables::{action, bulk, parked, timer};

impl Snapshot {
    /// Parked messages by id after one, at most `limit`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn parked_messages(
        &self,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<parked::Model>, StoreError> {
        let mut query = parked::Entity::find();
        if let Some(after) = after {
            query = query.filter(parked::Column::MessageId.gt(after));
        }
        query
            .order_by_asc(parked::Column::MessageId)
            .limit(limit)
            .all(&self.transaction)
            .await
            .map_err(|e| self.failed(e))
    }

    /// The versions of the rows of some parked messages; one that is gone is not in it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn parked_versions(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, i64>, StoreError> {
        let columns = (parked::Column::MessageId, parked::Column::Version);
        self.numbers_of::<parked::Entity>(columns, ids).await
    }

    /// Timers that wake nobody: there is no saga of their id, nor an entity of the service. At most
    /// `limit`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn timers_of_nobody(&self, limit: u64) -> Result<Vec<Uuid>, StoreError> {
        let (table, key) = (self.entities.name, self.entities.key);
        let no_saga = "NOT EXISTS (SELECT 1 FROM sagas WHERE sagas.saga_id = timers.timer_id)";
        let no_entity =
            format!("NOT EXISTS (SELECT 1 FROM {table} WHERE {table}.{key} = timers.timer_id)");
        timer::Entity::find()
            .select_only()
            .column(timer::Column::TimerId)
            .filter(Expr::cust(no_saga))
            .filter(Expr::cust(no_entity))
            .order_by_asc(timer::Column::TimerId)
            .limit(limit)
            .into_tuple()
            .all(&self.transaction)
            .await
            .map_err(|e| self.failed(e))
    }

    /// What operators have done, by id after one, at most `limit`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn operator_actions(
        &self,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<action::Model>, StoreError> {
        let mut query = action::Entity::find();
        if let Some(after) = after {
            query = query.filter(action::Column::ActionId.gt(after));
        }
        query
            .order_by_asc(action::Column::ActionId)
            .limit(limit)
            .all(&self.transaction)
            .await
            .map_err(|e| self.failed(e))
    }

    /// Requests about many things, by key after one, at most `limit`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn bulk_requests(
        &self,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<bulk::Model>, StoreError> {
        let mut query = bulk::Entity::find();
        if let Some(after) = after {
            query = query.filter(bulk::Column::RequestKey.gt(after));
        }
        query
            .order_by_asc(bulk::Column::RequestKey)
            .limit(limit)
            .all(&self.transaction)
            .await
            .map_err(|e| self.failed(e))
    }
}
