//! The events of the shop, decoded from the messages of the log.

use domain::wire::WireError;
use domain::wire::names::is_among;
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
    /// What is wrong with a body of another shape than its type has, or of a version that comes
    /// after this release, in words: to pass over what such an event says would show something else
    /// for good.
    pub fn decode(message: &Message) -> Result<Self, String> {
        let (name, version, body) = (
            message.name.as_ref(),
            message.type_version,
            message.body.get(),
        );

        let (payload, names) = match message.source.service {
            domain::CUSTOMERS => (
                CustomerEvent::decode(name, version, body).map(Payload::Customer),
                CustomerEvent::WIRE_NAMES,
            ),
            _ => (
                OrderEvent::decode(name, version, body).map(Payload::Order),
                OrderEvent::WIRE_NAMES,
            ),
        };

        let payload = match payload {
            Ok(payload) => payload,
            Err(WireError::UnknownType { .. }) if is_among(name, names) => {
                return Err(format!(
                    "this release cannot read version {version} of {name}"
                ));
            }
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

#[cfg(test)]
mod tests {
    use domain::Money;
    use domain::customer::CustomerCreated;

    use super::*;

    fn message(name: &str, type_version: u16) -> Message {
        let created = CustomerCreated {
            name: "Ada".to_owned(),
            credit_limit: Money::from_cents(100),
        };
        let event = Event {
            source: ShardId::new(domain::CUSTOMERS, 1),
            sequence: 1,
            entity: Uuid::nil(),
            version: 1,
            time: Timestamp::default(),
            payload: Payload::Customer(CustomerEvent::Created(created)),
        };
        Message {
            name: name.to_owned().into(),
            type_version,
            ..event.encode().unwrap()
        }
    }

    #[test]
    fn a_type_of_a_later_release_is_passed_over_and_a_later_version_of_a_known_one_is_not() {
        let known = Event::decode(&message("customer.created", 1)).unwrap();
        assert!(matches!(known.payload, Payload::Customer(_)));

        let unknown = Event::decode(&message("customer.frozen", 1)).unwrap();
        assert!(matches!(unknown.payload, Payload::Unknown));

        let later = Event::decode(&message("customer.created", 9)).unwrap_err();
        assert_eq!(
            later,
            "this release cannot read version 9 of customer.created"
        );
    }
}
