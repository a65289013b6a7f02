//! From a message of the log to an event of a view.

use domain::wire::WireError;
use domain::{CustomerEvent, OrderEvent};
use store::Message;

use crate::port::{Event, Payload};

/// A message as the view takes it.
pub(super) enum Decoded {
    Event(Event),
    /// A body of another shape than its type has.
    Malformed(String),
}

pub(super) fn decode(message: &Message) -> Decoded {
    if let Some(cause) = message.unreadable() {
        return Decoded::Malformed(cause.to_owned());
    }

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
            return Decoded::Malformed(format!(
                "malformed body of {name} version {version}: {source}"
            ));
        }
    };

    Decoded::Event(Event {
        source: message.source,
        sequence: message.sequence,
        entity: message.entity,
        version: message.version,
        time: message.time,
        payload,
    })
}
