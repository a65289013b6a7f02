//! A trip to book: a flight, a hotel if the traveller wants one, the card, a ticket, a note. And
//! the world in which it all happens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::*;
use crate::nested::{NestedCommand, NestedReply, NoDetails, SagaCompensated};
use crate::testing::World;
use crate::{Action, CarryOver, Definitions, Meaning, Service, Step, wire_messages};

const FLIGHTS: Service = Service::new(101, "flights");
const HOTELS: Service = Service::new(102, "hotels");
const CARDS: Service = Service::new(103, "cards");
const NOTES: Service = Service::new(104, "notes");

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    pub with_hotel: bool,
    /// Learnt from the flight's replies.
    #[serde(default)]
    pub seat: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    Request,
    Withdraw,
    Confirm,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Of {
    pub text: String,
}

wire_messages! {
    pub enum Command {
        BookFlight(Of) = "flight.book" 1,
        CancelFlight(Of) = "flight.cancel" 1,
        BookHotel(Of) = "hotel.book" 1,
        CancelHotel(Of) = "hotel.cancel" 1,
        Charge(Of) = "card.charge" 1,
        Refund(Of) = "card.refund" 1,
        IssueTicket(Of) = "flight.issue-ticket" 1,
        Note(Of) = "note.add" 1,
    }
}

wire_messages! {
    pub enum Reply {
        Done(Of) = "trip.done-reply" 1,
        Refused(Of) = "trip.refused-reply" 1,
        Broke(Of) = "trip.broke-reply" 1,
        Gone(Of) = "trip.gone-reply" 1,
    }
}

impl SagaData for Trip {
    type Local = Local;
    type Command = Command;
    type Reply = Reply;
}

pub fn done() -> Reply {
    Reply::Done(Of::default())
}

pub fn refused() -> Reply {
    Reply::Refused(Of::default())
}

pub fn gone() -> Reply {
    Reply::Gone(Of::default())
}

fn learn(trip: &mut Trip, reply: &Reply) {
    let Reply::Done(Of { text }) = reply else {
        return;
    };
    if !text.is_empty() {
        trip.seat = Some(text.clone());
    }
}

const fn ask(
    to: fn(&Trip) -> Address,
    command: fn(&Trip) -> Command,
    replies: &'static [(&'static str, Meaning)],
) -> Action<Trip> {
    Action::Ask {
        to,
        command,
        replies,
    }
}

const DONE: (&str, Meaning) = ("trip.done-reply", Meaning::Done);
const REFUSED: (&str, Meaning) = ("trip.refused-reply", Meaning::Refused("SOLD_OUT"));
const BROKE: (&str, Meaning) = ("trip.broke-reply", Meaning::Refused("NO_MONEY"));
const GONE: (&str, Meaning) = ("trip.gone-reply", Meaning::Irreversible);

fn flights(_: &Trip) -> Address {
    Address::new(FLIGHTS, Uuid::from_u128(11))
}

fn hotels(_: &Trip) -> Address {
    Address::new(HOTELS, Uuid::from_u128(12))
}

fn cards(_: &Trip) -> Address {
    Address::new(CARDS, Uuid::from_u128(13))
}

fn notes(_: &Trip) -> Address {
    Address::new(NOTES, Uuid::from_u128(14))
}

const REQUEST: Step<Trip> = Step::new("request", Action::Local(Local::Request))
    .compensated_by(Action::Local(Local::Withdraw));

const FLIGHT: Step<Trip> = Step::new(
    "book-flight",
    ask(
        flights,
        |_| Command::BookFlight(Of::default()),
        &[DONE, REFUSED, BROKE],
    ),
)
.compensated_by(ask(
    flights,
    |_| Command::CancelFlight(Of::default()),
    &[DONE],
));

const HOTEL: Step<Trip> = Step::new(
    "book-hotel",
    ask(
        hotels,
        |_| Command::BookHotel(Of::default()),
        &[DONE, REFUSED],
    ),
)
.compensated_by(ask(
    hotels,
    |_| Command::CancelHotel(Of::default()),
    &[DONE],
))
.when(|trip| trip.with_hotel)
.within(Duration::from_secs(30));

const CHARGE: Action<Trip> = ask(
    cards,
    |_| Command::Charge(Of::default()),
    &[DONE, REFUSED, BROKE],
);
const REFUND: Action<Trip> = ask(cards, |_| Command::Refund(Of::default()), &[DONE, GONE]);

const TICKET: Step<Trip> = Step::new(
    "issue-ticket",
    ask(
        flights,
        |_| Command::IssueTicket(Of::default()),
        &[DONE, REFUSED],
    ),
);

const NOTE: Step<Trip> = Step::new(
    "note",
    Action::Notify {
        to: notes,
        command: |_| Command::Note(Of::default()),
    },
);

const CONFIRM: Step<Trip> = Step::new("confirm", Action::Local(Local::Confirm));

/// Every step can be undone, except that a refund may come too late.
pub static REVERSIBLE: Definition<Trip> = Definition::new(
    "reversible",
    &[
        REQUEST,
        FLIGHT,
        HOTEL,
        Step::new("charge", CHARGE).compensated_by(REFUND),
        NOTE,
        CONFIRM,
    ],
)
.learning(learn);

/// Once the card is charged, the trip is made.
pub static PIVOTED: Definition<Trip> = Definition::new(
    "pivoted",
    &[
        REQUEST,
        FLIGHT,
        HOTEL,
        Step::new("charge", CHARGE).pivot(),
        TICKET,
        CONFIRM,
        NOTE,
    ],
)
.learning(learn)
.within(Duration::from_secs(60));

