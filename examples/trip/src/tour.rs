//! Tours: the same as trips, without a saga. A tour tells what it needs next; flights, hotels and
//! cards hear that, and tours hear what came of it.

use actors::{Decision, Entity, Head, Overdue};
use sagas::handler::{Handler, Heard, Told};
use sagas::{Address, NoReply, NoSaga, Service, Timestamp, wire_messages};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::stock::{self, CARDS, FLIGHTS, HOTELS, Reply, Request, Stock};
use crate::trip::{Booking, Trip};

/// Books tours.
pub const TOURS: Service = Service::new(5, "tours");

/// One tour, and how far it has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tour {
    head: Head,
    booking: Booking,
    /// Who must answer; nobody when it has ended.
    waits_for: Option<Uuid>,
    /// PENDING, BOOKED, or why it is not booked.
    pub state: String,
}

/// A trip or a tour.
pub trait Journey: Entity<Command = Booking> {
    /// PENDING, BOOKED, or why it is not booked.
    fn state(&self) -> &str;
}

impl Journey for Trip {
    fn state(&self) -> &str {
        &self.state
    }
}

impl Journey for Tour {
    fn state(&self) -> &str {
        &self.state
    }
}

impl Booking {
    /// All that it takes something of.
    fn stocks(&self) -> impl Iterator<Item = Address> {
        [Some(self.flight), self.hotel, Some(self.card)]
            .into_iter()
            .flatten()
    }
}

// An event says all that others need to go on: a handler has no state.
wire_messages! {
    /// What has happened to a tour.
    pub enum Event {
        /// It needs a seat.
        Requested(Booking) = "tour.requested" 1,
        /// It has a seat, and needs a room if one is wanted, the money otherwise.
        SeatHeld(Booking) = "tour.seat-held" 1,
        /// It has a room, and needs the money.
        RoomHeld(Booking) = "tour.room-held" 1,
        /// It has all that it needs.
        Booked(()) = "tour.booked" 1,
        /// It will not be, for this reason: whoever holds something for it takes that back.
        GivenUp((Booking, String)) = "tour.given-up" 1,
    }
}

/// What stocks hear.
const EVENTS: &[&str] = &[
    "tour.requested",
    "tour.seat-held",
    "tour.room-held",
    "tour.given-up",
];

impl Event {
    /// Of whom the tour needs something now, and how much.
    fn needs(&self) -> Option<(Address, (Uuid, u32))> {
        let (booking, of, amount) = match self {
            Event::Requested(booking) => (booking, booking.flight, 1),
            Event::SeatHeld(booking) => match booking.hotel {
                Some(hotel) => (booking, hotel, 1),
                None => (booking, booking.card, booking.price),
            },
            Event::RoomHeld(booking) => (booking, booking.card, booking.price),
            Event::Booked(()) | Event::GivenUp(_) => return None,
        };
        Some((of, (booking.trip, amount)))
    }
}

/// What a stock does on what has happened to a tour.
pub const fn needs_of_tours<const S: usize>() -> Handler<Request> {
    Handler {
        name: "stock-of-tours",
        of: TOURS,
        events: EVENTS,
        command: asks::<S>,
    }
}

fn asks<const S: usize>(heard: &Heard<'_>) -> Told<Request> {
    let is_mine = |of: &Address| of.service == Stock::<S>::SERVICE;
    Ok(match heard.read()? {
        Event::GivenUp((booking, _)) => {
            let mine = booking.stocks().find(is_mine);
            mine.map(|of| (of.entity, Request::GiveBack(booking.trip)))
        }
        event => {
            let needed = event.needs().filter(|(of, _)| is_mine(of));
            needed.map(|(of, needs)| (of.entity, Request::Reserve(needs)))
        }
    })
}

wire_messages! {
    /// What tours are told, who get no reply, when nothing has happened here.
    pub enum Notice {
        /// Too little is left for this tour.
        NotReserved(Uuid) = "stock.not-reserved" 1,
    }
}

/// What tours are told of what a stock has answered.
pub fn not_reserved_by(asked: &Request, reply: &Reply) -> Option<actors::Notice> {
    match (asked, reply) {
        (Request::Reserve((tour, _)), Reply::SoldOut(())) => {
            Some(actors::Notice::of(&Notice::NotReserved(*tour)))
        }
        _ => None,
    }
}

