//! The documents as they are stored, and what the domain and the queries speak of.

use std::collections::HashMap;

use domain::{
    Customer, CustomerId, Money, Order, OrderId, OrderLine, OrderState as State, RejectionReason,
    Timestamp,
};
use mongodb::bson::DateTime;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ViewError;
use crate::documents::fold::{CustomerState, OrderDetails, OrderState};
use crate::documents::{damaged, refused};
use crate::shop::letters::fold;
use crate::shop::{CustomerDocument, CustomerOrder, OrderDocument};

#[derive(Serialize, Deserialize)]
pub(super) struct Amount {
    /// As the API shows it.
    amount: String,
    cents: i64,
}

impl From<Money> for Amount {
    fn from(money: Money) -> Self {
        Amount {
            amount: money.to_string(),
            cents: money.cents(),
        }
    }
}

impl Amount {
    fn money(&self) -> Money {
        Money::from_cents(self.cents)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredLine {
    sku: String,
    name: String,
    quantity: u32,
    unit_price: Amount,
}

/// A document of `orders_<n>`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredOrder {
    /// The order's id, as a UUID in text.
    #[serde(rename = "_id")]
    pub id: String,
    customer_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer_name: Option<String>,
    order_total: Amount,
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rejection_reason: Option<RejectionReason>,
    lines: Vec<StoredLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    creation_time: DateTime,
    /// Microseconds since 1970: a date of MongoDB has milliseconds alone.
    pub created_at: i64,
    version: i64,
}

impl StoredOrder {
    pub(super) fn new(order: &Order, details: &OrderDetails) -> Result<Self, ViewError> {
        let line = |line: &OrderLine| StoredLine {
            sku: line.sku.clone(),
            name: line.name.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price.into(),
        };
        Ok(StoredOrder {
            id: order.id.to_string(),
            customer_id: order.customer_id.to_string(),
            customer_name: order.customer_name.clone(),
            order_total: order.total.into(),
            state: order.state,
            rejection_reason: order.rejection_reason,
            lines: details.lines.iter().map(line).collect(),
            note: details.note.clone(),
            creation_time: date(order.created_at),
            created_at: order.created_at.micros(),
            version: stored_version(order.version)?,
        })
    }

    /// The state that events go on from.
    pub(super) fn into_state(self) -> Result<OrderState, ViewError> {
        let document = OrderDocument::try_from(self)?;
        Ok(OrderState {
            details: None,
            ..OrderState::from(&document)
        })
    }
}

impl TryFrom<StoredOrder> for OrderDocument {
    type Error = ViewError;

    fn try_from(stored: StoredOrder) -> Result<Self, ViewError> {
        let line = |line: StoredLine| OrderLine {
            sku: line.sku,
            name: line.name,
            quantity: line.quantity,
            unit_price: line.unit_price.money(),
        };
        Ok(OrderDocument {
            order_id: OrderId(id_of(&stored.id)?),
            customer_id: CustomerId(id_of(&stored.customer_id)?),
            customer_name: stored.customer_name,
            order_total: stored.order_total.money(),
            state: stored.state,
            rejection_reason: stored.rejection_reason,
            lines: stored.lines.into_iter().map(line).collect(),
            note: stored.note,
            creation_time: Timestamp::from_micros(stored.created_at),
            version: version_of(stored.version)?,
        })
    }
}

/// An order inside its customer's document, and what is read of an order for a customer's list.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredPart {
    /// As a UUID in text; the `_id` of an order's own document.
    #[serde(alias = "_id")]
    pub order_id: String,
    state: State,
    order_total: Amount,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rejection_reason: Option<RejectionReason>,
    creation_time: DateTime,
    /// Microseconds since 1970.
    pub created_at: i64,
    version: i64,
}

