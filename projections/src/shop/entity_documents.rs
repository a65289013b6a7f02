//! The rows of the services' databases as documents: what an auditor compares with a view, and what
//! a view is built from when it is not built from the history.

use domain::{CustomerId, Money, OrderId, OrderState, RejectionReason, Timestamp};
use store::StoreError;
use store::services::customers::tables::customer;
use store::services::orders::tables::order;
use uuid::Uuid;

use super::document::{CustomerDocument, OrderDocument};

/// A row that cannot be a document.
#[derive(Debug, thiserror::Error)]
#[error("{field} of order {order}: {found}")]
pub struct Unreadable {
    /// The order whose row it is.
    pub order: Uuid,
    /// The column that cannot be read.
    pub field: &'static str,
    /// What would have been readable.
    pub expected: &'static str,
    /// What stands there.
    pub found: String,
}

impl From<Unreadable> for StoreError {
    fn from(error: Unreadable) -> Self {
        StoreError::Corrupt {
            what: format!("order {}", error.order),
            source: Box::new(error),
        }
    }
}

/// The row of a customer as a document.
#[must_use]
pub fn customer(row: customer::Model) -> CustomerDocument {
    CustomerDocument {
        customer_id: CustomerId(row.customer_id),
        name: row.name,
        credit_limit: Money::from_cents(row.credit_limit_cents),
        available_credit: Money::from_cents(
            row.credit_limit_cents.saturating_sub(row.reserved_cents),
        ),
        creation_time: Timestamp::from_micros(row.created_at),
        version: u64::try_from(row.version).unwrap_or(0),
    }
}

/// The row of an order as a document.
///
/// # Errors
/// When its texts cannot be read.
pub fn order(row: order::Model) -> Result<OrderDocument, Unreadable> {
    let order = row.order_id;
    let unreadable = |field, expected, found| Unreadable {
        order,
        field,
        expected,
        found,
    };

    let known = "a known one";

    let reason = |name: &str| {
        RejectionReason::from_name(name)
            .ok_or_else(|| unreadable("rejection reason", known, name.to_owned()))
    };

    let lines = row.lines.as_deref().map(serde_json::from_str).transpose();

    Ok(OrderDocument {
        order_id: OrderId(row.order_id),
        customer_id: CustomerId(row.customer_id),
        customer_name: row.customer_name,
        order_total: Money::from_cents(row.total_cents),
        state: OrderState::from_name(&row.state)
            .ok_or_else(|| unreadable("state", known, row.state.clone()))?,
        rejection_reason: row.rejection_reason.as_deref().map(reason).transpose()?,
        lines: lines
            .map_err(|e| unreadable("lines", "readable", e.to_string()))?
            .unwrap_or_default(),
        note: row.note,
        creation_time: Timestamp::from_micros(row.created_at),
        version: u64::try_from(row.version).unwrap_or(0),
    })
}
