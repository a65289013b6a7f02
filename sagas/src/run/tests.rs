//! Given a saga, when something comes in, then its effects and its state.

mod nesting;
pub(crate) mod trip;

use std::time::Duration;

use super::*;
use crate::testing::{
    abandoned, given, given_after_first_step, local_refused, replied, replied_late, retried,
    stopped, survives_everything, woken,
};
use crate::timeline::AttemptOutcome;
use trip::{Everybody, Local, Of, PIVOTED, REVERSIBLE, Reply, Trip, done, gone, refused};

const SECOND: Duration = Duration::from_secs(1);

fn with_hotel() -> Trip {
    Trip {
        with_hotel: true,
        ..Trip::default()
    }
}

const ALONE: Trip = Trip {
    with_hotel: false,
    seat: None,
};

#[test]
fn no_definition_of_these_tests_has_a_mistake() {
    assert_eq!(trip::SAGAS.mistakes(), []);
}

#[test]
fn a_saga_takes_its_steps_in_order_and_asks_each_participant_by_itself() {
    let story = given(&REVERSIBLE, with_hotel())
        .then_does([Local::Request])
        .then_sends(["flight.book"])
        .when(replied(done()))
        .then_sends(["hotel.book"])
        .when(replied(done()))
        .then_sends(["card.charge"]);

    assert_eq!(story.run.waits_for().unwrap().service.name(), "cards");

    story
        .when(replied(done()))
        .then_sends(["note.add"])
        .then_does([Local::Confirm])
        .then_state(SagaState::Completed)
        .then_steps([StepState::Done; 6]);
}

#[test]
fn a_step_whose_condition_does_not_hold_is_skipped_and_never_compensated() {
    given(&REVERSIBLE, ALONE)
        .when(replied(done()))
        .then_sends(["card.charge"])
        .when(stopped())
        .then_sends(["card.refund"])
        .when(replied(done()))
        .then_sends(["flight.cancel"])
        .when(replied(done()))
        .then_does([Local::Withdraw])
        .then_state(SagaState::Compensated)
        .then_steps([
            StepState::Compensated,
            StepState::Compensated,
            StepState::Skipped,
            StepState::Compensated,
            StepState::Remaining,
            StepState::Remaining,
        ]);
}

#[test]
fn a_refusal_compensates_what_was_done_before_it_last_first() {
    given(&REVERSIBLE, with_hotel())
        .when(replied(done()))
        .when(replied(refused()))
        .then_sends(["flight.cancel"])
        .then_reason("SOLD_OUT")
        .when(replied(done()))
        .then_does([Local::Withdraw])
        .then_state(SagaState::Compensated);
}

#[test]
fn a_step_whose_outcome_is_unknown_is_compensated_too() {
    given(&REVERSIBLE, ALONE)
        .when(woken())
        .then_sends(["flight.cancel"])
        .then_reason("TIMED_OUT")
        .then_state(SagaState::Compensating);
}

#[test]
fn a_step_that_only_asks_is_left_by_a_stop_without_a_compensation() {
    let story = given(&trip::ASKING, ALONE)
        .when(stopped())
        .then_sends([])
        .then_does([Local::Withdraw])
        .then_state(SagaState::Compensated)
        .then_steps([
            StepState::Compensated,
            StepState::Failed,
            StepState::Remaining,
        ]);
    let detail = story.run.steps[1].detail.as_deref();
    assert_eq!(detail, Some("CANCELLED_BY_OPERATOR"));
}

#[test]
fn a_reply_that_comes_twice_or_late_decides_nothing_and_still_teaches() {
    let seat = || Reply::Done(Of { text: "7A".into() });

    let story = given(&REVERSIBLE, ALONE)
        .when(stopped())
        .when(replied_late(seat()))
        .then_sends([])
        .then_state(SagaState::Compensating);
    assert_eq!(story.run.data.seat.as_deref(), Some("7A"));

    let known = story.run.clone();
    let story = story.when(replied_late(seat()));
    assert_eq!(
        story.run, known,
        "a reply that says nothing new writes nothing"
    );

    let ended = story
        .when(replied(done()))
        .then_state(SagaState::Compensated);
    let known = ended.run.clone();
    assert_eq!(ended.when(replied(done())).run, known);
}

