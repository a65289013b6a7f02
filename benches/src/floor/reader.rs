//! The two queries of the floor, answered from the rows themselves, so that a load's end state can
//! be checked.

use std::path::Path;

use domain::Money;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use uuid::Uuid;

use super::schema::{CUSTOMERS, ORDERS, open_to_read};

/// A customer without its orders: the floor has no view that would hold them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerDocument {
    /// The customer's id.
    pub customer_id: Uuid,
    /// As it was created.
    pub name: String,
    /// The most that its orders may reserve together.
    pub credit_limit: Money,
    /// The limit less what is reserved.
    pub available_credit: Money,
    /// Raised by each unit that changes the row.
    pub version: i64,
}

/// An order with what its saga has come to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderDocument {
    /// The order's id.
    pub order_id: Uuid,
    /// Who pays.
    pub customer_id: Uuid,
    /// Absent until the customer has answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
    /// What it reserves.
    pub order_total: Money,
    /// `PENDING`, `APPROVED` or `REJECTED`.
    pub state: String,
    /// Absent unless it is rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejection_reason: Option<String>,
    /// 1 as long as it is pending, 2 after its saga's end.
    pub version: i64,
}

/// Read connections beside the writers.
#[derive(Debug)]
pub struct Reader {
    orders: Connection,
    customers: Connection,
}

impl Reader {
    /// Opens both databases in this directory, to read alone.
    pub fn open(directory: &Path) -> anyhow::Result<Reader> {
        Ok(Reader {
            orders: open_to_read(directory, ORDERS)?,
            customers: open_to_read(directory, CUSTOMERS)?,
        })
    }

    /// The row of a customer; `None` when there is none.
    pub fn customer(&self, id: Uuid) -> rusqlite::Result<Option<CustomerDocument>> {
        let query = "SELECT name, limit_cents, reserved_cents, version FROM customers
             WHERE customer_id = ?1";

        let document = |row: &Row<'_>| {
            let (limit, reserved): (i64, i64) = (row.get(1)?, row.get(2)?);
            Ok(CustomerDocument {
                customer_id: id,
                name: row.get(0)?,
                credit_limit: Money::from_cents(limit),
                available_credit: Money::from_cents(limit - reserved),
                version: row.get(3)?,
            })
        };

        self.customers
            .query_row(query, [id.as_bytes().as_slice()], document)
            .optional()
    }

    /// The row of an order; `None` when there is none.
    pub fn order(&self, id: Uuid) -> rusqlite::Result<Option<OrderDocument>> {
        let query = "SELECT customer_id, customer_name, total_cents, state, rejection_reason,
             version FROM orders WHERE order_id = ?1";

        let document = |row: &Row<'_>| {
            Ok(OrderDocument {
                order_id: id,
                customer_id: Uuid::from_bytes(row.get(0)?),
                customer_name: row.get(1)?,
                order_total: Money::from_cents(row.get(2)?),
                state: row.get(3)?,
                rejection_reason: row.get(4)?,
                version: row.get(5)?,
            })
        };

        self.orders
            .query_row(query, [id.as_bytes().as_slice()], document)
            .optional()
    }
}
