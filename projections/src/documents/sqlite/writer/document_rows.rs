//! Rows of the writer's connection: loaded to go on from them, saved at a commit.

use std::collections::HashMap;

use domain::{CustomerId, Service};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction};
use sea_orm::{IdenStatic, Iterable};
use uuid::Uuid;

use super::errors;
use crate::ViewError;
use crate::documents::fold::{Change, CustomerState, Fold, OrderState};
use crate::documents::sqlite::conversions::{OrderRow, customer_of};
use crate::documents::sqlite::statements::{
    CUSTOMER_CHANGES, DetailColumns, ORDER_CHANGES, Sql, blob, customer_value, integer,
    order_value, quarantine_value,
};
use crate::documents::sqlite::tables::{customer_document, order_document, view_quarantine};
use crate::documents::{damaged, refused};
use crate::port::QuarantinedEntity;
use crate::shop::letters::fold;

pub(super) fn load_order(
    connection: &Connection,
    sql: &Sql,
    id: Uuid,
) -> Result<Option<OrderState>, ViewError> {
    use order_document::Column;

    let mut statement = connection
        .prepare_cached(&sql.select_order)
        .map_err(errors::written)?;

    let row = statement.query_row([blob(id.as_bytes())], |row| {
        Ok(OrderRow {
            customer_id: row
                .get_ref(Column::CustomerId.as_str())?
                .as_blob()?
                .to_vec(),
            state: row.get(Column::State.as_str())?,
            total_cents: row.get(Column::TotalCents.as_str())?,
            created_at: row.get(Column::CreatedAt.as_str())?,
            version: row.get(Column::Version.as_str())?,
            rejection_reason: row.get(Column::RejectionReason.as_str())?,
            customer_name: row.get(Column::CustomerName.as_str())?,
        })
    });

    let row = row.optional().map_err(errors::written)?;
    row.map(|row| {
        Ok(OrderState {
            order: row.into_order(id)?,
            details: None,
        })
    })
    .transpose()
}

pub(super) fn load_customer(
    connection: &Connection,
    sql: &Sql,
    id: Uuid,
) -> Result<Option<CustomerState>, ViewError> {
    use customer_document::Column;

    let mut statement = connection
        .prepare_cached(&sql.select_customer)
        .map_err(errors::written)?;

    let row = statement.query_row([blob(id.as_bytes())], |row| {
        Ok(customer_document::Model {
            id,
            credit_limit_cents: row.get(Column::CreditLimitCents.as_str())?,
            available_cents: row.get(Column::AvailableCents.as_str())?,
            created_at: row.get(Column::CreatedAt.as_str())?,
            version: row.get(Column::Version.as_str())?,
            name: row.get(Column::Name.as_str())?,
            name_folded: row.get(Column::NameFolded.as_str())?,
        })
    });

    let row = row.optional().map_err(errors::written)?;
    row.map(|row| {
        Ok(CustomerState {
            customer: customer_of(row)?,
            is_new: false,
        })
    })
    .transpose()
}

pub(super) fn save_orders(
    transaction: &Transaction<'_>,
    sql: &Sql,
    orders: &Fold<OrderState>,
) -> Result<(), ViewError> {
    let mut insert = transaction
        .prepare_cached(&sql.insert_order)
        .map_err(errors::written)?;

    let mut replace = transaction
        .prepare_cached(&sql.replace_order)
        .map_err(errors::written)?;

    let mut update = transaction
        .prepare_cached(&sql.update_order)
        .map_err(errors::written)?;

    let mut largest: HashMap<CustomerId, i64> = HashMap::new();

    for Change {
        state: OrderState { order, details },
        replaces,
    } in orders.changed()
    {
        if let Some(details) = details {
            let lines = serde_json::to_string(&details.lines).map_err(refused)?;
            let details = DetailColumns {
                lines: &lines,
                note: details.note.as_deref(),
            };
            let columns = order_document::Column::iter();
            let statement = if replaces { &mut replace } else { &mut insert };
            run(statement, columns, |column| {
                order_value(column, order, Some(details))
            })?;
            let known = largest.entry(order.customer_id).or_default();
            *known = order.total.cents().max(*known);
        } else {
            let columns = ORDER_CHANGES
                .into_iter()
                .chain([order_document::Column::Id]);
            run(&mut update, columns, |column| {
                order_value(column, order, None)
            })?;
        }
    }

    let mut raise = transaction
        .prepare_cached(&sql.raise_largest)
        .map_err(errors::written)?;

    for (customer, total) in largest {
        raise
            .execute([blob(customer.0.as_bytes()), integer(total)])
            .map_err(errors::written)?;
    }

    Ok(())
}

