//! The orders service: what it keeps, mapping between domain and rows, and loading.

mod history;
mod migrations;
pub mod snapshot;
pub mod tables;

use domain::choreography::Choreography;
use domain::messages::{CustomerCommand, CustomerReply, OrderNotice, OrderRequest};
use domain::order::OrderCreated;
use domain::{
    CUSTOMERS, CustomerId, Money, ORDERS, Order, OrderEvent, OrderId, OrderState, RejectionReason,
};
use sagas::{Fingerprint, Timestamp};
use sea_orm::{ColumnTrait, DerivePartialModel, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::loading::{self, Found, MemoryColumns};
use crate::mapping::{self, Memory, Stored};
use crate::services::{EntityTable, ServiceSchema};
use crate::{ServiceDatabase, StoreError};

pub use history::as_of;
use tables::order;

/// What the service keeps.
pub const SCHEMA: ServiceSchema = ServiceSchema::new(ORDERS)
    .hearing_from(&[CUSTOMERS])
    .with_messages(&[
        OrderEvent::WIRE_NAMES,
        OrderNotice::WIRE_NAMES,
        OrderRequest::WIRE_NAMES,
        CustomerCommand::WIRE_NAMES,
        CustomerReply::WIRE_NAMES,
    ])
    .with_tables(
        EntityTable {
            name: "orders",
            key: "order_id",
        },
        migrations::all,
    );

/// A database of release 0.1 with rows, as SQL.
#[cfg(test)]
pub(crate) const FIRST_SCHEMA: &str = include_str!("orders/first_schema.sql");

/// An order with its row's memory; without lines and note, which no decision needs.
pub type StoredOrder = Stored<Order>;

/// The columns that decisions need.
#[derive(DerivePartialModel)]
#[sea_orm(entity = "order::Entity")]
struct Head {
    order_id: Uuid,
    customer_id: Uuid,
    customer_name: Option<String>,
    total_cents: i64,
    state: String,
    rejection_reason: Option<String>,
    version: i64,
    created_at: i64,
    updated_at: i64,
    request_fingerprint: Option<Uuid>,
    remembered_keys: Option<String>,
    choreography: Option<String>,
}

/// The row of an order. Lines and note come from its creation; they are written once, and left out
/// of later updates.
///
/// # Errors
/// When something of it has no JSON form, which cannot happen.
pub fn to_row(
    stored: &StoredOrder,
    created: Option<&OrderCreated>,
) -> Result<order::Model, StoreError> {
    let order = &stored.entity;

    let lines = created
        .filter(|created| !created.lines.is_empty())
        .map(|created| serde_json::to_string(&created.lines));

    let choreography = Some(order.choreography)
        .filter(|choreography| !choreography.is_none())
        .map(|choreography| serde_json::to_string(&choreography));

    let without_form = |e: serde_json::Error| StoreError::Corrupt {
        what: format!("order {}", order.id),
        source: Box::new(e),
    };
    let lines = lines.transpose().map_err(without_form)?;
    let choreography = choreography.transpose().map_err(without_form)?;

    Ok(order::Model {
        order_id: order.id.0,
        customer_id: order.customer_id.0,
        customer_name: order.customer_name.clone(),
        total_cents: order.total.cents(),
        state: order.state.name().to_owned(),
        rejection_reason: order
            .rejection_reason
            .map(|reason| reason.name().to_owned()),
        version: mapping::signed(order.version),
        created_at: order.created_at.micros(),
        updated_at: order.updated_at.micros(),
        lines,
        note: created.and_then(|created| created.note.clone()),
        request_fingerprint: stored.created_by.map(|fingerprint| fingerprint.0),
        remembered_keys: mapping::keys_to_column(&stored.remembered),
        choreography,
    })
}

/// Reads the column of what is done without sagas. `what` names the order in the error.
///
/// # Errors
/// When it is not what [`to_row`] writes.
pub fn choreography_from_column(
    column: Option<&str>,
    what: impl Fn() -> String,
) -> Result<Choreography, StoreError> {
    let read = column.map(serde_json::from_str).transpose();
    let read = read.map_err(|e| mapping::in_column(what(), "choreography", e))?;
    Ok(read.unwrap_or_default())
}

/// Reads a row back as decisions do.
///
/// # Errors
/// When something of it cannot be read: then this order stops, and it alone.
pub fn from_row(row: order::Model) -> Result<StoredOrder, StoreError> {
    from_head(Head {
        order_id: row.order_id,
        customer_id: row.customer_id,
        customer_name: row.customer_name,
        total_cents: row.total_cents,
        state: row.state,
        rejection_reason: row.rejection_reason,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
        request_fingerprint: row.request_fingerprint,
        remembered_keys: row.remembered_keys,
        choreography: row.choreography,
    })
}

fn from_head(row: Head) -> Result<StoredOrder, StoreError> {
    let what = || format!("order {}", row.order_id);

    let reason = row.rejection_reason.as_deref();
    let reason = reason
        .map(|name| mapping::named(RejectionReason::from_name(name), name, what))
        .transpose()?;

    Ok(Stored {
        entity: Order {
            id: OrderId(row.order_id),
            customer_id: CustomerId(row.customer_id),
            total: Money::from_cents(row.total_cents),
            state: mapping::named(OrderState::from_name(&row.state), &row.state, what)?,
            rejection_reason: reason,
            version: mapping::version(row.version, what)?,
            created_at: Timestamp::from_micros(row.created_at),
            updated_at: Timestamp::from_micros(row.updated_at),
            customer_name: row.customer_name,
            choreography: choreography_from_column(row.choreography.as_deref(), || {
                format!("order {}", row.order_id)
            })?,
        },
        created_by: row.request_fingerprint.map(Fingerprint),
        remembered: mapping::keys_from_column(row.remembered_keys.as_deref(), || {
            format!("order {}", row.order_id)
        })?,
    })
}

/// The orders among `ids` that exist.
///
/// # Errors
/// When the database does not answer.
pub async fn load(
    database: &ServiceDatabase,
    ids: &[Uuid],
) -> Result<Found<Uuid, StoredOrder>, StoreError> {
    let query = async |ids: Vec<Uuid>| {
        order::Entity::find()
            .filter(order::Column::OrderId.is_in(ids))
            .into_partial_model::<Head>()
            .all(&database.read)
            .await
    };

    let read = |row: Head| (row.order_id, from_head(row));
    loading::by_ids(database, ids, "order", query, read).await
}

/// What the rows of the orders among `ids` remember. Their states are not looked at.
///
/// # Errors
/// When the database does not answer.
pub async fn memories(
    database: &ServiceDatabase,
    ids: &[Uuid],
) -> Result<Found<Uuid, Memory>, StoreError> {
    let columns = MemoryColumns {
        id: order::Column::OrderId,
        version: order::Column::Version,
        request_fingerprint: order::Column::RequestFingerprint,
        remembered_keys: order::Column::RememberedKeys,
    };
    loading::memories::<order::Entity>(database, ids, "order", columns).await
}