impl StoredPart {
    pub(super) fn new(order: &Order) -> Result<Self, ViewError> {
        Ok(StoredPart {
            order_id: order.id.to_string(),
            state: order.state,
            order_total: order.total.into(),
            rejection_reason: order.rejection_reason,
            creation_time: date(order.created_at),
            created_at: order.created_at.micros(),
            version: stored_version(order.version)?,
        })
    }
}

impl TryFrom<StoredPart> for CustomerOrder {
    type Error = ViewError;

    fn try_from(stored: StoredPart) -> Result<Self, ViewError> {
        Ok(CustomerOrder {
            order_id: OrderId(id_of(&stored.order_id)?),
            state: stored.state,
            order_total: stored.order_total.money(),
            rejection_reason: stored.rejection_reason,
            creation_time: Timestamp::from_micros(stored.created_at),
            version: version_of(stored.version)?,
        })
    }
}

/// The customer's part of a document of `customers_<n>`; its id is the document's.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CustomerFields<'a> {
    name: &'a str,
    name_folded: String,
    credit_limit: Amount,
    available_credit: Amount,
    creation_time: DateTime,
    created_at: i64,
    version: i64,
}

impl<'a> CustomerFields<'a> {
    pub(super) fn new(customer: &'a Customer) -> Result<Self, ViewError> {
        Ok(CustomerFields {
            name: &customer.name,
            name_folded: fold(&customer.name),
            credit_limit: customer.credit_limit.into(),
            available_credit: customer.available_credit().into(),
            creation_time: date(customer.created_at),
            created_at: customer.created_at.micros(),
            version: stored_version(customer.version)?,
        })
    }
}

/// What events after a customer's first change of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CustomerChanges {
    /// Absent unless it may have been corrected since it was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    credit_limit: Option<Amount>,
    available_credit: Amount,
    version: i64,
}

impl CustomerChanges {
    pub(super) fn new(customer: &Customer) -> Result<Self, ViewError> {
        let corrected = customer.limit_corrected_at;
        Ok(CustomerChanges {
            credit_limit: corrected.map(|_| customer.credit_limit.into()),
            available_credit: customer.available_credit().into(),
            version: stored_version(customer.version)?,
        })
    }
}

/// A document of `customers_<n>` that is a customer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredCustomer {
    /// The customer's id, as a UUID in text.
    #[serde(rename = "_id")]
    pub id: String,
    name: String,
    credit_limit: Amount,
    available_credit: Amount,
    /// Microseconds since 1970.
    pub created_at: i64,
    version: i64,
    /// Not always read.
    #[serde(default)]
    pub orders: HashMap<String, StoredPart>,
}

impl StoredCustomer {
    /// The state that events go on from.
    pub(super) fn into_state(self) -> Result<CustomerState, ViewError> {
        let document = CustomerDocument::try_from(self)?;
        Ok(CustomerState {
            is_new: false,
            ..CustomerState::try_from(&document).map_err(refused)?
        })
    }
}

impl TryFrom<StoredCustomer> for CustomerDocument {
    type Error = ViewError;

    fn try_from(stored: StoredCustomer) -> Result<Self, ViewError> {
        Ok(CustomerDocument {
            customer_id: CustomerId(id_of(&stored.id)?),
            name: stored.name,
            credit_limit: stored.credit_limit.money(),
            available_credit: stored.available_credit.money(),
            creation_time: Timestamp::from_micros(stored.created_at),
            version: version_of(stored.version)?,
        })
    }
}

pub(super) fn id_of(text: &str) -> Result<Uuid, ViewError> {
    text.parse().map_err(|_| damaged(format_args!("id {text}")))
}

pub(super) fn version_of(stored: i64) -> Result<u64, ViewError> {
    u64::try_from(stored).map_err(|_| damaged(format_args!("version {stored}")))
}

pub(super) fn stored_version(version: u64) -> Result<i64, ViewError> {
    i64::try_from(version).map_err(|_| refused(format_args!("version {version}")))
}

fn date(time: Timestamp) -> DateTime {
    DateTime::from_millis(time.micros().div_euclid(1_000))
}
