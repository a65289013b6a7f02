//! Each mistake is found, and named with its step.

use crate::run::tests::trip::{Command, Local, Of, Trip};
use crate::{Action, Address, CarryOver, Definition, Definitions, Meaning, Service, Step};

use super::{Mistake, StepMistake};

const DONE: (&str, Meaning) = ("trip.done-reply", Meaning::Done);

fn somebody(_: &Trip) -> Address {
    Address::new(Service::new(101, "flights"), uuid::Uuid::nil())
}

const fn ask(replies: &'static [(&'static str, Meaning)]) -> Action<Trip> {
    Action::Ask {
        to: somebody,
        command: |_| {
            Command::BookFlight(Of {
                text: String::new(),
            })
        },
        replies,
    }
}

const NESTED: Action<Trip> = Action::Nested {
    on: somebody,
    saga: "payment",
    data: |trip| crate::nested::data(trip),
};
const UNDO: Action<Trip> = Action::UndoNested { on: somebody };
const LOCAL: Action<Trip> = Action::Local(Local::Confirm);
const LAST: Step<Trip> = Step::new("last", LOCAL);

/// What is wrong with one step.
fn mistakes(definition: &Definition<Trip>) -> Vec<StepMistake> {
    let of_step = |mistake| match mistake {
        Mistake::Step { what, .. } => what,
        other => panic!("{other}"),
    };
    definition.mistakes().into_iter().map(of_step).collect()
}

macro_rules! has_mistake {
    ($mistake:expr, $($step:expr),+) => {{
        static WRONG: Definition<Trip> = Definition::new("wrong", &[$($step),+]);
        assert_eq!(mistakes(&WRONG), [$mistake]);
    }};
}

#[test]
fn what_settles_a_saga_waits_for_nobody_and_ends_with_what_may_be_refused() {
    const NOTICE: Action<Trip> = Action::Notify {
        to: somebody,
        command: |_| {
            Command::Note(Of {
                text: String::new(),
            })
        },
    };
    static RIGHT: Definition<Trip> = Definition::new("right", &[LAST]).settled_by(&[NOTICE, LOCAL]);
    assert_eq!(RIGHT.mistakes(), []);

    static AWAITED: Definition<Trip> =
        Definition::new("wrong", &[LAST]).settled_by(&[ask(&[DONE])]);
    let saga = "wrong";
    assert_eq!(AWAITED.mistakes(), [Mistake::SettlementAwaited { saga }]);

    static GOES_ON: Definition<Trip> =
        Definition::new("wrong", &[LAST]).settled_by(&[LOCAL, NOTICE]);
    assert_eq!(GOES_ON.mistakes(), [Mistake::SettlementGoesOn { saga }]);

    static NAMED: Definition<Trip> = Definition::new("wrong", &[Step::new("abandon", LOCAL)]);
    assert_eq!(NAMED.mistakes(), [Mistake::SettlementAsStep { saga }]);
}

#[test]
fn replies_are_known_and_say_when_a_step_is_done() {
    let reply = "trip.sung-reply";
    has_mistake!(
        StepMistake::UnknownReply { reply },
        Step::new("a", ask(&[DONE, ("trip.sung-reply", Meaning::Done)])),
        LAST
    );

    let reply = "trip.done-reply";
    has_mistake!(
        StepMistake::ReplyTwice { reply },
        Step::new("a", ask(&[DONE, DONE])),
        LAST
    );

    has_mistake!(
        StepMistake::NeverDone,
        Step::new("a", ask(&[("trip.refused-reply", Meaning::Refused("X"))])),
        LAST
    );

    let reply = "trip.refused-reply";
    has_mistake!(
        StepMistake::NoReason { reply },
        Step::new(
            "a",
            ask(&[DONE, ("trip.refused-reply", Meaning::Refused(""))])
        ),
        LAST
    );
}

#[test]
fn a_compensation_succeeds_or_is_irreversible() {
    has_mistake!(
        StepMistake::NeverCompensated,
        Step::new("a", LOCAL).compensated_by(ask(&[("trip.gone-reply", Meaning::Irreversible)])),
        LAST
    );

    let reply = "trip.refused-reply";
    has_mistake!(
        StepMistake::CompensationRefused { reply },
        Step::new("a", LOCAL)
            .compensated_by(ask(&[DONE, ("trip.refused-reply", Meaning::Refused("X"))])),
        LAST
    );
}

#[test]
fn after_the_pivot_nothing_stops_a_saga() {
    has_mistake!(
        StepMistake::CompensatedAfterPivot,
        Step::new("a", LOCAL).pivot(),
        LAST.compensated_by(LOCAL)
    );

    has_mistake!(
        StepMistake::DeadlineAfterPivot,
        Step::new("a", LOCAL).pivot(),
        LAST.within(std::time::Duration::from_secs(1))
    );

    has_mistake!(
        StepMistake::SecondPivot,
        Step::new("a", LOCAL).pivot(),
        LAST.pivot()
    );

    has_mistake!(
        StepMistake::ConditionalPivot,
        Step::new("a", LOCAL).pivot().when(|_| true),
        LAST
    );
}

#[test]
fn a_last_step_can_be_left_by_a_stop() {
    has_mistake!(StepMistake::LastLeftOpen, Step::new("a", ask(&[DONE])));
    assert_eq!(
        Definition::new("right", &[const { Step::new("a", ask(&[DONE])).pivot() }]).mistakes(),
        []
    );
}

#[test]
fn only_what_has_begun_a_saga_undoes_it() {
    has_mistake!(StepMistake::UndoAsAction, Step::new("a", UNDO), LAST);
    has_mistake!(
        StepMistake::UndoOfNothing,
        Step::new("a", LOCAL).compensated_by(UNDO),
        LAST
    );
    has_mistake!(
        StepMistake::NestedAsCompensation,
        Step::new("a", LOCAL).compensated_by(NESTED),
        LAST
    );
}

#[test]
fn names_and_versions_are_unique() {
    static EMPTY: Definition<Trip> = Definition::new("wrong", &[]);
    assert_eq!(EMPTY.mistakes(), [Mistake::NoSteps { saga: "wrong" }]);

    static TWICE: Definition<Trip> = Definition::new("wrong", &[LAST, LAST]);
    let step_twice = Mistake::StepTwice {
        saga: "wrong",
        step: "last",
    };
    assert_eq!(TWICE.mistakes(), [step_twice]);

    static RIGHT: Definition<Trip> = Definition::new("right", &[LAST]);
    static SAGAS: Definitions<Trip> = Definitions::of(&[&RIGHT, &RIGHT]);
    let defined_twice = Mistake::DefinitionTwice {
        saga: "right",
        version: 1,
    };
    assert_eq!(SAGAS.mistakes(), [defined_twice]);

    static BACKWARDS: Definition<Trip> =
        Definition::new("wrong", &[LAST]).carried_over_from(&[CarryOver {
            from: 1,
            carry: |records, _| records,
        }]);
    assert!(matches!(
        BACKWARDS.mistakes()[..],
        [Mistake::CarriesOverBackwards { from: 1, .. }]
    ));
}
