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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    pub state: &'static str,
    pub rejection_reason: Option<&'static str>,
    pub version: u8,
}

/// An order on its way through its saga. Everything known of it travels along: there is no actor to
/// keep it.
#[derive(Debug)]
pub struct Order {
    pub id: Id,
    pub saga: Id,
    pub customer: Id,
    pub total: Money,
    /// The lines as JSON.
    pub lines: Option<String>,
    pub note: Option<String>,
    /// Answered at the saga's end, or as soon as the order is there.
    pub wait: bool,
    pub answer: Option<oneshot::Sender<Outcome>>,
}

/// The command to the customer's shard.
#[derive(Debug)]
pub struct ReserveCredit {
    pub order: Box<Order>,
    /// Sequence of the command in the outbox of the order's shard.
    pub sequence: i64,
}

/// Its reply.
#[derive(Debug)]
pub struct Reply {
    pub order: Box<Order>,
    pub customer_name: Option<Arc<str>>,
    /// Why the credit was not reserved.
    pub refusal: Option<&'static str>,
    /// Sequence of the reply in the outbox of the customer's shard.
    pub sequence: i64,
}

/// A customer to be created.
#[derive(Debug)]
pub struct NewCustomer {
    pub id: Id,
    pub name: String,
    pub limit: Money,
    pub answer: oneshot::Sender<()>,
}

/// One event or message as it is stored.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub version: u8,
    pub message_id: Uuid,
    pub correlation_id: Uuid,
    pub to: &'static str,
    pub data: Data<'a>,
}

/// The body of an event or message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Data<'a> {
    pub order_id: Uuid,
    pub customer_id: Uuid,
    pub order_total: Money,
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