#[test]
fn an_unconfirmed_compensation_is_sent_again_then_shown_as_stuck_and_can_be_retried() {
    let mut story = given(&REVERSIBLE, ALONE).when(stopped());
    for _ in 1..story.policy.attempts {
        story = story.when(woken()).then_sends(["flight.cancel"]);
    }

    let story = story
        .when(woken())
        .then_sends([])
        .then_state(SagaState::Stuck);
    assert_eq!((story.run.wake_at, story.run.ended_at), (None, None));

    let story = story.when(retried()).then_sends(["flight.cancel"]);
    assert_eq!(story.run.attempts, 1, "an operator gives it new patience");
    let commands = story.policy.attempts + 2;
    assert_eq!(
        story.run.commands_sent, commands,
        "and no number comes twice"
    );

    story
        .when(replied_late(done()))
        .then_does([])
        .when(replied(done()))
        .then_does([Local::Withdraw])
        .then_reason("CANCELLED_BY_OPERATOR");
}

#[test]
fn a_stuck_saga_takes_the_reply_to_its_newest_command() {
    let mut story = given(&REVERSIBLE, ALONE).when(stopped());
    while story.run.state != SagaState::Stuck {
        story = story.when(woken());
    }
    story
        .when(replied(done()))
        .then_state(SagaState::Compensated);
}

#[test]
fn a_run_that_is_given_up_says_the_rest_of_its_compensations_and_waits_for_none() {
    let mut story = given(&REVERSIBLE, with_hotel())
        .when(replied(done()))
        .when(replied(done()))
        .then_sends(["card.charge"])
        .when(stopped());
    while story.run.state != SagaState::Stuck {
        story = story.when(woken());
    }

    let story = story
        .when(abandoned())
        .then_sends(["card.refund", "hotel.cancel", "flight.cancel"])
        .then_does([Local::Withdraw])
        .then_state(SagaState::Abandoned);
    assert_eq!(story.run.wake_at, None);
    assert!(story.run.ended_at.is_some());

    // Nobody can go on with it; it can only say the same again.
    story
        .when(replied(done()))
        .then_does([])
        .when(retried())
        .then_sends([])
        .when(stopped())
        .then_state(SagaState::Abandoned)
        .when(abandoned())
        .then_sends(["card.refund", "hotel.cancel", "flight.cancel"])
        .then_does([]);
}

#[test]
fn a_local_effect_that_refuses_the_last_word_keeps_nobody_from_it() {
    let mut story = given(&REVERSIBLE, ALONE).when(stopped());
    while story.run.state != SagaState::Stuck {
        story = story.when(woken());
    }
    story
        .when(abandoned())
        .when(local_refused("request", Reason::TIMED_OUT))
        .then_sends(["flight.cancel"])
        .then_does([])
        .then_state(SagaState::Abandoned);
}

#[test]
fn only_a_stuck_run_is_given_up_and_after_its_pivot_it_stays_as_far_as_it_came() {
    given(&PIVOTED, ALONE)
        .when(abandoned())
        .then_sends([])
        .then_state(SagaState::Running);

    let mut story = given(&PIVOTED, ALONE)
        .when(replied(done()))
        .when(replied(done()));
    while story.run.state != SagaState::Stuck {
        story = story.when(woken());
    }
    let story = story
        .when(abandoned())
        .then_sends([])
        .then_does([])
        .then_state(SagaState::Abandoned);
    assert!(story.run.is_past_pivot());
}

#[test]
fn what_can_be_undone_no_more_has_the_saga_go_on_and_redo_what_was_undone() {
    let story = given(&REVERSIBLE, ALONE)
        .when(replied(done()))
        .when(replied(done()))
        .then_does([Local::Confirm])
        .when(local_refused("confirm", Reason::named("CHANGED")))
        .then_sends(["note.add", "card.refund"])
        .then_reason("CHANGED")
        .when(replied(gone()))
        .then_sends(["note.add"])
        .then_does([Local::Confirm])
        .then_state(SagaState::Completed);
    assert!(story.run.is_past_pivot());
}

#[test]
fn a_refused_local_step_takes_back_what_was_to_follow_it() {
    given(&PIVOTED, ALONE)
        .when(local_refused("request", Reason::named("CHANGED")))
        .then_does([])
        .then_sends([])
        .then_state(SagaState::Compensated)
        .then_reason("CHANGED")
        .then_steps([
            StepState::Failed,
            StepState::Remaining,
            StepState::Remaining,
            StepState::Remaining,
            StepState::Remaining,
            StepState::Remaining,
            StepState::Remaining,
        ]);
}

