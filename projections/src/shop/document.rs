//! The documents that the shop's views hold and queries answer.

use domain::order::OrderCreated;
use domain::{
    Customer, CustomerId, Money, Order, OrderId, OrderLine, OrderState, RejectionReason, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::ViewError;
use crate::projection::ViewEntity;
use crate::slices::Disagreement;

/// An order as queries show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderDocument {
    /// Which order it is.
    pub order_id: OrderId,
    /// Who has placed it.
    pub customer_id: CustomerId,
    /// The customer's name, once the reservation of credit was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
    /// The sum of its lines.
    pub order_total: Money,
    /// Where it stands.
    pub state: OrderState,
    /// Why it was rejected, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection_reason: Option<RejectionReason>,
    /// What was ordered.
    pub lines: Vec<OrderLine>,
    /// What the customer has added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it was created.
    pub creation_time: Timestamp,
    /// The order's version that it shows.
    pub version: u64,
}

impl OrderDocument {
    /// An order as it stands, with what it was created with.
    #[must_use]
    pub fn of(order: Order, created: OrderCreated) -> Self {
        OrderDocument::with(order, created.lines, created.note)
    }

    /// An order as it stands, with its lines and its note, which no event changes.
    pub(crate) fn with(order: Order, lines: Vec<OrderLine>, note: Option<String>) -> Self {
        OrderDocument {
            order_id: order.id,
            customer_id: order.customer_id,
            customer_name: order.customer_name,
            order_total: order.total,
            state: order.state,
            rejection_reason: order.rejection_reason,
            lines,
            note,
            creation_time: order.created_at,
            version: order.version,
        }
    }
}

/// A customer as queries show it, without its orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerDocument {
    /// Which customer it is.
    pub customer_id: CustomerId,
    /// What the customer is called.
    pub name: String,
    /// How much its open orders may come to.
    pub credit_limit: Money,
    /// What is left of the limit.
    pub available_credit: Money,
    /// When it was created.
    pub creation_time: Timestamp,
    /// The customer's version that it shows.
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
    /// Which order it is.
    pub order_id: OrderId,
    /// Where it stands.
    pub state: OrderState,
    /// The sum of its lines.
    pub order_total: Money,
    /// Why it was rejected, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection_reason: Option<RejectionReason>,
    /// When it was created.
    pub creation_time: Timestamp,
    /// The order's version that it shows.
    pub version: u64,
}

/// An entity as it stands, as a view takes it in whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// A customer without its orders.
    Customer(CustomerDocument),
    /// An order.
    Order(OrderDocument),
}

impl Document {
    /// The document of a customer, if it is one.
    #[must_use]
    pub fn customer(self) -> Option<CustomerDocument> {
        match self {
            Document::Customer(customer) => Some(customer),
            Document::Order(_) => None,
        }
    }

    /// The document of an order, if it is one.
    #[must_use]
    pub fn order(self) -> Option<OrderDocument> {
        match self {
            Document::Customer(_) => None,
            Document::Order(order) => Some(order),
        }
    }
}

impl ViewEntity for Document {
    fn version(&self) -> u64 {
        match self {
            Document::Customer(customer) => customer.version,
            Document::Order(order) => order.version,
        }
    }
}

impl ViewEntity for OrderDocument {
    fn version(&self) -> u64 {
        self.version
    }
}

/// Compares the document of an order with the version and the total that a view has stored beside
/// it. Of a document that cannot be read nothing can be said.
pub(crate) fn beside_order(
    document: &Result<OrderDocument, ViewError>,
    version: u64,
    total_cents: i64,
) -> Vec<Disagreement> {
    let mut disagreements = Vec::new();
    let Ok(document) = document else {
        return disagreements;
    };

    if document.version != version {
        disagreements.push(Disagreement {
            what: "version",
            entity: document.version.to_string(),
            beside: version.to_string(),
        });
    }

    if document.order_total.cents() != total_cents {
        disagreements.push(Disagreement {
            what: "total",
            entity: document.order_total.to_string(),
            beside: Money::from_cents(total_cents).to_string(),
        });
    }

    disagreements
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_version_or_a_total_that_says_otherwise_is_told_as_both_have_it() {
        let document = || OrderDocument {
            order_id: OrderId(Uuid::from_u128(2)),
            customer_id: CustomerId(Uuid::from_u128(1)),
            customer_name: None,
            order_total: Money::from_cents(700),
            state: OrderState::Pending,
            rejection_reason: None,
            lines: Vec::new(),
            note: None,
            creation_time: Timestamp::from_micros(1),
            version: 1,
        };
        let told = |what, entity: &str, beside: &str| Disagreement {
            what,
            entity: entity.to_owned(),
            beside: beside.to_owned(),
        };

        assert_eq!(beside_order(&Ok(document()), 1, 700), []);
        let version = [told("version", "1", "2")];
        assert_eq!(beside_order(&Ok(document()), 2, 700), version);
        let total = [told("total", "7.00", "8.00")];
        assert_eq!(beside_order(&Ok(document()), 1, 800), total);

        let unreadable = ViewError::NotReady { view: "search" };
        assert_eq!(beside_order(&Err(unreadable), 2, 800), []);
    }
}
