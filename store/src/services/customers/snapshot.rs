//! Rows of customers and reservations, for the auditor.

use domain::OrderId;
use sea_orm::EntityTrait;

use super::tables::{customer, reservation};
use crate::snapshot::{AsRead, IdRange, Snapshot};
use crate::{ServiceDatabase, StoreError};

impl Snapshot {
    /// The customers of a range, by id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn customers(&self, range: IdRange) -> Result<Vec<customer::Model>, StoreError> {
        self.rows::<customer::Entity>(customer::Column::CustomerId, range)
            .await
    }
}

/// The open reservations of the orders of a range, by order.
///
/// # Errors
/// When the database does not answer.
pub async fn reservations(
    customers: &ServiceDatabase,
    range: IdRange,
) -> Result<Vec<AsRead<reservation::Model>>, StoreError> {
    let snapshot = Snapshot::begin(customers).await?;
    let key = reservation::Column::OrderId;
    let rows = snapshot.rows_as_read::<reservation::Entity>(key, range);
    let rows = rows.await?;
    snapshot.end().await?;
    Ok(rows)
}

/// The open reservation of an order.
///
/// # Errors
/// When the database does not answer.
pub async fn reservation(
    customers: &ServiceDatabase,
    order: OrderId,
) -> Result<Option<reservation::Model>, StoreError> {
    let row = reservation::Entity::find_by_id(order.0)
        .one(&customers.read)
        .await;
    row.map_err(|e| customers.failed(e))
}
