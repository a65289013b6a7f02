//! What the two services send to one another, in memory and as a record, and the JSON that their
//! outboxes keep of it.
//!
//! Everything known of an order travels along, so that nobody has to load it.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::Context;
use domain::Money;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::floor::messages::{Data, Stored};

/// A message on its way from a shard of one service to a shard of the other.
#[derive(Debug)]
pub struct Delivery<B> {
    /// The number of the shard that has sent it.
    pub source: u8,
    /// The number of the shard that it is for.
    pub destination: u8,
    /// Its place in the outbox of the source.
    pub sequence: i64,
    /// The sequence of the message before it, from the same source to the same destination.
    pub previous: i64,
    /// What it says.
    pub body: B,
}

/// An order in its saga.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// The order's id.
    pub order: Uuid,
    /// The id of the saga that creates the order.
    pub saga: Uuid,
    /// The id of the customer who pays.
    pub customer: Uuid,
    /// What is to be reserved.
    pub total: Money,
}

/// The command to the customer's shard.
#[derive(Debug)]
pub struct ReserveCredit(pub About);

/// Its reply.
#[derive(Debug)]
pub struct Reply {
    /// The order for which credit was asked.
    pub about: About,
    /// Absent when there is no such customer.
    pub customer_name: Option<Arc<str>>,
    /// Why the credit was not reserved.
    pub refusal: Option<&'static str>,
}

/// The reason when there is no such customer.
pub const UNKNOWN_CUSTOMER: &str = "UNKNOWN_CUSTOMER";
/// The reason when the customer's credit limit does not allow the order.
pub const INSUFFICIENT_CREDIT: &str = "INSUFFICIENT_CREDIT";

/// The JSON kept of an event or message about an order.
pub fn stored(
    kind: &'static str,
    to: &'static str,
    about: &About,
    reason: Option<&str>,
) -> serde_json::Result<String> {
    let data = Data {
        order_id: about.order,
        customer_id: about.customer,
        order_total: about.total,
        reason,
    };

    serde_json::to_string(&Stored {
        kind,
        version: 1,
        message_id: about.order,
        correlation_id: about.saga,
        to,
        data,
    })
}

/// What a service sends through Kafka.
pub trait Body: Sized {
    /// The service that sends it, and the one that receives it.
    const BETWEEN: (&'static str, &'static str);

    /// Its wire name.
    fn kind(&self) -> &'static str;

    /// The order that it is about.
    fn about(&self) -> &About;

    /// The entity that receives it.
    fn entity(&self) -> Uuid;

    /// The record's value.
    fn encode(&self) -> serde_json::Result<Vec<u8>>;

    /// Reads the value of a record of this saga.
    ///
    /// # Errors
    /// When it is not what `encode` has written.
    fn decode(saga: Uuid, value: &[u8]) -> anyhow::Result<Self>;
}

/// The value of a record.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Value<'a> {
    order_id: Uuid,
    customer_id: Uuid,
    order_total: Money,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    customer_name: Option<Cow<'a, str>>,
}

impl<'a> Value<'a> {
    fn of(about: &About) -> Value<'a> {
        Value {
            order_id: about.order,
            customer_id: about.customer,
            order_total: about.total,
            reason: None,
            customer_name: None,
        }
    }

    fn about(&self, saga: Uuid) -> About {
        About {
            order: self.order_id,
            saga,
            customer: self.customer_id,
            total: self.order_total,
        }
    }
}

impl Body for ReserveCredit {
    const BETWEEN: (&'static str, &'static str) = ("orders", "customers");

    fn kind(&self) -> &'static str {
        "credit.reserve"
    }

    fn about(&self) -> &About {
        &self.0
    }

    fn entity(&self) -> Uuid {
        self.0.customer
    }

    fn encode(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Value::of(&self.0))
    }

    fn decode(saga: Uuid, value: &[u8]) -> anyhow::Result<Self> {
        let value: Value<'_> = serde_json::from_slice(value)?;
        Ok(ReserveCredit(value.about(saga)))
    }
}

impl Body for Reply {
    const BETWEEN: (&'static str, &'static str) = ("customers", "orders");

    fn kind(&self) -> &'static str {
        match self.refusal {
            None => "credit.reserved",
            Some(_) => "credit.refused",
        }
    }

    fn about(&self) -> &About {
        &self.about
    }

    fn entity(&self) -> Uuid {
        self.about.order
    }

    fn encode(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Value {
            reason: self.refusal.map(Cow::Borrowed),
            customer_name: self.customer_name.as_deref().map(Cow::Borrowed),
            ..Value::of(&self.about)
        })
    }

    fn decode(saga: Uuid, value: &[u8]) -> anyhow::Result<Self> {
        let value: Value<'_> = serde_json::from_slice(value)?;

        let known = |reason: &str| {
            [UNKNOWN_CUSTOMER, INSUFFICIENT_CREDIT]
                .into_iter()
                .find(|known| *known == reason)
                .with_context(|| format!("{reason} is no reason"))
        };

        Ok(Reply {
            about: value.about(saga),
            customer_name: value.customer_name.as_deref().map(Arc::from),
            refusal: value.reason.as_deref().map(known).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_comes_out_of_a_record_as_it_went_in() {
        let saga = Uuid::from_u128(2);
        let reply = Reply {
            about: About {
                order: Uuid::from_u128(1),
                saga,
                customer: Uuid::from_u128(3),
                total: Money::from_cents(1_234),
            },
            customer_name: Some("Ada \"Park\"".into()),
            refusal: Some(INSUFFICIENT_CREDIT),
        };

        let read = Reply::decode(saga, &reply.encode().unwrap()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{reply:?}"));
    }
}
