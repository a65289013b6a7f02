//! The SQL of the writer, made from the SeaORM entities, and the values of its parameters.
//!
//! Every write that events cause is guarded by the document's version in SQL as well: an older
//! state never replaces a newer one, whatever the writer believes. Only an entity that is put as it
//! stands replaces what is there.

use domain::{Customer, Order};
use rusqlite::types::{ToSqlOutput, ValueRef};
use sea_orm::{EntityName, IdenStatic, Iterable};

use super::conversions::{state_number, stored_version};
use super::tables::{
    customer_document, customer_largest_order, order_document, view_position, view_quarantine,
};
use crate::ViewError;
use crate::port::QuarantinedEntity;

/// The columns of an order that events after its first change.
pub(super) const ORDER_CHANGES: [order_document::Column; 4] = [
    order_document::Column::State,
    order_document::Column::RejectionReason,
    order_document::Column::CustomerName,
    order_document::Column::Version,
];

/// What is read of an order to go on from it: [`OrderRow`](super::conversions::OrderRow).
const ORDER_STATE: [order_document::Column; 7] = [
    order_document::Column::CustomerId,
    order_document::Column::State,
    order_document::Column::TotalCents,
    order_document::Column::CreatedAt,
    order_document::Column::Version,
    order_document::Column::RejectionReason,
    order_document::Column::CustomerName,
];

/// The columns of a customer that events after its first change.
pub(super) const CUSTOMER_CHANGES: [customer_document::Column; 3] = [
    customer_document::Column::CreditLimitCents,
    customer_document::Column::AvailableCents,
    customer_document::Column::Version,
];

/// The texts of all statements. Made once, so that each stays prepared.
pub(super) struct Sql {
    /// Inserts an order's row, or puts it in the place of an older version.
    pub insert_order: String,
    /// Puts an order's row in the place of any version.
    pub replace_order: String,
    /// Changes what events change of an order, in an older version.
    pub update_order: String,
    /// Finds what an order's state needs, by its id.
    pub select_order: String,
    /// Keeps the larger one of two totals of a customer.
    pub raise_largest: String,
    /// Inserts a customer's row, or puts it in the place of an older version.
    pub insert_customer: String,
    /// Puts a customer's row in the place of any version.
    pub replace_customer: String,
    /// Changes what events change of a customer, in an older version.
    pub update_customer: String,
    /// Finds a customer's row, by its id.
    pub select_customer: String,
    /// Writes how far the view has come.
    pub put_positions: String,
    /// Finds how far the view has come.
    pub select_positions: String,
    /// Puts an entity in quarantine, or says anew why it is there.
    pub put_quarantined: String,
    /// Takes an entity out of quarantine.
    pub delete_quarantined: String,
    /// Finds what is in quarantine, up to a limit.
    pub select_quarantined: String,
}

impl Sql {
    pub(super) fn new() -> Self {
        let (orders, customers) = (
            order_document::Entity.table_name(),
            customer_document::Entity.table_name(),
        );

        let (positions, quarantine) = (
            view_position::Entity.table_name(),
            view_quarantine::Entity.table_name(),
        );

        let largest = customer_largest_order::Entity.table_name();

        Sql {
            insert_order: upsert::<order_document::Column>(orders, "id", Some("version")),
            replace_order: upsert::<order_document::Column>(orders, "id", None),
            update_order: update(orders, &ORDER_CHANGES),
            select_order: format!("SELECT {} FROM {orders} WHERE id = ?1", names(&ORDER_STATE)),
            raise_largest: upsert::<customer_largest_order::Column>(
                largest,
                "customer_id",
                Some("total_cents"),
            ),
            insert_customer: upsert::<customer_document::Column>(customers, "id", Some("version")),
            replace_customer: upsert::<customer_document::Column>(customers, "id", None),
            update_customer: update(customers, &CUSTOMER_CHANGES),
            select_customer: select_all::<customer_document::Column>(customers, "WHERE id = ?1"),
            put_positions: upsert::<view_position::Column>(positions, "view", None),
            select_positions: format!("SELECT positions FROM {positions} WHERE view = ?1"),
            put_quarantined: upsert::<view_quarantine::Column>(quarantine, "entity, service", None),
            delete_quarantined: format!(
                "DELETE FROM {quarantine} WHERE entity = ?1 AND service = ?2"
            ),
            select_quarantined: format!("SELECT detail FROM {quarantine} LIMIT ?1"),
        }
    }
}