pub(super) fn save_customers(
    transaction: &Transaction<'_>,
    sql: &Sql,
    customers: &Fold<CustomerState>,
) -> Result<(), ViewError> {
    let mut insert = transaction
        .prepare_cached(&sql.insert_customer)
        .map_err(errors::written)?;

    let mut replace = transaction
        .prepare_cached(&sql.replace_customer)
        .map_err(errors::written)?;

    let mut update = transaction
        .prepare_cached(&sql.update_customer)
        .map_err(errors::written)?;

    for Change {
        state: CustomerState { customer, is_new },
        replaces,
    } in customers.changed()
    {
        if *is_new {
            let name_folded = fold(&customer.name);
            let columns = customer_document::Column::iter();
            let statement = if replaces { &mut replace } else { &mut insert };
            run(statement, columns, |column| {
                customer_value(column, customer, &name_folded)
            })?;
        } else {
            let columns = CUSTOMER_CHANGES
                .into_iter()
                .chain([customer_document::Column::Id]);
            run(&mut update, columns, |column| {
                customer_value(column, customer, "")
            })?;
        }
    }

    Ok(())
}

pub(super) fn put_quarantined(
    transaction: &Transaction<'_>,
    sql: &Sql,
    entity: &QuarantinedEntity,
) -> Result<(), ViewError> {
    let detail = serde_json::to_string(entity).map_err(refused)?;
    let mut put = transaction
        .prepare_cached(&sql.put_quarantined)
        .map_err(errors::written)?;
    run(&mut put, view_quarantine::Column::iter(), |column| {
        Ok(quarantine_value(column, entity, &detail))
    })
}

pub(super) fn delete_quarantined(
    transaction: &Transaction<'_>,
    sql: &Sql,
    service: Service,
    entity: Uuid,
) -> Result<(), ViewError> {
    let mut delete = transaction
        .prepare_cached(&sql.delete_quarantined)
        .map_err(errors::written)?;
    delete
        .execute((blob(entity.as_bytes()), service.number()))
        .map_err(errors::written)?;
    Ok(())
}

pub(super) fn list_quarantined(
    connection: &Connection,
    sql: &Sql,
    limit: usize,
) -> Result<Vec<QuarantinedEntity>, ViewError> {
    let mut select = connection
        .prepare_cached(&sql.select_quarantined)
        .map_err(errors::written)?;

    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let details = select
        .query_map([limit], |row| row.get::<_, String>(0))
        .map_err(errors::written)?;

    details
        .map(|detail| serde_json::from_str(&detail.map_err(errors::written)?).map_err(damaged))
        .collect()
}

/// Binds the columns' values in order and runs the statement.
fn run<'a, C>(
    statement: &mut CachedStatement<'_>,
    columns: impl Iterator<Item = C>,
    value: impl Fn(C) -> Result<rusqlite::types::ToSqlOutput<'a>, ViewError>,
) -> Result<(), ViewError> {
    for (place, column) in (1..).zip(columns) {
        statement
            .raw_bind_parameter(place, value(column)?)
            .map_err(errors::written)?;
    }
    statement.raw_execute().map_err(errors::written)?;
    Ok(())
}
