//! The view as an auditor reads it: all documents, range by range.

use domain::Service;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sea_orm::{DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder};
use store::snapshot::IdRange;

use super::super::errors;
use super::super::tables::{customer_document, order_document, view_quarantine};
use super::SqliteDocumentReader;
use crate::ViewError;
use crate::documents::damaged;
use crate::port::QuarantinedEntity;
use crate::shop::Document;
use crate::shop::document::beside_order;
use crate::slices::{Slice, Stored, ViewAudit};

/// Reads a file of the view in whole.
#[derive(Debug)]
pub(in crate::documents::sqlite) struct SqliteDocumentAudit(
    pub(in crate::documents::sqlite) SqliteDocumentReader,
);

impl ViewAudit<Document> for SqliteDocumentAudit {
    fn slice(
        &self,
        service: Service,
        range: IdRange,
    ) -> BoxFuture<'_, Result<Slice<Document>, ViewError>> {
        async move {
            let (snapshot, positions) = self.0.snapshot().await?;
            let entities = match service {
                domain::CUSTOMERS => customers(&snapshot, range).await?,
                _ => orders(&snapshot, range).await?,
            };
            let quarantined = quarantined(&snapshot).await?;
            snapshot.rollback().await.map_err(errors::read)?;

            Ok(Slice {
                entities,
                positions,
                quarantined,
            })
        }
        .boxed()
    }
}

async fn customers(
    snapshot: &DatabaseTransaction,
    range: IdRange,
) -> Result<Vec<Stored<Document>>, ViewError> {
    use customer_document::{Column, Entity};
    let rows = Entity::find()
        .filter(range.condition(Column::Id))
        .order_by_asc(Column::Id);
    let rows = rows.all(snapshot).await.map_err(errors::read)?;

    let stored = |row: customer_document::Model| {
        let (id, document) = (row.id, row.try_into());
        Stored::once(id, document.map(Document::Customer))
    };
    Ok(rows.into_iter().map(stored).collect())
}

async fn orders(
    snapshot: &DatabaseTransaction,
    range: IdRange,
) -> Result<Vec<Stored<Document>>, ViewError> {
    use order_document::{Column, Entity};
    let rows = Entity::find()
        .filter(range.condition(Column::Id))
        .order_by_asc(Column::Id);
    let rows = rows.all(snapshot).await.map_err(errors::read)?;
    rows.into_iter().map(order).collect()
}

/// The id is the table's key, so an order is there once.
fn order(row: order_document::Model) -> Result<Stored<Document>, ViewError> {
    let id = row.id;
    let version = u64::try_from(row.version).map_err(damaged)?;
    let total_cents = row.total_cents;
    let document = row.try_into();

    Ok(Stored {
        disagreements: beside_order(&document, version, total_cents),
        ..Stored::once(id, document.map(Document::Order))
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
