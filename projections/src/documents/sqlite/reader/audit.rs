//! The view as an auditor reads it: all documents, range by range.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sea_orm::{DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder};
use store::audit::IdRange;

use super::super::errors;
use super::super::tables::{customer_document, order_document, view_quarantine};
use super::SqliteDocumentReader;
use crate::ViewError;
use crate::audit::{Indexed, Slice, Stored, ViewAudit};
use crate::document::CustomerDocument;
use crate::documents::damaged;
use crate::port::QuarantinedEntity;

/// Reads a file of the view in whole.
#[derive(Debug)]
pub(in crate::documents::sqlite) struct SqliteDocumentAudit(
    pub(in crate::documents::sqlite) SqliteDocumentReader,
);

impl ViewAudit for SqliteDocumentAudit {
    fn customers(
        &self,
        range: IdRange,
    ) -> BoxFuture<'_, Result<Slice<Stored<CustomerDocument>>, ViewError>> {
        async move {
            use customer_document::{Column, Entity};
            let (snapshot, positions) = self.0.snapshot().await?;

            let rows = Entity::find()
                .filter(range.condition(Column::Id))
                .order_by_asc(Column::Id);
            let rows = rows.all(&snapshot).await.map_err(errors::read)?;
            let quarantined = quarantined(&snapshot).await?;
            snapshot.rollback().await.map_err(errors::read)?;

            let documents = rows
                .into_iter()
                .map(|row| Stored {
                    id: row.id,
                    document: row.try_into(),
                })
                .collect();

            Ok(Slice {
                documents,
                positions,
                quarantined,
            })
        }
        .boxed()
    }

    fn orders(&self, range: IdRange) -> BoxFuture<'_, Result<Slice<Indexed>, ViewError>> {
        async move {
            use order_document::{Column, Entity};
            let (snapshot, positions) = self.0.snapshot().await?;

            let rows = Entity::find()
                .filter(range.condition(Column::Id))
                .order_by_asc(Column::Id);
            let rows = rows.all(&snapshot).await.map_err(errors::read)?;
            let quarantined = quarantined(&snapshot).await?;
            snapshot.rollback().await.map_err(errors::read)?;

            let documents = rows.into_iter().map(indexed).collect::<Result<_, _>>()?;
            Ok(Slice {
                documents,
                positions,
                quarantined,
            })
        }
        .boxed()
    }
}

/// The id is the table's key, so an order is there once.
fn indexed(row: order_document::Model) -> Result<Indexed, ViewError> {
    let version = u64::try_from(row.version).map_err(damaged)?;
    let total_cents = row.total_cents;
    Ok(Indexed {
        hits: 1,
        version,
        total_cents,
        stored: Stored {
            id: row.id,
            document: row.try_into(),
        },
    })
}

async fn quarantined(snapshot: &DatabaseTransaction) -> Result<Vec<QuarantinedEntity>, ViewError> {
    let rows = view_quarantine::Entity::find()
        .all(snapshot)
        .await
        .map_err(errors::read)?;
    rows.into_iter()
        .map(|row| serde_json::from_str(&row.detail).map_err(damaged))
        .collect()
}