/// A question comes first, which changes nothing.
pub static ASKING: Definition<Trip> = Definition::new(
    "asking",
    &[
        REQUEST,
        Step::new(
            "ask-price",
            ask(flights, |_| Command::BookFlight(Of::default()), &[DONE]),
        ),
        CONFIRM,
    ],
);

/// Nothing cancels the flight.
pub static FORGETFUL: Definition<Trip> = Definition::new(
    "forgetful",
    &[
        REQUEST,
        Step {
            compensation: None,
            ..FLIGHT
        },
        Step::new("charge", CHARGE).compensated_by(REFUND),
        CONFIRM,
    ],
);

const PAY: Step<Trip> = Step::new(
    "pay",
    Action::Nested {
        on: cards,
        saga: "payment",
        data: |trip| crate::nested::data(trip),
    },
);

/// The card is a saga of its own.
pub static NESTING: Definition<Trip> = Definition::new(
    "nesting",
    &[
        REQUEST,
        FLIGHT,
        PAY.compensated_by(Action::UndoNested { on: cards }),
        HOTEL,
        CONFIRM,
    ],
);

/// Once the flight is booked, the saga pays for it, however many attempts that takes.
pub static NESTING_LAST: Definition<Trip> =
    Definition::new("nesting-last", &[REQUEST, FLIGHT.pivot(), PAY, CONFIRM]);

/// What is nested in it.
pub static PAYMENT: Definition<Trip> = Definition::new(
    "payment",
    &[
        REQUEST,
        Step::new("charge", CHARGE).compensated_by(REFUND),
        CONFIRM,
    ],
);

/// The second version of a saga: it has one step more, and one has another name.
pub static SECOND: Definition<Trip> =
    Definition::new("evolving", &[REQUEST, FLIGHT, HOTEL, CONFIRM])
        .version(2)
        .carried_over_from(&[CarryOver {
            from: 1,
            carry: |records, trip| {
                trip.with_hotel = false;
                let [mut request, flight, confirm] = <[StepRecord; 3]>::try_from(records).unwrap();
                request.name = "request".into();
                let hotel = StepRecord::remaining("book-hotel");
                vec![request, flight, hotel, confirm]
            },
        }]);

pub static SAGAS: Definitions<Trip> = Definitions::of(&[
    &REVERSIBLE,
    &PIVOTED,
    &ASKING,
    &NESTING,
    &NESTING_LAST,
    &PAYMENT,
    &SECOND,
]);

/// Everybody who takes part.
#[derive(Clone, Debug, Default)]
pub struct Everybody {
    pub requested: bool,
    pub confirmed: bool,
    pub flight: bool,
    pub hotel: bool,
    pub charged: bool,
    pub ticket: bool,
    /// From now on a refund comes too late.
    pub settled: bool,
    /// The nested sagas that have begun, and whether they hold something.
    pub nested: BTreeMap<SagaId, bool>,
    /// Everything refuses for a while.
    pub outage: u32,
}

impl World<Trip> for Everybody {
    fn local(&mut self, local: Local, _: &Run<Trip>) -> Result<(), Reason> {
        match local {
            Local::Request => self.requested = true,
            Local::Withdraw => self.requested = false,
            Local::Confirm => self.confirmed = true,
        }
        Ok(())
    }

    fn command(&mut self, _: Address, command: &Command) -> Option<Reply> {
        match command {
            Command::BookFlight(_) => self.flight = true,
            Command::CancelFlight(_) => self.flight = false,
            Command::BookHotel(_) => self.hotel = true,
            Command::CancelHotel(_) => self.hotel = false,
            Command::Charge(_) => self.charged = true,
            Command::Refund(_) if self.settled && self.charged => return Some(gone()),
            Command::Refund(_) => self.charged = false,
            Command::IssueTicket(_) if self.outage > 0 => {
                self.outage -= 1;
                return Some(refused());
            }
            Command::IssueTicket(_) => self.ticket = true,
            Command::Note(_) => return None,
        }
        Some(done())
    }

    fn refuse(&mut self, _: Address, _: &Command, reply: &'static str) -> Reply {
        match reply {
            "trip.broke-reply" => Reply::Broke(Of::default()),
            _ => refused(),
        }
    }

    fn nested(&mut self, _: Address, command: &NestedCommand) -> NestedReply {
        match command {
            NestedCommand::Begin(begin) => {
                self.nested.insert(begin.saga, true);
                NestedReply::Completed(NoDetails {})
            }
            NestedCommand::Undo(undo) if self.settled && self.pays() => {
                assert_eq!(self.nested.get(&undo.saga), Some(&true));
                NestedReply::Irreversible(NoDetails {})
            }
            NestedCommand::Undo(undo) => {
                self.nested.insert(undo.saga, false);
                NestedReply::Compensated(SagaCompensated::default())
            }
        }
    }

    fn disturb(&mut self, number: u64) {
        match number % 4 {
            0 => self.settled = true,
            1 => self.settled = false,
            _ => self.outage = 2,
        }
    }

    fn check(&self, run: &Run<Trip>) {
        // What was given up after its pivot stays as far as it came.
        if run.state == SagaState::Abandoned && run.is_past_pivot() {
            return;
        }

        let made = run.state == SagaState::Completed;
        assert_eq!(self.requested, made, "requested");
        assert_eq!(self.confirmed, made, "confirmed");
        assert_eq!(self.flight, made, "flight");
        assert_eq!(self.hotel, made && run.data.with_hotel, "hotel");
        assert_eq!(self.charged || self.pays(), made, "charged");
        assert_eq!(
            self.ticket,
            made && run.definition.name == "pivoted",
            "ticket"
        );
    }
}

impl Everybody {
    fn pays(&self) -> bool {
        self.nested.values().any(|holds| *holds)
    }
}