#[test]
fn a_refused_local_compensation_is_shown_as_stuck_and_carried_out_by_a_retry() {
    given_after_first_step(&REVERSIBLE, ALONE)
        .when(replied(refused()))
        .then_does([Local::Withdraw])
        .when(local_refused("request", Reason::named("CHANGED")))
        .then_state(SagaState::Stuck)
        .when(retried())
        .then_sends([])
        .then_does([Local::Withdraw])
        .then_state(SagaState::Compensated)
        .then_reason("SOLD_OUT");
}

#[test]
fn after_its_pivot_a_saga_only_goes_on_and_tries_again_until_it_succeeds() {
    let mut story = given(&PIVOTED, ALONE)
        .when(replied(done()))
        .when(replied(done()))
        .then_sends(["flight.issue-ticket"]);
    assert!(story.run.is_past_pivot() && !story.run.can_be_stopped());

    story = story.when(stopped()).then_sends([]);
    story = story
        .when(replied(refused()))
        .then_sends([])
        .then_state(SagaState::Running);

    for _ in 1..story.policy.attempts {
        story = story.when(woken()).then_sends(["flight.issue-ticket"]);
    }
    story = story.when(woken()).then_state(SagaState::Stuck);

    story
        .when(retried())
        .then_sends(["flight.issue-ticket"])
        .then_state(SagaState::Running)
        .when(replied(done()))
        .then_does([Local::Confirm])
        .then_sends(["note.add"])
        .then_state(SagaState::Completed);
}

#[test]
fn a_local_step_refused_after_the_pivot_is_stuck_until_a_retry_succeeds() {
    given(&PIVOTED, ALONE)
        .when(replied(done()))
        .when(replied(done()))
        .when(replied(done()))
        .then_does([Local::Confirm])
        .when(local_refused("confirm", Reason::named("CHANGED")))
        .then_sends([])
        .then_state(SagaState::Stuck)
        .when(retried())
        .then_does([Local::Confirm])
        .then_sends(["note.add"])
        .then_state(SagaState::Completed);
}

#[test]
fn a_pivot_that_nothing_undoes_is_asked_again_when_its_outcome_is_unknown() {
    let story = given(&PIVOTED, ALONE)
        .when(replied(done()))
        .then_sends(["card.charge"])
        .when(stopped())
        .then_sends([])
        .when(woken())
        .then_sends(["card.charge"])
        .then_state(SagaState::Running);

    // Until it is done, it can be refused.
    story
        .when(replied(refused()))
        .then_sends(["flight.cancel"])
        .then_reason("SOLD_OUT");
}

#[test]
fn a_step_has_a_deadline_of_its_own_and_a_saga_the_one_of_its_definition() {
    let story = given(&PIVOTED, with_hotel());
    let waits = |story: &crate::testing::Story<Trip>| story.run.wake_at.unwrap().since(story.now);
    assert_eq!(waits(&story), Duration::from_secs(60));

    let story = story.when(replied(done())).then_sends(["hotel.book"]);
    assert_eq!(waits(&story), Duration::from_secs(30));

    let story = story.when(replied(done())).then_sends(["card.charge"]);
    assert_eq!(waits(&story), Duration::from_secs(58), "it began 2 s ago");
}

#[test]
fn a_wake_up_acts_by_what_it_was_set_for_whatever_the_clock_says() {
    let story = given(&REVERSIBLE, ALONE);
    let (mut run, policy) = (story.run, story.policy);
    let hours_ago = Timestamp::from_micros(-3 * 3600 * 1_000_000);
    let deadline = run.wake_at.unwrap();

    assert!(!run.woken(deadline, &policy, hours_ago).is_empty());
    assert_eq!(run.wake_at, Some(hours_ago.after(policy.first_retry)));
    assert_eq!(run.updated_at, story.now, "the record does not go back");

    let current = run.clone();
    let late = deadline.after(Duration::from_secs(3600));
    assert_eq!(run.woken(deadline, &policy, late), [], "it is stale");
    assert_eq!(run, current);
}

#[test]
fn no_saga_asks_to_be_woken_later_than_its_policy_allows() {
    let compensates = given(&REVERSIBLE, ALONE).when(stopped());
    let only_goes_on = given(&PIVOTED, ALONE)
        .when(replied(done()))
        .when(replied(done()));

    for mut story in [compensates, only_goes_on, given(&REVERSIBLE, ALONE)] {
        while story.run.state != SagaState::Stuck {
            let (state, attempts) = (story.run.state, story.run.attempts);
            let deadline = story.run.definition.deadline;
            let longest = story.policy.longest_wait(deadline, state, attempts);

            let waits = story.run.wake_at.unwrap().since(story.now);
            assert!(waits <= longest, "{state:?}, {attempts} attempts");
            story = story.when(woken());
        }
    }
}