fn names<C: IdenStatic>(columns: &[C]) -> String {
    columns
        .iter()
        .map(|column| column.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

fn select_all<C: IdenStatic + Iterable>(table: &str, condition: &str) -> String {
    format!(
        "SELECT {} FROM {table} {condition}",
        names(&C::iter().collect::<Vec<_>>())
    )
}

/// Inserts a row of all columns or replaces the one with its key; with a `guard` column only when
/// that one's is lower.
fn upsert<C: IdenStatic + Iterable>(table: &str, key: &str, guard: Option<&str>) -> String {
    let columns: Vec<C> = C::iter().collect();
    let parameters = (1..=columns.len())
        .map(|number| format!("?{number}"))
        .collect::<Vec<_>>()
        .join(", ");

    let replaced: Vec<_> = columns
        .iter()
        .map(|column| format!("{0} = excluded.{0}", column.as_str()))
        .collect();

    let guard = guard
        .map(|guard| format!(" WHERE excluded.{guard} > {table}.{guard}"))
        .unwrap_or_default();

    format!(
        "INSERT INTO {table} ({}) VALUES ({parameters}) ON CONFLICT ({key}) DO UPDATE SET {}{guard}",
        names(&columns),
        replaced.join(", ")
    )
}

/// Changes some columns of a row by id, the last of which is its version, when the stored version
/// is lower.
fn update<C: IdenStatic>(table: &str, columns: &[C]) -> String {
    let changes = columns
        .iter()
        .zip(1..)
        .map(|(column, number)| format!("{} = ?{number}", column.as_str()));
    let changes = changes.collect::<Vec<_>>().join(", ");
    let (version, id) = (columns.len(), columns.len() + 1);
    format!("UPDATE {table} SET {changes} WHERE id = ?{id} AND version < ?{version}")
}

/// What an order row has besides the order's state.
#[derive(Clone, Copy)]
pub(super) struct DetailColumns<'a> {
    /// A JSON array.
    pub lines: &'a str,
    /// Absent when the order has none.
    pub note: Option<&'a str>,
}

/// The value of one column of an order. `details` are there when the row is inserted.
pub(super) fn order_value<'a>(
    column: order_document::Column,
    order: &'a Order,
    details: Option<DetailColumns<'a>>,
) -> Result<ToSqlOutput<'a>, ViewError> {
    use order_document::Column;
    Ok(match column {
        Column::Id => blob(order.id.0.as_bytes()),
        Column::CustomerId => blob(order.customer_id.0.as_bytes()),
        Column::State => integer(i64::from(state_number(order.state))),
        Column::TotalCents => integer(order.total.cents()),
        Column::CreatedAt => integer(order.created_at.micros()),
        Column::Version => integer(stored_version(order.version)?),
        Column::RejectionReason => text(order.rejection_reason.map(|reason| reason.name())),
        Column::CustomerName => text(order.customer_name.as_deref()),
        Column::Lines => text(details.map(|details| details.lines)),
        Column::Note => text(details.and_then(|details| details.note)),
    })
}

/// The value of one column of a customer.
pub(super) fn customer_value<'a>(
    column: customer_document::Column,
    customer: &'a Customer,
    name_folded: &'a str,
) -> Result<ToSqlOutput<'a>, ViewError> {
    use customer_document::Column;
    Ok(match column {
        Column::Id => blob(customer.id.0.as_bytes()),
        Column::CreditLimitCents => integer(customer.credit_limit.cents()),
        Column::AvailableCents => integer(customer.available_credit().cents()),
        Column::CreatedAt => integer(customer.created_at.micros()),
        Column::Version => integer(stored_version(customer.version)?),
        Column::Name => text(Some(&customer.name)),
        Column::NameFolded => text(Some(name_folded)),
    })
}

/// The value of one column of an entity in quarantine.
pub(super) fn quarantine_value<'a>(
    column: view_quarantine::Column,
    entity: &'a QuarantinedEntity,
    detail: &'a str,
) -> ToSqlOutput<'a> {
    use view_quarantine::Column;
    match column {
        Column::Entity => blob(entity.entity.as_bytes()),
        Column::Service => integer(i64::from(entity.source.service.number())),
        Column::Detail => text(Some(detail)),
    }
}

pub(super) fn blob(bytes: &[u8]) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::Blob(bytes))
}

pub(super) fn integer(value: i64) -> ToSqlOutput<'static> {
    ToSqlOutput::Borrowed(ValueRef::Integer(value))
}

fn text(value: Option<&str>) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(value.map_or(ValueRef::Null, |value| ValueRef::Text(value.as_bytes())))
}
