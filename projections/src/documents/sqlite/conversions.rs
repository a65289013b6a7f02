//! Between rows and what the domain and the queries speak of.

use domain::{
    Customer, CustomerId, Money, Order, OrderId, OrderLine, OrderState, RejectionReason, Timestamp,
};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::tables::{customer_document, order_document};
use crate::ViewError;
use crate::documents::{damaged, refused};
use crate::shop::{CustomerDocument, CustomerOrder, OrderDocument};

/// The number of a state in the table. Never reused.
pub(super) const fn state_number(state: OrderState) -> i16 {
    match state {
        OrderState::Pending => 1,
        OrderState::Approved => 2,
        OrderState::Rejected => 3,
        OrderState::Shipped => 4,
        OrderState::CancelPending => 5,
        OrderState::Cancelled => 6,
    }
}

pub(super) fn state_of(number: i16) -> Result<OrderState, ViewError> {
    OrderState::ALL
        .into_iter()
        .find(|state| state_number(*state) == number)
        .ok_or_else(|| damaged(format_args!("unknown order state {number}")))
}

fn reason_of(name: Option<&str>) -> Result<Option<RejectionReason>, ViewError> {
    let reason = |name| {
        RejectionReason::from_name(name)
            .ok_or_else(|| damaged(format_args!("unknown rejection reason {name}")))
    };
    name.map(reason).transpose()
}

fn version_of(stored: i64) -> Result<u64, ViewError> {
    u64::try_from(stored).map_err(|_| damaged(format_args!("version {stored}")))
}

/// A version as SQLite stores it.
pub(super) fn stored_version(version: u64) -> Result<i64, ViewError> {
    i64::try_from(version).map_err(|_| refused(format_args!("version {version}")))
}

/// The columns of an order that its events change or that they are decided by.
pub(super) struct OrderRow {
    /// The 16 bytes of the UUID.
    pub customer_id: Vec<u8>,
    /// Its number: see [`state_number`].
    pub state: i16,
    pub total_cents: i64,
    /// Microseconds since 1970.
    pub created_at: i64,
    pub version: i64,
    /// The reason's name; absent unless it is rejected.
    pub rejection_reason: Option<String>,
    /// Absent until the customer has answered.
    pub customer_name: Option<String>,
}

impl OrderRow {
    pub(super) fn into_order(self, id: Uuid) -> Result<Order, ViewError> {
        let created_at = Timestamp::from_micros(self.created_at);
        Ok(Order {
            id: OrderId(id),
            customer_id: CustomerId(Uuid::from_slice(&self.customer_id).map_err(damaged)?),
            customer_name: self.customer_name,
            total: Money::from_cents(self.total_cents),
            state: state_of(self.state)?,
            rejection_reason: reason_of(self.rejection_reason.as_deref())?,
            version: version_of(self.version)?,
            created_at,
            updated_at: created_at,
            choreography: domain::choreography::Choreography::default(),
        })
    }
}

pub(super) fn customer_of(row: customer_document::Model) -> Result<Customer, ViewError> {
    let created_at = Timestamp::from_micros(row.created_at);
    let credit_limit = Money::from_cents(row.credit_limit_cents);
    let available = Money::from_cents(row.available_cents);

    Ok(Customer {
        id: CustomerId(row.id),
        name: row.name,
        credit_limit,
        reserved: credit_limit
            .checked_sub(available)
            .ok_or_else(|| damaged("credit out of range"))?,
        version: version_of(row.version)?,
        created_at,
        updated_at: created_at,
        limit_corrected_at: None,
    })
}

impl TryFrom<customer_document::Model> for CustomerDocument {
    type Error = ViewError;

    fn try_from(row: customer_document::Model) -> Result<Self, ViewError> {
        Ok(CustomerDocument {
            customer_id: CustomerId(row.id),
            name: row.name,
            credit_limit: Money::from_cents(row.credit_limit_cents),
            available_credit: Money::from_cents(row.available_cents),
            creation_time: Timestamp::from_micros(row.created_at),
            version: version_of(row.version)?,
        })
    }
}

impl TryFrom<order_document::Model> for OrderDocument {
    type Error = ViewError;

    fn try_from(row: order_document::Model) -> Result<Self, ViewError> {
        let lines: Vec<OrderLine> = serde_json::from_str(&row.lines).map_err(damaged)?;
        Ok(OrderDocument {
            order_id: OrderId(row.id),
            customer_id: CustomerId(row.customer_id),
            customer_name: row.customer_name,
            order_total: Money::from_cents(row.total_cents),
            state: state_of(row.state)?,
            rejection_reason: reason_of(row.rejection_reason.as_deref())?,
            lines,
            note: row.note,
            creation_time: Timestamp::from_micros(row.created_at),
            version: version_of(row.version)?,
        })
    }
}

/// The columns of an order that its customer's document shows.
#[derive(Clone, Debug, FromQueryResult)]
pub(super) struct CustomerOrderRow {
    pub id: Uuid,
    /// Its number: see [`state_number`].
    pub state: i16,
    pub total_cents: i64,
    /// Microseconds since 1970.
    pub created_at: i64,
    pub version: i64,
    /// The reason's name; absent unless it is rejected.
    pub rejection_reason: Option<String>,
}

impl TryFrom<CustomerOrderRow> for CustomerOrder {
    type Error = ViewError;

    fn try_from(row: CustomerOrderRow) -> Result<Self, ViewError> {
        Ok(CustomerOrder {
            order_id: OrderId(row.id),
            state: state_of(row.state)?,
            order_total: Money::from_cents(row.total_cents),
            rejection_reason: reason_of(row.rejection_reason.as_deref())?,
            creation_time: Timestamp::from_micros(row.created_at),
            version: version_of(row.version)?,
        })
    }
}
