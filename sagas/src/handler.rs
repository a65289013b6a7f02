//! Event handlers: what a service does when something has happened in another one, as values to
//! read.
//!
//! In a choreography nobody tells services what to do; each follows the events of others. A handler
//! translates an event into a command to an entity of its own service, and knows nothing else: it
//! has no state, and the same event always becomes the same command. Whoever runs it sends that
//! command in the unit that moves the position in the events, so each event becomes its command
//! once, whatever crashes; and it keeps the order of the events of one entity.

use uuid::Uuid;

use crate::wire::WireError;
use crate::{Service, WireMessage};

/// An event of another service, or a notice: something that has happened and changed no entity.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// Whom it happened to, or whom it is about.
    pub entity: Uuid,
    /// Its wire name.
    pub name: &'a str,
    /// The version of its wire form.
    pub type_version: u16,
    /// Its JSON body.
    pub body: &'a str,
}

impl Heard<'_> {
    /// The event.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read<E: WireMessage>(&self) -> Result<E, WireError> {
        E::decode(self.name, self.type_version, self.body)
    }
}

/// What a handler makes of an event: a command and the entity it is for; nothing when the event is
/// none of its business; an error when it cannot be read, and so stops whom it is about.
pub type Told<C> = Result<Option<(Uuid, C)>, WireError>;

/// Translates events of one other service into commands of its own.
///
/// ```
/// use sagas::handler::{Handler, Heard, Told};
/// use sagas::{Service, wire_messages};
/// use serde::{Deserialize, Serialize};
///
/// const FLIGHTS: Service = Service::new(1, "flights");
///
/// #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
/// pub struct Guest { room: uuid::Uuid }
///
/// wire_messages! {
///     /// What has happened to a flight.
///     pub enum FlightEvent { /// It will not leave.
///         Cancelled(Guest) = "flight.cancelled" 1, }
/// }
/// wire_messages! {
///     /// What a hotel is asked.
///     pub enum HotelCommand { /// Keep the room for a night more.
///         Extend(Guest) = "hotel.extend" 1, }
/// }
///
/// /// Whoever cannot leave stays a night more.
/// static STRANDED: Handler<HotelCommand> = Handler {
///     name: "stranded",
///     of: FLIGHTS,
///     events: &["flight.cancelled"],
///     command: stranded,
/// };
///
/// fn stranded(heard: &Heard<'_>) -> Told<HotelCommand> {
///     let FlightEvent::Cancelled(guest) = heard.read()?;
///     Ok(Some((guest.room, HotelCommand::Extend(guest))))
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Handler<C: 'static> {
    /// As it stands in logs.
    pub name: &'static str,
    /// The service whose events it hears.
    pub of: Service,
    /// The wire names of those it wants. It reads their versions itself.
    pub events: &'static [&'static str],
    /// Makes the command.
    pub command: fn(&Heard<'_>) -> Told<C>,
}

impl<C> Handler<C> {
    /// Whether it wants this event.
    #[must_use]
    pub fn hears(&self, of: Service, name: &str) -> bool {
        self.of == of && self.events.contains(&name)
    }
}

/// What is wrong with the handlers of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// A service knows by itself what happens to its own entities.
    #[error("handler {0} hears events of its own service")]
    OwnEvents(&'static str),
    /// Only the first would ever hear it.
    #[error("event {event} of {of} is heard by {one} and by {other}")]
    TwoHandlers {
        /// The wire name of the event.
        event: &'static str,
        /// The service in which it happens.
        of: Service,
        /// The name of the handler that names it first.
        one: &'static str,
        /// The name of the one that names it again; the same, if that names it twice.
        other: &'static str,
    },
}

/// The first mistake in the handlers of a service.
#[must_use]
pub fn mistake<C>(service: Service, handlers: &[Handler<C>]) -> Option<Mistake> {
    for (place, handler) in handlers.iter().enumerate() {
        if handler.of == service {
            return Some(Mistake::OwnEvents(handler.name));
        }

        for (index, event) in handler.events.iter().enumerate() {
            let before = handlers.iter().take(place);
            let mut before = before.filter(|other| other.hears(handler.of, event));
            let twice = handler.events.iter().take(index).any(|one| one == event);
            if let Some(one) = before.next().or(twice.then_some(handler)) {
                return Some(Mistake::TwoHandlers {
                    event,
                    of: handler.of,
                    one: one.name,
                    other: handler.name,
                });
            }
        }
    }

    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoMessage;

    const HERE: Service = Service::new(211, "here");
    const THERE: Service = Service::new(212, "there");

    const fn handler(
        name: &'static str,
        of: Service,
        events: &'static [&'static str],
    ) -> Handler<NoMessage> {
        Handler {
            name,
            of,
            events,
            command: |_| Ok(None),
        }
    }

    #[test]
    fn handlers_that_hear_different_events_have_no_mistake() {
        let handlers = [
            handler("one", THERE, &["a", "b"]),
            handler("two", THERE, &["c"]),
        ];
        assert_eq!(mistake(HERE, &handlers), None);
        assert!(handlers[1].hears(THERE, "c") && !handlers[1].hears(HERE, "c"));
    }

    #[test]
    fn an_event_that_two_handlers_hear_and_one_of_the_service_itself_are_found() {
        let twice = [
            handler("one", THERE, &["a", "b"]),
            handler("two", THERE, &["b"]),
        ];
        assert_eq!(
            mistake(HERE, &twice).unwrap().to_string(),
            "event b of there is heard by one and by two"
        );
        assert!(mistake(HERE, &[handler("one", THERE, &["a", "a"])]).is_some());
        assert_eq!(
            mistake(HERE, &[handler("own", HERE, &["a"])]),
            Some(Mistake::OwnEvents("own"))
        );
    }
}
