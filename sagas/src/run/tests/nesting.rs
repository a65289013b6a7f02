//! A saga within a saga: begun, undone and answered.

use super::trip::{NESTING, NESTING_LAST, PAYMENT};
use super::*;
use crate::nested::{NestedCommand, NestedReply, NoDetails, Outgoing, SagaCompensated};
use crate::testing::{Story, abandoned, nested_replied};
use crate::{Beginning, ShardId};

fn completed() -> NestedReply {
    NestedReply::Completed(NoDetails {})
}

fn nested_commands(story: &Story<Trip>) -> Vec<(NestedCommand, Attempt)> {
    let nested = |effect: &Effect<Trip>| match effect {
        Effect::Send {
            command: Outgoing::Nested(command),
            attempt,
            ..
        } => Some((command.clone(), attempt.clone())),
        _ => None,
    };
    story.effects.iter().filter_map(nested).collect()
}

/// The nested saga that a command of the parent begins, and what it does first.
fn begun(number: u32) -> Story<Trip> {
    let mut story = given(&PAYMENT, ALONE);
    let beginning = Beginning {
        id: SagaId(Uuid::from_u128(5)),
        entity: Uuid::from_u128(13),
        data: ALONE,
        not_before: story.now,
        parent: Some(parent(number, false)),
    };
    (story.run, story.effects) = Run::begin(&PAYMENT, beginning, &story.policy, story.now);
    story
}

fn parent(number: u32, wants_undo: bool) -> Parent {
    Parent {
        shard: ShardId::new(crate::Service::new(101, "flights"), 0),
        attempt: Attempt {
            saga: SagaId(Uuid::from_u128(4)),
            step: "pay".into(),
            number,
        },
        wants_undo,
    }
}

fn undone(mut story: Story<Trip>, number: u32) -> Story<Trip> {
    let (policy, now) = (story.policy, story.now);
    story.effects = story.run.undone(parent(number, true), &policy, now);
    story
}

fn begun_again(mut story: Story<Trip>, number: u32) -> Story<Trip> {
    story.effects = story.run.begun_again(parent(number, false), story.now);
    story
}

#[test]
fn a_step_begins_a_saga_and_undoes_it_by_its_id() {
    let story = given(&NESTING, with_hotel())
        .when(replied(done()))
        .then_sends(["saga.begin"]);
    let begin = nested_commands(&story);
    let id = begin[0].0.saga();
    assert_eq!(story.run.steps[2].nested, Some(id));
    assert_ne!(id, story.run.id);

    let story = story
        .when(nested_replied(completed()))
        .then_sends(["hotel.book"])
        .when(replied(refused()))
        .then_sends(["saga.undo"]);
    assert_eq!(nested_commands(&story)[0].0.saga(), id);

    let compensated = NestedReply::Compensated(SagaCompensated::default());
    story
        .when(nested_replied(compensated))
        .then_sends(["flight.cancel"]);
}

#[test]
fn a_nested_saga_that_is_given_up_tells_that_it_has_compensated() {
    let mut story = undone(begun(1), 2);
    while story.run.state != SagaState::Stuck {
        story = story.when(woken());
    }
    let story = story
        .when(abandoned())
        .then_sends(["card.refund"])
        .then_answers(["saga.compensated"]);
    undone(story, 3).then_answers(["saga.compensated"]);
}

#[test]
fn a_nested_saga_that_compensates_refuses_the_step_with_its_reason() {
    let reason = Some(Reason::named("NO_MONEY"));
    given(&NESTING, ALONE)
        .when(replied(done()))
        .when(nested_replied(NestedReply::Compensated(SagaCompensated {
            reason,
        })))
        .then_sends(["flight.cancel"])
        .then_reason("NO_MONEY");
}

#[test]
fn a_repeat_begins_the_same_saga_and_a_new_beginning_another_one() {
    let story = given(&NESTING, ALONE).when(replied(done()));
    let first = nested_commands(&story)[0].0.saga();

    // The undo is repeated; the saga cannot be undone any more, and the step counts as done.
    let story = story.when(stopped()).when(woken());
    assert_eq!(nested_commands(&story)[0].0.saga(), first);
    let story = story
        .when(nested_replied(NestedReply::Irreversible(NoDetails {})))
        .then_does([Local::Confirm]);
    assert_eq!(story.run.steps[2].nested, Some(first));

    let other = given(&NESTING, with_hotel()).when(replied(done()));
    let mut again = other.run.clone();
    let (policy, now) = (other.policy, other.now);
    let mut effects = Vec::new();
    again.go_on_from(2, &policy, now, &mut effects);
    assert_ne!(again.steps[2].nested, other.run.steps[2].nested);
}

#[test]
fn a_nested_saga_that_compensates_after_the_pivot_is_followed_by_another_one() {
    let saga = |story: &Story<Trip>| nested_commands(story)[0].0.saga();
    let story = given(&NESTING_LAST, ALONE)
        .when(replied(done()))
        .then_sends(["saga.begin"]);
    let first = saga(&story);

    let story = story.when(woken());
    assert_eq!(saga(&story), first, "it has not answered yet");

    let compensated = NestedReply::Compensated(SagaCompensated::default());
    let story = story
        .when(nested_replied(compensated))
        .then_sends([])
        .then_state(SagaState::Running)
        .when(woken())
        .then_sends(["saga.begin"]);
    let second = saga(&story);
    assert_ne!(second, first, "the first one never completes any more");

    let story = story.when(woken());
    assert_eq!(saga(&story), second);
    story
        .when(nested_replied(completed()))
        .then_does([Local::Confirm])
        .then_state(SagaState::Completed);
}

#[test]
fn a_nested_saga_answers_its_newest_command_when_it_has_ended() {
    let story = begun(3).then_answers([]);
    let story = begun_again(story, 4).then_answers([]);
    let story = story.when(replied(done())).then_answers(["saga.completed"]);
    let Some(Effect::Answer { to, .. }) = story.effects.last() else {
        panic!("{:?}", story.effects);
    };
    assert_eq!(to.attempt.number, 4);

    begun_again(story, 5).then_answers(["saga.completed"]);
}

#[test]
fn a_nested_saga_is_undone_wherever_it_stands() {
    let under_way = undone(begun(3), 4)
        .then_sends(["card.refund"])
        .then_answers([]);
    under_way
        .when(replied(done()))
        .then_answers(["saga.compensated"])
        .then_reason("UNDONE");

    let has_completed = undone(begun(3).when(replied(done())), 4)
        .then_sends(["card.refund"])
        .then_state(SagaState::Compensating);
    assert_eq!(has_completed.run.ended_at, None);
    has_completed
        .when(replied(done()))
        .then_answers(["saga.compensated"]);

    let has_compensated = begun(3)
        .when(replied(refused()))
        .then_answers(["saga.compensated"]);
    undone(has_compensated, 4)
        .then_sends([])
        .then_answers(["saga.compensated"]);
}

#[test]
fn a_nested_saga_that_cannot_be_undone_says_so_when_it_has_ended() {
    let story = undone(begun(3), 4)
        .when(replied(gone()))
        .then_does([Local::Confirm])
        .then_answers(["saga.irreversible"]);
    undone(story, 5).then_answers(["saga.irreversible"]);
}

#[test]
fn a_command_of_the_parent_that_comes_twice_changes_nothing() {
    let story = undone(begun(3), 4);
    let known = story.run.clone();
    let story = begun_again(undone(story, 4), 3);
    assert_eq!(story.run, known);
}
