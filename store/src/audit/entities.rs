//! Rows of customers, orders and reservations, by ranges of ids.

use domain::OrderId;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{IdRange, Snapshot};
use crate::tables::{customer, order, reservation};
use crate::{ServiceDatabase, StoreError};

/// How many customers or orders the service has.
///
/// # Errors
/// When the database does not answer.
pub async fn count(database: &ServiceDatabase) -> Result<u64, StoreError> {
    let count = match database.service {
        domain::CUSTOMERS => customer::Entity::find().count(&database.read).await,
        _ => order::Entity::find().count(&database.read).await,
    };
    count.map_err(|e| database.failed(e))
}

/// The range of the next `limit` customers or orders of the service after an id; the last one has
/// no end.
///
/// # Errors
/// When the database does not answer.
pub async fn next_range(
    database: &ServiceDatabase,
    after: Option<Uuid>,
    limit: u64,
) -> Result<IdRange, StoreError> {
    let unbounded = IdRange { after, up_to: None };
    let offset = limit.saturating_sub(1);

    let last: Option<Uuid> = match database.service {
        domain::CUSTOMERS => {
            let ids = unbounded
                .of::<customer::Entity>(customer::Column::CustomerId)
                .select_only();
            let ids = ids
                .column(customer::Column::CustomerId)
                .order_by_asc(customer::Column::CustomerId);
            ids.offset(offset)
                .limit(1)
                .into_tuple()
                .one(&database.read)
                .await
        }
        _ => {
            let ids = unbounded
                .of::<order::Entity>(order::Column::OrderId)
                .select_only();
            let ids = ids
                .column(order::Column::OrderId)
                .order_by_asc(order::Column::OrderId);
            ids.offset(offset)
                .limit(1)
                .into_tuple()
                .one(&database.read)
                .await
        }
    }
    .map_err(|e| database.failed(e))?;
    Ok(IdRange { after, up_to: last })
}

impl Snapshot {
    /// The customers of a range, by id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn customers(&self, range: IdRange) -> Result<Vec<customer::Model>, StoreError> {
        let rows = range.of::<customer::Entity>(customer::Column::CustomerId);
        let rows = rows
            .order_by_asc(customer::Column::CustomerId)
            .all(&self.transaction)
            .await;
        rows.map_err(|e| self.failed(e))
    }

    /// The orders of a range, by id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn orders(&self, range: IdRange) -> Result<Vec<order::Model>, StoreError> {
        let rows = range.of::<order::Entity>(order::Column::OrderId);
        let rows = rows
            .order_by_asc(order::Column::OrderId)
            .all(&self.transaction)
            .await;
        rows.map_err(|e| self.failed(e))
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
    let rows = range.of::<reservation::Entity>(reservation::Column::OrderId);
    let rows = rows
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

/// What of an order its reservation depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderHead {
    pub customer_id: Uuid,
    pub total_cents: i64,
    pub state: String,
    pub version: i64,
}

/// The head of an order.
///
/// # Errors
/// When the database does not answer.
pub async fn order_head(
    orders: &ServiceDatabase,
    order: OrderId,
) -> Result<Option<OrderHead>, StoreError> {
    use order::Column;

    let columns = [
        Column::CustomerId,
        Column::TotalCents,
        Column::State,
        Column::Version,
    ];

    let row: Option<(Uuid, i64, String, i64)> = order::Entity::find()
        .filter(Column::OrderId.eq(order.0))
        .select_only()
        .columns(columns)
        .into_tuple()
        .one(&orders.read)
        .await
        .map_err(|e| orders.failed(e))?;

    Ok(
        row.map(|(customer_id, total_cents, state, version)| OrderHead {
            customer_id,
            total_cents,
            state,
            version,
        }),
    )
}
