use sagas::{NoSaga, Service, Timestamp, wire_messages};
use serde::{Deserialize, Serialize};
use store::Loading;
use store::faults::Faults;

use super::*;
use crate::entity::Head;

/// A cupboard whose shelves are rows of their own.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Cupboard {
    head: Head,
    is_locked: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Command {
    Fill(Uuid),
    Lock,
}

wire_messages! {
    pub enum Event {
        Filled(Uuid) = "shelf.filled" 1,
        Emptied(Uuid) = "shelf.emptied" 1,
        Locked(()) = "cupboard.locked" 1,
    }
}

wire_messages! {
    pub enum Request {
        Empty(Uuid) = "shelf.empty" 1,
    }
}

wire_messages! {
    pub enum Reply {
        WasFull(bool) = "shelf.was-full" 1,
    }
}

impl Entity for Cupboard {
    const SERVICE: Service = Service::new(131, "cupboards");
    const KIND: &'static str = "cupboard";
    type Command = Command;
    type Event = Event;
    type Request = Request;
    type Reply = Reply;
    type Part = ();
    type Saga = NoSaga;

    fn head(&self) -> Head {
        self.head
    }

    fn fold(before: Option<Self>, id: Uuid, event: &Event, at: Timestamp) -> Option<Self> {
        let mut cupboard = before.unwrap_or_default();
        cupboard.is_locked |= matches!(event, Event::Locked(()));
        cupboard.head = cupboard.head.after_event(id, at);
        Some(cupboard)
    }

    fn decide(cupboard: Option<&Self>, _: Uuid, command: Command) -> Decision<Self> {
        match command {
            Command::Fill(shelf) => Decision::Happens(Event::Filled(shelf)),
            Command::Lock if cupboard.is_some_and(|it| it.is_locked) => Decision::Done(None),
            Command::Lock => Decision::Happens(Event::Locked(())),
        }
    }

    fn react(_: Option<&Self>, request: &Request, full: Option<&()>) -> (Option<Event>, Reply) {
        let Request::Empty(shelf) = request;
        let event = full.map(|()| Event::Emptied(*shelf));
        (event, Reply::WasFull(full.is_some()))
    }

    fn part_after(event: &Event) -> Option<(Uuid, Option<()>)> {
        match event {
            Event::Filled(shelf) => Some((*shelf, Some(()))),
            Event::Emptied(shelf) => Some((*shelf, None)),
            Event::Locked(()) => None,
        }
    }
}

const SHELF: Uuid = Uuid::from_u128(7);

/// The work on a cupboard, unit by unit, of which those up to `durable` are durable.
struct Work {
    actor: EntityActor<Cupboard>,
    turn: Turn,
}

impl Work {
    fn begin() -> Self {
        let faults = Faults::new("".parse().unwrap());
        let mut work = Work {
            actor: EntityActor::new(
                Uuid::from_u128(1),
                None,
                Snapshots::new(Loading::Row, 0),
                faults,
            ),
            turn: Turn {
                now: Timestamp::from_micros(1),
                ticket: 0,
                durable_at_read: 0,
            },
        };
        let made = work.ask(Ask::Create {
            command: Command::Fill(Uuid::from_u128(8)),
            created_by: None,
        });
        assert!(matches!(made, EntityOutcome::Changed(_)), "{made:?}");
        work
    }

    fn ask(&mut self, ask: Ask<Cupboard>) -> EntityOutcome<Cupboard> {
        self.turn.ticket += 1;
        self.actor.decide(ask, self.turn).unwrap().outcome
    }

    fn command(
        &mut self,
        command: Command,
        key: Option<RequestBinding>,
    ) -> EntityOutcome<Cupboard> {
        let binding = key;
        self.ask(Ask::Command { command, binding })
    }

    /// Whether the shelf was full when the database said this of it.
    fn empty(&mut self, stored: Option<()>) -> bool {
        let part = Some(PartAsRead { key: SHELF, stored });
        let request = Request::Empty(SHELF);
        match self.ask(Ask::Request { request, part }) {
            EntityOutcome::Replied(Reply::WasFull(was_full), _) => was_full,
            outcome => panic!("{outcome:?}"),
        }
    }
}

#[test]
fn a_part_that_a_command_has_changed_is_known_before_the_database_shows_it() {
    let mut work = Work::begin();
    work.command(Command::Fill(SHELF), None);
    assert!(work.empty(None), "the command's unit is in flight");
    assert!(!work.empty(None));

    // From here on the database shows it by itself.
    work.command(Command::Fill(SHELF), None);
    work.turn.durable_at_read = work.turn.ticket;
    assert!(work.empty(Some(())));
    assert_eq!(work.actor.in_flight.len(), 1);
}

#[test]
fn a_part_that_two_units_have_changed_is_as_the_later_one_leaves_it() {
    let mut work = Work::begin();
    work.command(Command::Fill(SHELF), None);
    work.turn.ticket += 1;
    assert!(work.empty(None));

    // The database shows the first of them.
    work.turn.durable_at_read = work.turn.ticket - 1;
    work.turn.ticket += 1;
    assert!(!work.empty(Some(())), "the second one is in flight");
}

#[test]
fn a_key_is_bound_by_a_command_that_finds_it_done() {
    let mut work = Work::begin();
    work.command(Command::Lock, None);
    let key = |value: &str| Some(RequestBinding::new("lock", "k1", value.as_bytes()));

    let done = work.command(Command::Lock, key("a"));
    assert!(
        matches!(done, EntityOutcome::Joined(None, Some(_))),
        "{done:?}"
    );
    let again = work.command(Command::Lock, key("a"));
    // There was nothing to wait for.
    let found = Some(Timestamp::from_micros(1));
    let EntityOutcome::Repeated { saga, waited_until } = again else {
        panic!("{again:?}");
    };
    assert_eq!((saga, waited_until), (None, found));
    let other = work.command(Command::Lock, key("b"));
    assert!(matches!(other, EntityOutcome::KeyReused), "{other:?}");

    // Without a key there is nothing to write.
    let done = work.command(Command::Lock, None);
    assert!(
        matches!(done, EntityOutcome::Joined(None, None)),
        "{done:?}"
    );
}

#[test]
fn a_key_remembers_until_when_its_first_caller_waits_and_no_later_one() {
    let mut work = Work::begin();
    let key = RequestBinding::new("fill", "k1", b"a");
    let waits = |micros| Some(key.waiting(Duration::from_micros(micros)));
    work.command(Command::Fill(SHELF), waits(20));

    for later in [Some(key), waits(90)] {
        let again = work.command(Command::Fill(SHELF), later);
        let EntityOutcome::Repeated { waited_until, .. } = again else {
            panic!("{again:?}");
        };
        assert_eq!(waited_until, Some(Timestamp::from_micros(21)));
    }

    let key = RequestBinding::new("fill", "k2", b"a");
    work.command(Command::Fill(SHELF), Some(key));
    let again = work.command(
        Command::Fill(SHELF),
        Some(key.waiting(Duration::from_secs(1))),
    );
    let EntityOutcome::Repeated { waited_until, .. } = again else {
        panic!("{again:?}");
    };
    assert_eq!(waited_until, None);
}
