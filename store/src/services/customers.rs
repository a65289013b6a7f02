//! The customers service: what it keeps, mapping between domain and rows, and loading.

pub mod credit;
mod history;
mod migrations;
pub mod snapshot;
pub mod tables;

use domain::messages::{CustomerCommand, CustomerNotice, CustomerReply};
use domain::{CUSTOMERS, Customer, CustomerEvent, CustomerId, Money, ORDERS, OrderId};
use sagas::{Fingerprint, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::loading::{self, Found, MemoryColumns};
use crate::mapping::{self, Memory, Stored};
use crate::services::{EntityTable, ServiceSchema};
use crate::{ServiceDatabase, StoreError};

pub use history::as_of;
use tables::{customer, reservation};

/// What the service keeps.
pub const SCHEMA: ServiceSchema = ServiceSchema::new(CUSTOMERS)
    .hearing_from(&[ORDERS])
    .with_messages(&[
        CustomerEvent::WIRE_NAMES,
        CustomerNotice::WIRE_NAMES,
        CustomerCommand::WIRE_NAMES,
        CustomerReply::WIRE_NAMES,
    ])
    .with_tables(
        EntityTable {
            name: "customers",
            key: "customer_id",
        },
        migrations::all,
    );

/// A database of release 0.1 with rows, as SQL.
#[cfg(test)]
pub(crate) const FIRST_SCHEMA: &str = include_str!("customers/first_schema.sql");

/// A customer with its row's memory.
pub type StoredCustomer = Stored<Customer>;

/// The row of a customer.
#[must_use]
pub fn to_row(stored: &StoredCustomer) -> customer::Model {
    let customer = &stored.entity;

    customer::Model {
        customer_id: customer.id.0,
        name: customer.name.clone(),
        credit_limit_cents: customer.credit_limit.cents(),
        reserved_cents: customer.reserved.cents(),
        version: mapping::signed(customer.version),
        created_at: customer.created_at.micros(),
        updated_at: customer.updated_at.micros(),
        request_fingerprint: stored.created_by.map(|fingerprint| fingerprint.0),
        limit_corrected_at: customer.limit_corrected_at.map(mapping::signed),
        remembered_keys: mapping::keys_to_column(&stored.remembered),
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

/// Reads a row back.
///
/// # Errors
/// When something of it cannot be read: then this customer stops, and it alone.
pub fn from_row(row: customer::Model) -> Result<StoredCustomer, StoreError> {
    let id = row.customer_id;
    let what = || format!("customer {id}");
    let corrected_at = row.limit_corrected_at;
    let corrected_at = corrected_at.map(|version| mapping::version(version, what));

    Ok(Stored {
        entity: Customer {
            id: CustomerId(row.customer_id),
            name: row.name,
            credit_limit: Money::from_cents(row.credit_limit_cents),
            reserved: Money::from_cents(row.reserved_cents),
            version: mapping::version(row.version, what)?,
            created_at: Timestamp::from_micros(row.created_at),
            updated_at: Timestamp::from_micros(row.updated_at),
            limit_corrected_at: corrected_at.transpose()?,
        },
        created_by: row.request_fingerprint.map(Fingerprint),
        remembered: mapping::keys_from_column(row.remembered_keys.as_deref(), what)?,
    })
}

/// The customers among `ids` that exist.
///
/// # Errors
/// When the database does not answer.
pub async fn load(
    database: &ServiceDatabase,
    ids: &[Uuid],
) -> Result<Found<Uuid, StoredCustomer>, StoreError> {
    let query = async |ids: Vec<Uuid>| {
        customer::Entity::find()
            .filter(customer::Column::CustomerId.is_in(ids))
            .all(&database.read)
            .await
    };

    let read = |row: customer::Model| (row.customer_id, from_row(row));
    loading::by_ids(database, ids, "customer", query, read).await
}

/// What the rows of the customers among `ids` remember. Their states are not looked at.
///
/// # Errors
/// When the database does not answer.
pub async fn memories(
    database: &ServiceDatabase,
    ids: &[Uuid],
) -> Result<Found<Uuid, Memory>, StoreError> {
    let columns = MemoryColumns {
        id: customer::Column::CustomerId,
        version: customer::Column::Version,
        request_fingerprint: customer::Column::RequestFingerprint,
        remembered_keys: customer::Column::RememberedKeys,
    };
    loading::memories::<customer::Entity>(database, ids, "customer", columns).await
}

/// The open reservations among those of `orders`.
///
/// # Errors
/// When the database does not answer.
pub async fn load_reservations(
    database: &ServiceDatabase,
    orders: &[Uuid],
) -> Result<Found<Uuid, Money>, StoreError> {
    let query = async |orders: Vec<Uuid>| {
        reservation::Entity::find()
            .filter(reservation::Column::OrderId.is_in(orders))
            .all(&database.read)
            .await
    };

    let read = |row: reservation::Model| {
        let amount = Money::from_cents(row.amount_cents);
        (row.order_id, Ok(amount))
    };
    loading::by_ids(database, orders, "reservation of order", query, read).await
}
