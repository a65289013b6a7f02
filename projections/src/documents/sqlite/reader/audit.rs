//! The view as an auditor reads it: all documents, range by range.

use sea_orm::{DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder};
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
        let quarantined = quarantined(&snapshot).await?;
        snapshot.rollback().await.map_err(unavailable)?;
        let documents = rows.into_iter().map(|row| Stored { id: row.id, document: row.try_into() }).collect();
        Ok(Slice { documents, positions, quarantined })
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
        let quarantined = quarantined(&snapshot).await?;
        snapshot.rollback().await.map_err(unavailable)?;
        let documents = rows.into_iter().map(|row| Stored { id: row.id, document: row.try_into() }).collect();
        Ok(Slice { documents, positions, quarantined })
    }
}

async fn quarantined(snapshot: &DatabaseTransaction) -> Result<Vec<QuarantinedEntity>, ViewError> {
    let rows = view_quarantine::Entity::find().all(snapshot).await.map_err(unavailable)?;
    rows.into_iter().map(|row| serde_json::from_str(&row.detail).map_err(corrupt)).collect()
}
