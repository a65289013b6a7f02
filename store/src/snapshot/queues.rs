//! What waits: parked messages and timers. All of it is rare.

use std::collections::HashMap;

use sea_orm::sea_query::Expr;
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{AsRead, Snapshot};
use crate::StoreError;
use crate::tables::{parked, timer};

impl Snapshot {
    /// The versions of the rows of some parked messages; one that is gone is not in it, and one
    /// that cannot be read has none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn parked_versions(
        &self,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Option<i64>>, StoreError> {
        let columns = (parked::Column::MessageId, parked::Column::Version);
        self.numbers_of::<parked::Entity>(columns, ids).await
    }

    /// Timers that wake nobody: there is no saga of their id, nor an entity of the service. At most
    /// `limit`. One whose id cannot be read is not among them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn timers_of_nobody(&self, limit: u64) -> Result<Vec<Uuid>, StoreError> {
        let (table, key) = (self.entities.name, self.entities.key);
        let no_saga = "NOT EXISTS (SELECT 1 FROM sagas WHERE sagas.saga_id = timers.timer_id)";
        let no_entity =
            format!("NOT EXISTS (SELECT 1 FROM {table} WHERE {table}.{key} = timers.timer_id)");
        let query = timer::Entity::find()
            .filter(Expr::cust(no_saga))
            .filter(Expr::cust(no_entity))
            .order_by_asc(timer::Column::TimerId)
            .limit(limit);
        let rows: Vec<AsRead<timer::Model>> = self.each(query).await?;
        let ids = rows.into_iter().map(|row| match row {
            Ok(timer) => Some(timer.timer_id),
            Err(unreadable) => unreadable.id,
        });
        Ok(ids.flatten().collect())
    }
}
