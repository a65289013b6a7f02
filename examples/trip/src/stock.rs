//! Flights, hotels and cards: three services that each keep a stock, of seats, of rooms, of cents.

use std::collections::BTreeMap;

use actors::{Decision, Entity, Head};
use sagas::handler::Handler;
use sagas::wire::names::Names;
use sagas::{NoSaga, Service, Timestamp, wire_messages};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::tour;

/// Keeps seats.
pub const FLIGHTS: Service = Service::new(1, "flights");
/// Keeps rooms.
pub const HOTELS: Service = Service::new(2, "hotels");
/// Keeps cents.
pub const CARDS: Service = Service::new(3, "cards");

/// What is left, and what each trip has taken. `S` says of which of the services.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Stock<const S: usize> {
    head: Head,
    /// How much may still be taken.
    pub left: u32,
    /// How much each trip or tour has taken.
    pub taken: BTreeMap<Uuid, u32>,
}

wire_messages! {
    /// What a trip asks, and what a tour needs.
    pub enum Request {
        /// A trip takes so much.
        Take((Uuid, u32)) = "stock.take" 1,
        /// A tour takes so much; what comes of it is told to whoever hears, not replied.
        Reserve((Uuid, u32)) = "stock.reserve" 1,
        /// Whatever this trip or tour has taken comes back.
        GiveBack(Uuid) = "stock.give-back" 1,
    }
}

wire_messages! {
    /// What a trip is answered.
    pub enum Reply {
        /// It is so now, whether by this request or by an earlier one.
        Done(()) = "stock.done" 1,
        /// Less is left than was asked for.
        SoldOut(()) = "stock.sold-out" 1,
    }
}

wire_messages! {
    /// What has happened to a stock.
    pub enum Event {
        /// It exists, with so much in it.
        Opened(u32) = "stock.opened" 1,
        /// A trip has taken so much.
        Taken((Uuid, u32)) = "stock.taken" 1,
        /// A tour has taken so much.
        Reserved((Uuid, u32)) = "stock.reserved" 1,
        /// A trip or tour has given back what it had taken.
        GivenBack(Uuid) = "stock.given-back" 1,
    }
}

impl<const S: usize> Entity for Stock<S> {
    const SERVICE: Service = match S {
        0 => FLIGHTS,
        1 => HOTELS,
        _ => CARDS,
    };
    const KIND: &'static str = "stock";
    const HANDLERS: &'static [Handler<Request>] = &[tour::needs_of_tours::<S>()];
    const NOTICES: Names = tour::Notice::WIRE_NAMES;
    type Command = u32;
    type Event = Event;
    type Request = Request;
    type Reply = Reply;
    type Part = ();
    type Saga = NoSaga;

    fn head(&self) -> Head {
        self.head
    }

    fn decide(_: Option<&Self>, _: Uuid, amount: u32) -> Decision<Self> {
        Decision::Happens(Event::Opened(amount))
    }

    fn fold(before: Option<Self>, id: Uuid, event: &Event, at: Timestamp) -> Option<Self> {
        let mut stock = before.unwrap_or_default();
        match event {
            Event::Opened(amount) => stock.left = *amount,
            Event::Taken((trip, amount)) | Event::Reserved((trip, amount)) => {
                stock.left -= amount;
                stock.taken.insert(*trip, *amount);
            }
            Event::GivenBack(trip) => stock.left += stock.taken.remove(trip).unwrap_or(0),
        }
        stock.head = stock.head.after_event(id, at);
        Some(stock)
    }

    // What one trip asks keeps its order and may come again: the last word counts.
    fn react(stock: Option<&Self>, asked: &Request, _: Option<&()>) -> (Option<Event>, Reply) {
        let has = |trip| stock.is_some_and(|stock| stock.taken.contains_key(trip));
        let has_left = |amount| stock.is_some_and(|stock| stock.left >= amount);
        let event = match asked {
            Request::Take((trip, _)) | Request::Reserve((trip, _)) if has(trip) => None,
            Request::Take(wanted) if has_left(wanted.1) => Some(Event::Taken(*wanted)),
            Request::Reserve(wanted) if has_left(wanted.1) => Some(Event::Reserved(*wanted)),
            Request::Take(_) | Request::Reserve(_) => return (None, Reply::SoldOut(())),
            Request::GiveBack(trip) => has(trip).then_some(Event::GivenBack(*trip)),
        };
        (event, Reply::Done(()))
    }

    fn notice(asked: &Request, reply: &Reply) -> Option<actors::Notice> {
        tour::not_reserved_by(asked, reply)
    }
}
