//! Three small services: seats; tours, whose saga takes a seat; and groups, whose saga has a tour's
//! saga as a step.

use sagas::{
    Action, Address, Definition, Meaning, NoMessage, NoSaga, Reason, SagaData, Service, Step,
    Timestamp, nested, wire_messages,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Decision, Entity, Head, LocalRefusal, StepOf};

pub(super) const SEATS: Service = Service::new(121, "seats");
pub(super) const TOURS: Service = Service::new(122, "tours");
pub(super) const GROUPS: Service = Service::new(123, "groups");

/// Who has a seat.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Seats {
    head: Head,
    pub left: u32,
    pub taken: Vec<Uuid>,
}

wire_messages! {
    pub enum Request {
        Take(Uuid) = "seat.take" 1,
        GiveBack(Uuid) = "seat.give-back" 1,
    }
}

wire_messages! {
    pub enum Reply {
        Done(()) = "seat.done" 1,
        Full(()) = "seat.full" 1,
    }
}

wire_messages! {
    pub enum SeatsEvent {
        Opened(u32) = "seats.opened" 1,
        Taken(Uuid) = "seats.taken" 1,
        GivenBack(Uuid) = "seats.given-back" 1,
    }
}

impl Entity for Seats {
    const SERVICE: Service = SEATS;
    const KIND: &'static str = "seats";
    type Command = u32;
    type Event = SeatsEvent;
    type Request = Request;
    type Reply = Reply;
    type Part = ();
    type Saga = NoSaga;

    fn head(&self) -> Head {
        self.head
    }

    fn decide(_: Option<&Self>, _: Uuid, seats: u32) -> Decision<Self> {
        Decision::Happens(SeatsEvent::Opened(seats))
    }

    fn fold(before: Option<Self>, id: Uuid, event: &SeatsEvent, at: Timestamp) -> Option<Self> {
        let mut seats = before.unwrap_or_default();
        match event {
            SeatsEvent::Opened(left) => seats.left = *left,
            SeatsEvent::Taken(by) => {
                seats.left -= 1;
                seats.taken.push(*by);
            }
            SeatsEvent::GivenBack(by) => {
                seats.left += 1;
                seats.taken.retain(|other| other != by);
            }
        }
        seats.head = seats.head.after_event(id, at);
        Some(seats)
    }

    fn react(
        seats: Option<&Self>,
        request: &Request,
        _: Option<&()>,
    ) -> (Option<SeatsEvent>, Reply) {
        let has = |by| seats.is_some_and(|seats| seats.taken.contains(by));
        let event = match request {
            Request::Take(by) if has(by) => None,
            Request::Take(_) if seats.is_none_or(|seats| seats.left == 0) => {
                return (None, Reply::Full(()));
            }
            Request::Take(by) => Some(SeatsEvent::Taken(*by)),
            Request::GiveBack(by) => has(by).then_some(SeatsEvent::GivenBack(*by)),
        };
        (event, Reply::Done(()))
    }
}

/// What both sagas know: who takes seats, where, and the tour that a group goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Needs {
    pub by: Uuid,
    pub seats: Uuid,
    #[serde(default)]
    pub tour: Option<Box<Needs>>,
}

/// A service does not think of everything: it panics when somebody begins a saga for nobody.
pub(super) const NOBODY: Uuid = Uuid::nil();

impl SagaData for Needs {
    type Local = ();
    type Command = Request;
    type Reply = Reply;
}

type Act = Action<Needs>;

const SEAT: Act = Act::ask(
    |needs| Address::new(SEATS, needs.seats),
    |needs| Request::Take(needs.by),
    &[
        ("seat.done", Meaning::Done),
        ("seat.full", Meaning::Refused("NO_SEAT")),
    ],
);

const NO_SEAT_ANY_MORE: Act = Act::ask(
    |needs| Address::new(SEATS, needs.seats),
    |needs| Request::GiveBack(needs.by),
    &[("seat.done", Meaning::Done)],
);