wire_messages! {
    /// What came of what a tour needs, and at which stock.
    pub enum StockOutcome {
        /// This stock holds what the tour has asked for.
        Holds(Uuid) = "tour.hold" 1,
        /// This stock has too little.
        HasNone(Uuid) = "tour.do-without" 1,
    }
}

const fn reserved(of: Service) -> Handler<StockOutcome> {
    Handler {
        name: "tour-that-holds",
        of,
        events: &["stock.reserved"],
        command: |heard: &Heard<'_>| match heard.read()? {
            stock::Event::Reserved((tour, _)) => {
                Ok(Some((tour, StockOutcome::Holds(heard.entity))))
            }
            _ => Ok(None),
        },
    }
}

const fn not_reserved(of: Service) -> Handler<StockOutcome> {
    Handler {
        name: "tour-that-has-none",
        of,
        events: &["stock.not-reserved"],
        command: |heard: &Heard<'_>| {
            let Notice::NotReserved(tour) = heard.read()?;
            Ok(Some((tour, StockOutcome::HasNone(heard.entity))))
        },
    }
}

impl Tour {
    // What comes after the end changes nothing: all stocks have been told that it was given up.
    fn hears(&self, outcome: &StockOutcome) -> Option<Event> {
        let (StockOutcome::Holds(stock) | StockOutcome::HasNone(stock)) = *outcome;
        let booking = || self.booking.clone();
        let is = |other: Address| other.entity == stock;

        match outcome {
            _ if self.waits_for != Some(stock) => None,
            StockOutcome::Holds(_) if is(self.booking.flight) => Some(Event::SeatHeld(booking())),
            StockOutcome::Holds(_) if is(self.booking.card) => Some(Event::Booked(())),
            StockOutcome::Holds(_) => Some(Event::RoomHeld(booking())),
            StockOutcome::HasNone(_) if is(self.booking.flight) => Some(self.given_up("NO_SEAT")),
            StockOutcome::HasNone(_) if is(self.booking.card) => Some(self.given_up("NO_MONEY")),
            StockOutcome::HasNone(_) => Some(self.given_up("NO_ROOM")),
        }
    }

    fn given_up(&self, why: &str) -> Event {
        Event::GivenUp((self.booking.clone(), why.to_owned()))
    }
}

impl Entity for Tour {
    const SERVICE: Service = TOURS;
    const KIND: &'static str = "tour";
    const HANDLERS: &'static [Handler<StockOutcome>] = &[
        reserved(FLIGHTS),
        reserved(HOTELS),
        reserved(CARDS),
        not_reserved(FLIGHTS),
        not_reserved(HOTELS),
        not_reserved(CARDS),
    ];
    type Command = Booking;
    type Event = Event;
    type Request = StockOutcome;
    type Reply = NoReply;
    type Part = ();
    type Saga = NoSaga;

    fn head(&self) -> Head {
        self.head
    }

    fn decide(_: Option<&Self>, _: Uuid, booking: Booking) -> Decision<Self> {
        Decision::Happens(Event::Requested(booking))
    }

    fn fold(before: Option<Self>, id: Uuid, event: &Event, at: Timestamp) -> Option<Self> {
        let head = before.as_ref().map(|tour| tour.head).unwrap_or_default();
        let booking = match (before, event) {
            (None, Event::Requested(booking)) => booking.clone(),
            (before, _) => before?.booking,
        };
        Some(Tour {
            head: head.after_event(id, at),
            booking,
            waits_for: event.needs().map(|(of, _)| of.entity),
            state: match event {
                Event::Booked(()) => "BOOKED".to_owned(),
                Event::GivenUp((_, why)) => why.clone(),
                _ => "PENDING".to_owned(),
            },
        })
    }

    fn react(
        tour: Option<&Self>,
        outcome: &StockOutcome,
        _: Option<&()>,
    ) -> (Option<Event>, NoReply) {
        (tour.and_then(|tour| tour.hears(outcome)), NoReply {})
    }

    fn is_settled(&self) -> bool {
        self.waits_for.is_none()
    }

    fn deadline(&self) -> Option<Uuid> {
        self.waits_for
    }

    fn overdue(&self) -> Option<Overdue<Self>> {
        Some(Overdue::Happens(self.given_up("TIMED_OUT")))
    }
}
