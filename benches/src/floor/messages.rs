//! The messages between the HTTP side and the two committers, and the JSON stored of them.
//!
//! The stored texts are as long as the product's: about 250 bytes for an event or a message, about
//! 150 for the steps of a saga.

use std::collections::HashMap;
use std::sync::Arc;

use domain::Money;
use rusqlite::ToSql;
use rusqlite::types::ToSqlOutput;
use serde::Serialize;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::SHARDS;

/// An id as the 16 bytes it is stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id(pub Uuid);

impl Id {
    /// A new UUID v7.
    #[must_use]
    pub fn new() -> Id {
        Id(Uuid::now_v7())
    }

    /// The shard of the entity with this id.
    #[must_use]
    pub fn shard(self) -> u8 {
        let [.., last] = self.0.into_bytes();
        last % SHARDS
    }
}

impl Default for Id {
    fn default() -> Self {
        Id::new()
    }
}

impl ToSql for Id {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.as_bytes().as_slice()))
    }
}

/// What the caller of `POST /orders` learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderOutcome {
    /// The order.
    pub order_id: Uuid,
    /// The order's state.
    pub state: &'static str,
    /// Why it was rejected, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejection_reason: Option<&'static str>,
    /// The entity's version after it.
    pub version: u8,
    /// The saga that creates the order.
    pub saga_id: Uuid,
}

/// An order on its way through its saga. Everything known of it travels along: there is no actor to
/// keep it.
#[derive(Debug)]
pub struct Order {
    /// Its id.
    pub id: Id,
    /// The saga that creates it.
    pub saga: Id,
    /// Whose credit it needs.
    pub customer: Id,
    /// What it reserves.
    pub total: Money,
    /// The lines as JSON.
    pub lines: Option<String>,
    /// What the caller wants to be kept with it.
    pub note: Option<String>,
    /// Answered at the saga's end, or as soon as the order is there.
    pub wait: bool,
    /// Answers the caller, once.
    pub answer: Option<oneshot::Sender<OrderOutcome>>,
}

/// The command to the customer's shard.
#[derive(Debug)]
pub struct ReserveCredit {
    /// The order that it is about.
    pub order: Box<Order>,
    /// Sequence of the command in the outbox of the order's shard.
    pub sequence: i64,
}

/// Its reply.
#[derive(Debug)]
pub struct Reply {
    /// The order that it is about.
    pub order: Box<Order>,
    /// Absent when there is no such customer.
    pub customer_name: Option<Arc<str>>,
    /// Why the credit was not reserved.
    pub refusal: Option<&'static str>,
    /// Sequence of the reply in the outbox of the customer's shard.
    pub sequence: i64,
}

/// A customer to be created.
#[derive(Debug)]
pub struct NewCustomer {
    /// Its id.
    pub id: Id,
    /// The customer's name.
    pub name: String,
    /// The credit limit.
    pub limit: Money,
    /// Answers the caller when the customer is durable.
    pub answer: oneshot::Sender<()>,
}

/// One event or message as it is stored.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored<'a> {
    /// Its wire name.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The entity's version after it.
    pub version: u8,
    /// Identifies it.
    pub message_id: Uuid,
    /// The saga.
    pub correlation_id: Uuid,
    /// The service that receives it.
    pub to: &'static str,
    /// Its body.
    pub data: Data<'a>,
}

/// The body of an event or message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Data<'a> {
    /// The order.
    pub order_id: Uuid,
    /// The order's customer.
    pub customer_id: Uuid,
    /// The order's total.
    pub order_total: Money,
    /// Why the order was rejected, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
}

/// The JSON of an event or message about `order`.
pub fn stored(
    kind: &'static str,
    to: &'static str,
    order: &Order,
    reason: Option<&str>,
) -> rusqlite::Result<String> {
    let data = Data {
        order_id: order.id.0,
        customer_id: order.customer.0,
        order_total: order.total,
        reason,
    };

    let message = Stored {
        kind,
        version: 1,
        message_id: order.id.0,
        correlation_id: order.saga.0,
        to,
        data,
    };
    serde_json::to_string(&message)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// The steps of a saga as they are stored at its start.
pub const STEPS_BEGUN: &str = concat!(
    r#"[{"name":"create-order","state":"DONE"},"#,
    r#"{"name":"reserve-credit","state":"RUNNING"},"#,
    r#"{"name":"approve-order","state":"REMAINING"}]"#
);
/// The steps of a saga that has completed.
pub const STEPS_DONE: &str = concat!(
    r#"[{"name":"create-order","state":"DONE"},"#,
    r#"{"name":"reserve-credit","state":"DONE"},"#,
    r#"{"name":"approve-order","state":"DONE"}]"#
);
/// The steps of a saga that has compensated.
pub const STEPS_REFUSED: &str = concat!(
    r#"[{"name":"create-order","state":"COMPENSATED"},"#,
    r#"{"name":"reserve-credit","state":"FAILED"},"#,
    r#"{"name":"approve-order","state":"REMAINING"}]"#
);

/// Microseconds since 1970.
#[must_use]
pub fn now() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

/// The next sequence of each shard's outbox.
#[derive(Debug, Default)]
pub struct Sequences(HashMap<u8, i64>);

impl Sequences {
    /// The sequence that this shard writes next.
    pub fn next(&mut self, shard: u8) -> i64 {
        let sequence = self.0.entry(shard).or_default();
        *sequence += 1;
        *sequence
    }
}