const TOUR: Act = Act::Nested {
    on: tour,
    saga: "go-on-tour",
    data: |needs| nested::data(&needs.tour),
};

fn tour(needs: &Needs) -> Address {
    let tour = needs.tour.as_ref().map(|tour| tour.by);
    Address::new(TOURS, tour.unwrap_or_default())
}

static GO_ON_TOUR: Definition<Needs> = Definition::new(
    "go-on-tour",
    &[
        Step::new("request", Act::Local(())).compensated_by(Act::Local(())),
        // The second one in the unit that begins the saga.
        Step::new("note", Act::Local(())),
        Step::new("seat", SEAT).compensated_by(NO_SEAT_ANY_MORE),
        Step::new("confirm", Act::Local(())).compensated_by(Act::Local(())),
    ],
);

static TRAVEL_AS_GROUP: Definition<Needs> = Definition::new(
    "travel-as-group",
    &[
        Step::new("request", Act::Local(())).compensated_by(Act::Local(())),
        Step::new("tour", TOUR).compensated_by(Act::UndoNested { on: tour }),
        Step::new("seat", SEAT).compensated_by(NO_SEAT_ANY_MORE),
        Step::new("confirm", Act::Local(())),
    ],
);

wire_messages! {
    pub enum Event {
        Requested(Needs) = "travel.requested" 1,
        Took(String) = "travel.took" 1,
    }
}

/// A tour, or a group: whatever a saga of [`Needs`] works on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Travel<const GROUP: bool> {
    head: Head,
    /// The newest note: nothing, that it goes on, or why it does not.
    pub state: String,
}

pub(super) type Tour = Travel<false>;
pub(super) type Group = Travel<true>;

impl<const GROUP: bool> Entity for Travel<GROUP> {
    const SERVICE: Service = if GROUP { GROUPS } else { TOURS };
    const KIND: &'static str = if GROUP { "group" } else { "tour" };
    const BEGINS_WITH: Option<&'static str> = Some(definition(GROUP).name);
    const SAGAS: &'static [&'static Definition<Needs>] = &[&GO_ON_TOUR, &TRAVEL_AS_GROUP];
    type Command = Needs;
    type Event = Event;
    type Request = NoMessage;
    type Reply = NoMessage;
    type Part = ();
    type Saga = Needs;

    fn head(&self) -> Head {
        self.head
    }

    fn decide(_: Option<&Self>, _: Uuid, needs: Needs) -> Decision<Self> {
        Decision::Happens(Event::Requested(needs))
    }

    fn fold(before: Option<Self>, id: Uuid, event: &Event, at: Timestamp) -> Option<Self> {
        let mut travel = before.unwrap_or_default();
        if let Event::Took(state) = event {
            travel.state.clone_from(state);
        }
        travel.head = travel.head.after_event(id, at);
        Some(travel)
    }

    fn begins(&self, event: &Event) -> Option<(&'static Definition<Needs>, Needs)> {
        match event {
            Event::Requested(needs) if needs.by == NOBODY => panic!("nobody travels"),
            Event::Requested(needs) => Some((definition(GROUP), needs.clone())),
            Event::Took(_) => None,
        }
    }

    fn step(travel: Option<&Self>, (): (), saga: StepOf<'_, Needs>) -> Result<Event, LocalRefusal> {
        // A nested saga begins with a step of its own.
        Ok(match (travel, saga.reason) {
            (None, _) => Event::Requested(saga.data.clone()),
            (Some(_), None) => Event::Took("GOES".to_owned()),
            (Some(_), Some(reason)) => Event::Took(reason.name().to_owned()),
        })
    }

    fn react(_: Option<&Self>, request: &NoMessage, _: Option<&()>) -> (Option<Event>, NoMessage) {
        match *request {}
    }
}

const fn definition(group: bool) -> &'static Definition<Needs> {
    if group { &TRAVEL_AS_GROUP } else { &GO_ON_TOUR }
}

/// The note that says why it failed.
pub(super) fn no_seat() -> String {
    Reason::named("NO_SEAT").name().to_owned()
}
