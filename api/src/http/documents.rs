//! Makes the documents of the public contract from those of the views: what a view stores may
//! change, these may not.

use std::collections::BTreeMap;

use domain::{CustomerId, Money, OrderId, OrderLine, OrderState, RejectionReason, Timestamp};
use projections::{CustomerDocument, CustomerOrder, OrderDocument};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use super::schema;
use crate::ports::{CustomerWithOrders, HistoryEvent, OrderHit};

/// An order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    #[schema(value_type = Uuid)]
    order_id: OrderId,
    #[schema(value_type = Uuid)]
    customer_id: CustomerId,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_name: Option<String>,
    #[schema(value_type = schema::Money)]
    order_total: Money,
    #[schema(value_type = schema::OrderState)]
    state: OrderState,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::RejectionReason>)]
    rejection_reason: Option<RejectionReason>,
    #[schema(value_type = Vec<schema::OrderLine>)]
    lines: Vec<OrderLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[schema(value_type = schema::Time)]
    creation_time: Timestamp,
    version: u64,
}

impl From<OrderDocument> for Order {
    fn from(order: OrderDocument) -> Self {
        Order {
            order_id: order.order_id,
            customer_id: order.customer_id,
            customer_name: order.customer_name,
            order_total: order.order_total,
            state: order.state,
            rejection_reason: order.rejection_reason,
            lines: order.lines,
            note: order.note,
            creation_time: order.creation_time,
            version: order.version,
        }
    }
}

/// A customer without its orders.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    #[schema(value_type = Uuid)]
    customer_id: CustomerId,
    name: String,
    #[schema(value_type = schema::Money)]
    credit_limit: Money,
    #[schema(value_type = schema::Money)]
    available_credit: Money,
    #[schema(value_type = schema::Time)]
    creation_time: Timestamp,
    version: u64,
}

impl From<CustomerDocument> for Customer {
    fn from(customer: CustomerDocument) -> Self {
        Customer {
            customer_id: customer.customer_id,
            name: customer.name,
            credit_limit: customer.credit_limit,
            available_credit: customer.available_credit,
            creation_time: customer.creation_time,
            version: customer.version,
        }
    }
}

/// An order as it stands inside its customer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderOfCustomer {
    #[schema(value_type = Uuid)]
    order_id: OrderId,
    #[schema(value_type = schema::OrderState)]
    state: OrderState,
    #[schema(value_type = schema::Money)]
    order_total: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::RejectionReason>)]
    rejection_reason: Option<RejectionReason>,
    #[schema(value_type = schema::Time)]
    creation_time: Timestamp,
    version: u64,
}

impl From<CustomerOrder> for OrderOfCustomer {
    fn from(order: CustomerOrder) -> Self {
        OrderOfCustomer {
            order_id: order.order_id,
            state: order.state,
            order_total: order.order_total,
            rejection_reason: order.rejection_reason,
            creation_time: order.creation_time,
            version: order.version,
        }
    }
}

/// A customer with its newest orders by their ids.
#[derive(Serialize, ToSchema)]
pub struct CustomerDetails {
    #[serde(flatten)]
    customer: Customer,
    /// Absent when the customer is shown as it was in the past.
    #[serde(serialize_with = "by_id")]
    #[schema(value_type = BTreeMap<String, OrderOfCustomer>, required = false)]
    orders: Vec<OrderOfCustomer>,
}

impl From<CustomerWithOrders> for CustomerDetails {
    fn from(found: CustomerWithOrders) -> Self {
        CustomerDetails {
            customer: found.customer.into(),
            orders: found.orders.into_iter().map(Into::into).collect(),
        }
    }
}

/// An object keyed by id that keeps the order of the list, newest first.
fn by_id<S: Serializer>(orders: &[OrderOfCustomer], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(orders.iter().map(|order| (order.order_id, order)))
}

/// A page of customers.
#[derive(Serialize, ToSchema)]
pub struct Customers {
    customers: Vec<Customer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Customers {
    pub fn new(customers: Vec<CustomerDocument>, next: Option<String>) -> Self {
        Customers {
            customers: customers.into_iter().map(Into::into).collect(),
            next,
        }
    }
}

/// How many customers there are.
#[derive(Serialize, ToSchema)]
pub struct CustomerCount {
    /// As many as the view shows.
    pub count: u64,
}

/// A page of a customer's orders.
#[derive(Serialize, ToSchema)]
pub struct OrdersOfCustomer {
    orders: Vec<OrderOfCustomer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl OrdersOfCustomer {
    pub fn new(orders: Vec<CustomerOrder>, next: Option<String>) -> Self {
        OrdersOfCustomer {
            orders: orders.into_iter().map(Into::into).collect(),
            next,
        }
    }
}

/// An order found; score and highlights only with a text.
#[derive(Serialize, ToSchema)]
pub struct FoundOrder {
    #[serde(flatten)]
    order: Order,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f32>,
    /// By field: pieces of it as HTML, safe to put into a page as they are. Matches stand between
    /// `<em>` and `</em>`; the text's own `&`, `<`, `>`, `"` and `'` are escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    highlights: Option<BTreeMap<String, Vec<String>>>,
}

/// A page of orders.
#[derive(Serialize, ToSchema)]
pub struct Orders {
    orders: Vec<FoundOrder>,
    /// How many there are on all pages.
    total: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Orders {
    pub fn new(hits: Vec<OrderHit>, total: u64, next: Option<String>) -> Self {
        let found = |hit: OrderHit| FoundOrder {
            order: hit.order.into(),
            score: hit.score,
            highlights: hit.highlights,
        };
        Orders {
            orders: hits.into_iter().map(found).collect(),
            total,
            next,
        }
    }
}

/// One thing that happened to an entity.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    version: u64,
    #[serde(rename = "type")]
    #[schema(example = "order.created")]
    kind: String,
    #[schema(value_type = schema::Time)]
    time: Timestamp,
    #[schema(value_type = Object)]
    data: Box<RawValue>,
    message_id: Uuid,
    correlation_id: Uuid,
}

impl From<HistoryEvent> for Event {
    fn from(event: HistoryEvent) -> Self {
        let HistoryEvent {
            version,
            kind,
            time,
            data,
            message_id,
            correlation_id,
        } = event;
        Event {
            version,
            kind,
            time,
            data,
            message_id,
            correlation_id,
        }
    }
}

/// A page of what has happened to an entity.
#[derive(Serialize, ToSchema)]
pub struct Events {
    /// In the order of their versions.
    pub events: Vec<Event>,
    /// The `cursor` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
