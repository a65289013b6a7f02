//! Customers and their reservations: mapping between domain and rows, and loading.

use std::collections::HashMap;

use ::sagas::Fingerprint;
use domain::{Customer, CustomerId, Money, OrderId, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::tables::{customer, reservation};
use crate::{ServiceDatabase, StoreError, mapping};

/// A customer and what its row remembers besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCustomer {
    pub customer: Customer,
    /// Of the request that made it, when it came with an `Idempotency-Key`.
    pub created_by: Option<Fingerprint>,
}

/// The row of a customer.
#[must_use]
pub fn to_row(stored: &StoredCustomer) -> customer::Model {
    let customer = &stored.customer;
    customer::Model {
        customer_id: customer.id.0,
        name: customer.name.clone(),
        credit_limit_cents: customer.credit_limit.cents(),
        reserved_cents: customer.reserved.cents(),
        version: mapping::signed(customer.version),
        created_at: customer.created_at.micros(),
        updated_at: customer.updated_at.micros(),
        request_fingerprint: stored.created_by.map(|fingerprint| fingerprint.0),
    }
}

/// The row of a reservation.
#[must_use]
pub fn reservation_row(customer: CustomerId, order: OrderId, amount: Money) -> reservation::Model {
    reservation::Model {
        order_id: order.0,
        customer_id: customer.0,
        amount_cents: amount.cents(),
    }
}

fn from_row(row: customer::Model) -> StoredCustomer {
    StoredCustomer {
        customer: Customer {
            id: CustomerId(row.customer_id),
            name: row.name,
            credit_limit: Money::from_cents(row.credit_limit_cents),
            reserved: Money::from_cents(row.reserved_cents),
            version: mapping::unsigned(row.version),
            created_at: Timestamp::from_micros(row.created_at),
            updated_at: Timestamp::from_micros(row.updated_at),
        },
        created_by: row.request_fingerprint.map(Fingerprint),
    }
}

/// The customers among `ids` that exist.
///
/// # Errors
/// When the database does not answer.
pub async fn load(
    database: &ServiceDatabase,
    ids: &[CustomerId],
) -> Result<HashMap<CustomerId, StoredCustomer>, StoreError> {
    let mut found = HashMap::with_capacity(ids.len());

    for ids in ids.chunks(mapping::IDS_PER_QUERY) {
        let rows = customer::Entity::find()
            .filter(customer::Column::CustomerId.is_in(ids.iter().map(|id| id.0)))
            .all(&database.read)
            .await
            .map_err(|e| database.failed(e))?;
        found.extend(
            rows.into_iter()
                .map(|row| (CustomerId(row.customer_id), from_row(row))),
        );
    }

    Ok(found)
}

/// The open reservations among those of `orders`.
///
/// # Errors
/// When the database does not answer.
pub async fn load_reservations(
    database: &ServiceDatabase,
    orders: &[OrderId],
) -> Result<HashMap<OrderId, Money>, StoreError> {
    let mut found = HashMap::with_capacity(orders.len());

    for orders in orders.chunks(mapping::IDS_PER_QUERY) {
        let rows = reservation::Entity::find()
            .filter(reservation::Column::OrderId.is_in(orders.iter().map(|id| id.0)))
            .all(&database.read)
            .await
            .map_err(|e| database.failed(e))?;
        found.extend(
            rows.into_iter()
                .map(|row| (OrderId(row.order_id), Money::from_cents(row.amount_cents))),
        );
    }

    Ok(found)
}
