//! The events of the shop, decoded from the messages of the log.

use domain::wire::WireError;
use domain::{CustomerEvent, OrderEvent, ShardId, Timestamp};
use serde_json::value::RawValue;
use store::{Destination, Message};
use uuid::Uuid;

use crate::port::Applied;

/// An event of a customer or an order, decoded, with its place.
#[derive(Clone, Debug)]
pub struct Event {
    /// The shard in whose outbox it stands.
    pub source: ShardId,
    /// Its place in that outbox.
    pub sequence: u64,
    /// The customer or order it happened to.
    pub entity: Uuid,
    /// The entity's version after it.
    pub version: u64,
    /// When it happened.
    pub time: Timestamp,
    /// What happened.
    pub payload: Payload,
}

/// What happened to a customer or an order.
#[derive(Clone, Debug)]
pub enum Payload {
    /// To a customer.
    Customer(CustomerEvent),
    /// To an order.
    Order(OrderEvent),
    /// Of a type this release does not know: the entity's version advances, and nothing else.
    Unknown,
}

impl Event {
    /// Decodes a message of one of the shop's services.
    ///
    /// # Errors
    /// What is wrong with a body of another shape than its type has, in words.
    pub fn decode(message: &Message) -> Result<Self, String> {
        let (name, version, body) = (
            message.name.as_ref(),
            message.type_version,
            message.body.get(),
        );

        let payload = match message.source.service {
            domain::CUSTOMERS => CustomerEvent::decode(name, version, body).map(Payload::Customer),
            _ => OrderEvent::decode(name, version, body).map(Payload::Order),
        };

        let payload = match payload {
            Ok(payload) => payload,
            Err(WireError::UnknownType { .. }) => Payload::Unknown,
            Err(WireError::MalformedBody {
                name,
                version,
                source,
            }) => {
                return Err(format!(
                    "malformed body of {name} version {version}: {source}"
                ));
            }
        };

        Ok(Event {
            source: message.source,
            sequence: message.sequence,
            entity: message.entity,
            version: message.version,
            time: message.time,
            payload,
        })
    }

    /// The message that decodes to it, for benchmarks and tests that feed views without a service.
    ///
    /// # Errors
    /// None that these types can bring about.
    pub fn encode(&self) -> Result<Message, serde_json::Error> {
        let ((name, type_version), body) = match &self.payload {
            Payload::Customer(change) => (change.wire_name(), change.encode()?),
            Payload::Order(change) => (change.wire_name(), change.encode()?),
            Payload::Unknown => (("unknown", 1), RawValue::from_string("{}".to_owned())?),
        };

        Ok(Message {
            source: self.source,
            sequence: self.sequence,
            previous: self.sequence.saturating_sub(1),
            destination: Destination::Events,
            entity: self.entity,
            version: self.version,
            name: name.into(),
            type_version,
            correlation_id: Uuid::nil(),
            attempt: None,
            time: self.time,
            body: body.into(),
        })
    }

    /// What has become of it when it was applied.
    pub(crate) fn applied(&self) -> Applied {
        match self.payload {
            Payload::Customer(_) | Payload::Order(_) => Applied::Taken,
            Payload::Unknown => Applied::Unknown,
        }
    }
}
