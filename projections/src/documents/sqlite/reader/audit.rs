//! The view as an auditor reads it: all documents, range by range.

use sea_orm::{EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use store::audit::IdRange;

use super::super::tables::{customer_document, order_document, view_quarantine};
use super::SqliteDocumentReader;
use crate::ViewError;
use crate::audit::{Slice, Stored};
use crate::document::{CustomerDocument, OrderDocument};
use crate::documents::{corrupt, unavailable};
use crate::port::QuarantinedEntity;

impl SqliteDocumentReader {
    /// The order documents of a range.
    ///
    /// # Errors
    /// When the view store does not answer.
    pub async fn audit_orders(&self, range: IdRange) -> Result<Slice<Stored<OrderDocument>>, ViewError> {
        use order_document::{Column, Entity};
        let (snapshot, positions) = self.snapshot().await?;
        let rows = Entity::find().filter(range.condition(Column::Id)).order_by_asc(Column::Id);
        let rows = rows.all(&snapshot).await.map_err(unavailable)?;
        snapshot.rollback().await.map_err(unavailable)?;
        let documents = rows.into_iter().map(|row| Stored { id: row.id, document: row.try_into() }).collect();
        Ok(Slice { documents, positions })
    }

    /// The customer documents of a range.
    ///
    /// # Errors
    /// When the view store does not answer.
    pub async fn audit_customers(&self, range: IdRange) -> Result<Slice<Stored<CustomerDocument>>, ViewError> {
        use customer_document::{Column, Entity};
        let (snapshot, positions) = self.snapshot().await?;
        let rows = Entity::find().filter(range.condition(Column::Id)).order_by_asc(Column::Id);
        let rows = rows.all(&snapshot).await.map_err(unavailable)?;
        snapshot.rollback().await.map_err(unavailable)?;
        let documents = rows.into_iter().map(|row| Stored { id: row.id, document: row.try_into() }).collect();
        Ok(Slice { documents, positions })
    }

    /// The entities in quarantine, at most `limit`.
    ///
    /// # Errors
    /// When the view store does not answer, or an entry cannot be read.
    pub async fn audit_quarantine(&self, limit: u64) -> Result<Vec<QuarantinedEntity>, ViewError> {
        let rows = view_quarantine::Entity::find().limit(limit).all(&self.pool).await.map_err(unavailable)?;
        rows.into_iter().map(|row| serde_json::from_str(&row.detail).map_err(corrupt)).collect()
    }
}
