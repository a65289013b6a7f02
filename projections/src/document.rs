//! The documents that views hold and queries answer.

use domain::order::OrderCreated;
use domain::{
    Customer, CustomerId, Money, Order, OrderId, OrderLine, OrderState, RejectionReason, Timestamp,
};
use serde::{Deserialize, Serialize};

/// An order as queries show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderDocument {
    pub order_id: OrderId,
    pub customer_id: CustomerId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
    pub order_total: Money,
    pub state: OrderState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection_reason: Option<RejectionReason>,
    pub lines: Vec<OrderLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub creation_time: Timestamp,
    pub version: u64,
}

impl OrderDocument {
    /// An order as it stands, with what it was created with.
    #[must_use]
    pub fn of(order: Order, created: OrderCreated) -> Self {
        OrderDocument {
            order_id: order.id,
            customer_id: order.customer_id,
            customer_name: order.customer_name,
            order_total: order.total,
            state: order.state,
            rejection_reason: order.rejection_reason,
            lines: created.lines,
            note: created.note,
            creation_time: order.created_at,
            version: order.version,
        }
    }
}

/// A customer as queries show it, without its orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerDocument {
    pub customer_id: CustomerId,
    pub name: String,
    pub credit_limit: Money,
    pub available_credit: Money,
    pub creation_time: Timestamp,
    pub version: u64,
}

impl From<Customer> for CustomerDocument {
    fn from(customer: Customer) -> Self {
        CustomerDocument {
            available_credit: customer.available_credit(),
            customer_id: customer.id,
            name: customer.name,
            credit_limit: customer.credit_limit,
            creation_time: customer.created_at,
            version: customer.version,
        }
    }
}

/// An order as it stands inside its customer's document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerOrder {
    pub order_id: OrderId,
    pub state: OrderState,
    pub order_total: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection_reason: Option<RejectionReason>,
    pub creation_time: Timestamp,
    pub version: u64,
}

/// An entity as it stands, as a view takes it in whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    Customer(CustomerDocument),
    Order(OrderDocument),
}