/// Release 0.1 sent commands without numbers, so their replies have none.
#[test]
fn a_run_of_release_0_1_takes_the_reply_to_its_one_command_and_repeats_compensations() {
    let of_release_0_1 = || {
        let mut story = given(&REVERSIBLE, ALONE);
        story.run.commands_sent = 0;
        story
    };
    let reply = || crate::Incoming::Own(done());

    let mut story = of_release_0_1();
    let effects = story.run.replied(&reply(), None, &story.policy, story.now);
    assert_eq!(effects.len(), 1, "it goes on");

    let mut story = of_release_0_1().when(stopped());
    story.run.commands_sent = 0;
    let effects = story.run.replied(&reply(), None, &story.policy, story.now);
    assert_eq!(effects, [], "which compensation was answered is not known");
    story
        .when(woken())
        .then_sends(["flight.cancel"])
        .when(replied(done()))
        .then_state(SagaState::Compensated);

    let mut story = given(&REVERSIBLE, ALONE);
    let effects = story.run.replied(&reply(), None, &story.policy, story.now);
    assert_eq!(effects, [], "a command with a number is answered with it");
}

#[test]
fn every_saga_survives_everything() {
    for definition in [&REVERSIBLE, &PIVOTED, &trip::NESTING] {
        for data in [ALONE, with_hotel()] {
            survives_everything(definition, &data, &Everybody::default());
        }
    }
}

#[test]
#[should_panic(expected = "an operator stops it")]
fn a_saga_that_leaves_something_behind_does_not_survive_everything() {
    survives_everything(&trip::FORGETFUL, &ALONE, &Everybody::default());
}

fn shown(run: &Run<Trip>, index: usize) -> Vec<crate::timeline::ShownAttempt> {
    run.attempts_of(&run.definition.steps[index], &run.steps[index])
}

#[test]
fn a_step_tells_what_each_of_its_attempts_has_come_to() {
    let story = given(&REVERSIBLE, with_hotel());
    let waiting = shown(&story.run, 1);
    assert_eq!((waiting.len(), waiting[0].sent), (1, Some("flight.book")));
    assert_eq!(waiting[0].outcome, AttemptOutcome::Waiting);

    let story = story.when(replied(done())).when(replied(refused()));
    let seat = shown(&story.run, 1);
    assert_eq!(seat[0].outcome, AttemptOutcome::Done);
    assert_eq!(
        seat[0].answered_at,
        Some(story.run.started_at.after(SECOND))
    );
    assert!(seat[0].answer.is_some() && !seat[0].undoes);
    assert_eq!((seat[1].number, seat[1].undoes), (3, true));
    assert_eq!(seat[1].sent, Some("flight.cancel"));

    let room = shown(&story.run, 2);
    assert_eq!(room[0].outcome, AttemptOutcome::Refused);
    assert_eq!(room[0].cause.as_deref(), Some("SOLD_OUT"));
    assert!(
        shown(&story.run, 0).is_empty(),
        "nobody is asked for a local step"
    );
}

#[test]
fn a_late_answer_is_told_and_one_that_never_came_says_why_nobody_waited() {
    let story = given(&REVERSIBLE, ALONE).when(stopped());
    let booked = &shown(&story.run, 1)[0];
    assert_eq!(booked.outcome, AttemptOutcome::Unanswered);
    assert_eq!(booked.cause.as_deref(), Some("CANCELLED_BY_OPERATOR"));

    let version = story.run.version;
    let story = story.when(replied_late(done()));
    assert_eq!(shown(&story.run, 1)[0].outcome, AttemptOutcome::Ignored);
    assert_eq!(story.run.version, version + 1);

    let known = story.run.clone();
    assert_eq!(
        story.when(replied_late(done())).run,
        known,
        "it is told once"
    );
}

#[test]
fn of_many_attempts_the_newest_are_kept() {
    let mut story = given(&REVERSIBLE, ALONE).when(stopped());
    for _ in 0..3 {
        while story.run.state != SagaState::Stuck {
            story = story.when(woken());
        }
        story = story.when(retried());
    }

    let attempts = shown(&story.run, 1);
    assert_eq!(attempts.len(), crate::timeline::ATTEMPTS_KEPT);
    assert_eq!(attempts[9].number, story.run.commands_sent);
    assert_eq!(attempts[9].outcome, AttemptOutcome::Waiting);
    assert!(
        attempts[..9]
            .iter()
            .all(|one| one.outcome == AttemptOutcome::Unanswered)
    );
}
