//! Rows of customers and reservations, for the auditor.

use domain::OrderId;
use sea_orm::{EntityTrait, QueryFilter, QueryOrder};

use super::tables::{customer, reservation};
use crate::snapshot::{IdRange, Snapshot};
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
) -> Result<Vec<reservation::Model>, StoreError> {
    let rows = reservation::Entity::find()
        .filter(range.condition(reservation::Column::OrderId))
        .order_by_asc(reservation::Column::OrderId)
        .all(&customers.read)
        .await;
    rows.map_err(|e| customers.failed(e))
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
