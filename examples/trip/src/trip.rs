//! Trips: a saga takes a seat, a room if one is wanted, and the money, or gives back what it took.

use actors::{Decision, Entity, Head, LocalRefusal, StepOf};
use sagas::{Action, Address, Definition, Meaning, Reason, Step, Timestamp};
use sagas::{NoMessage, SagaData, Service, wire_messages};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::stock::{Reply, Request, Request::GiveBack, Request::Take};

/// Books trips.
pub const TRIPS: Service = Service::new(4, "trips");

/// One trip, and what has come of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Trip {
    head: Head,
    /// PENDING, BOOKED, or why it is not booked.
    pub state: String,
}

/// What a caller asks for, and all that the saga has to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// The trip's own id; stocks know it by that.
    pub trip: Uuid,
    /// Where the seat is taken.
    pub flight: Address,
    /// Where the room is taken, if one is wanted.
    pub hotel: Option<Address>,
    /// What pays.
    pub card: Address,
    /// In cents.
    pub price: u32,
}

wire_messages! {
    /// What has happened to a trip.
    pub enum Event {
        /// Its saga has begun.
        Requested(Booking) = "trip.requested" 1,
        /// It is BOOKED, or is not for this reason.
        Ended(String) = "trip.ended" 1,
    }
}

impl SagaData for Booking {
    type Local = ();
    type Command = Request;
    type Reply = Reply;
}

type Act = Action<Booking>;
const HOTEL: fn(&Booking) -> Address = |b| b.hotel.unwrap_or(b.flight);
const DONE: (&str, Meaning) = ("stock.done", Meaning::Done);
const NO_SEAT: (&str, Meaning) = ("stock.sold-out", Meaning::Refused("NO_SEAT"));
const NO_ROOM: (&str, Meaning) = ("stock.sold-out", Meaning::Refused("NO_ROOM"));
const NO_MONEY: (&str, Meaning) = ("stock.sold-out", Meaning::Refused("NO_MONEY"));

const SEAT: Act = Act::ask(|b| b.flight, |b| Take((b.trip, 1)), &[DONE, NO_SEAT]);
const ROOM: Act = Act::ask(HOTEL, |b| Take((b.trip, 1)), &[DONE, NO_ROOM]);
const PAY: Act = Act::ask(|b| b.card, |b| Take((b.trip, b.price)), &[DONE, NO_MONEY]);
const NO_SEAT_ANY_MORE: Act = Act::ask(|b| b.flight, |b| GiveBack(b.trip), &[DONE]);
const NO_ROOM_ANY_MORE: Act = Act::ask(HOTEL, |b| GiveBack(b.trip), &[DONE]);
const REFUND: Act = Act::ask(|b| b.card, |b| GiveBack(b.trip), &[DONE]);

static BOOK_TRIP: Definition<Booking> = Definition::new(
    "book-trip",
    &[
        Step::new("request", Act::Local(())).compensated_by(Act::Local(())),
        Step::new("seat", SEAT).compensated_by(NO_SEAT_ANY_MORE),
        Step::new("room", ROOM)
            .when(|booking| booking.hotel.is_some())
            .compensated_by(NO_ROOM_ANY_MORE),
        Step::new("pay", PAY).compensated_by(REFUND),
        Step::new("confirm", Act::Local(())),
    ],
);

impl Entity for Trip {
    const SERVICE: Service = TRIPS;
    const KIND: &'static str = "trip";
    const BEGINS_WITH: Option<&'static str> = Some(BOOK_TRIP.name);
    const SAGAS: &'static [&'static Definition<Booking>] = &[&BOOK_TRIP];
    type Command = Booking;
    type Event = Event;
    type Request = NoMessage;
    type Reply = NoMessage;
    type Part = ();
    type Saga = Booking;

    fn head(&self) -> Head {
        self.head
    }

    fn decide(_: Option<&Self>, _: Uuid, booking: Booking) -> Decision<Self> {
        Decision::Happens(Event::Requested(booking))
    }

    fn fold(before: Option<Self>, id: Uuid, event: &Event, at: Timestamp) -> Option<Self> {
        let head = before.unwrap_or_default().head.after_event(id, at);
        let state = match event {
            Event::Requested(_) => "PENDING".to_owned(),
            Event::Ended(state) => state.clone(),
        };
        Some(Trip { head, state })
    }

    fn begins(&self, event: &Event) -> Option<(&'static Definition<Booking>, Booking)> {
        match event {
            Event::Requested(booking) => Some((&BOOK_TRIP, booking.clone())),
            Event::Ended(_) => None,
        }
    }

    fn step(_: Option<&Self>, (): (), by: StepOf<'_, Booking>) -> Result<Event, LocalRefusal> {
        let state = by.reason.map_or("BOOKED", Reason::name);
        Ok(Event::Ended(state.to_owned()))
    }

    fn react(_: Option<&Self>, asked: &NoMessage, _: Option<&()>) -> (Option<Event>, NoMessage) {
        match *asked {}
    }
}
