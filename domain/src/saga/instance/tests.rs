//! Given a saga, when something comes in, then its effects and its state. Replies come twice and
//! late.

mod interleavings;

use super::*;
use crate::messages::{CustomerAnswer, NoCustomer};
use crate::order::{NoDetails, OrderApproved, OrderCreated, OrderEvent};
use proptest::prelude::*;
use uuid::Uuid;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn policy() -> SagaPolicy {
    SagaPolicy {
        compensation_attempts: 3,
        ..SagaPolicy::default()
    }
}

fn pending() -> Order {
    let created = OrderCreated {
        customer_id: CustomerId(Uuid::from_u128(1)),
        order_total: Money::from_cents(1234),
        lines: Vec::new(),
        note: None,
    };
    Order::created(OrderId(Uuid::from_u128(2)), &created, at(1))
}

fn creating() -> Saga {
    Saga::begin(SagaKind::CreateOrder, &pending(), &policy(), at(10)).0
}

fn cancelling() -> Saga {
    let mut order = pending();
    order.apply(
        &OrderEvent::Approved(OrderApproved {
            customer_name: None,
        }),
        at(2),
    );
    order.apply(&OrderEvent::CancelRequested(NoDetails {}), at(3));
    Saga::begin(SagaKind::CancelOrder, &order, &policy(), at(10)).0
}

fn answer() -> CustomerAnswer {
    CustomerAnswer {
        customer_name: "Ada Park".into(),
        customer_version: 2,
    }
}

fn reserved() -> CustomerReply {
    CustomerReply::CreditReserved(answer())
}

fn exceeded() -> CustomerReply {
    CustomerReply::CreditLimitExceeded(answer())
}

fn released() -> CustomerReply {
    CustomerReply::CreditReleased(answer())
}

fn not_found() -> CustomerReply {
    CustomerReply::CustomerNotFound(NoCustomer {})
}

/// The command of this saga with this number.
fn numbered(saga: &Saga, number: u32) -> Attempt {
    Attempt {
        saga: saga.id,
        step: "any".into(),
        number,
    }
}

/// The newest command is answered.
fn answered(saga: &mut Saga, reply: CustomerReply, now: Timestamp) -> Vec<Effect> {
    let newest = numbered(saga, saga.commands_sent);
    saga.replied(&reply, Some(&newest), &policy(), now)
}

/// The wake-up that the saga has asked for comes.
fn wake(saga: &mut Saga, now: Timestamp) -> Vec<Effect> {
    match saga.wake_at {
        Some(set_for) => saga.woken(set_for, &policy(), now),
        None => Vec::new(),
    }
}

fn sends(effects: &[Effect]) -> Vec<&'static str> {
    let name = |effect: &Effect| match effect {
        Effect::Send { command, .. } => Some(command.wire_name().0),
        Effect::Local(_) => None,
    };
    effects.iter().filter_map(name).collect()
}

fn states(saga: &Saga) -> Vec<StepState> {
    saga.steps.iter().map(|step| step.state).collect()
}

#[test]
fn a_new_order_asks_for_credit() {
    let (saga, effects) = Saga::begin(SagaKind::CreateOrder, &pending(), &policy(), at(10));
    assert_eq!(sends(&effects), ["customer.reserve-credit"]);
    assert_eq!(
        states(&saga),
        [StepState::Done, StepState::Running, StepState::Remaining]
    );
    assert_eq!((saga.state, saga.version), (SagaState::Running, 1));
}

#[test]
fn reserved_credit_approves_the_order_and_ends_the_saga() {
    let mut saga = creating();
    assert_eq!(
        answered(&mut saga, reserved(), at(20)),
        [Effect::Local(LocalStep::ApproveOrder)]
    );
    assert_eq!(
        (saga.state, saga.ended_at, saga.wake_at),
        (SagaState::Completed, Some(at(20)), None)
    );
    assert_eq!(saga.customer_version, Some(2));
}

#[test]
fn a_refusal_rejects_the_order_with_its_reason() {
    for (reply, reason) in [
        (exceeded(), RejectionReason::InsufficientCredit),
        (not_found(), RejectionReason::UnknownCustomer),
    ] {
        let mut saga = creating();
        assert_eq!(
            answered(&mut saga, reply, at(20)),
            [Effect::Local(LocalStep::RejectOrder)]
        );

        assert_eq!(
            (saga.state, saga.reason),
            (SagaState::Compensated, Some(reason))
        );

        assert_eq!(
            states(&saga),
            [
                StepState::Compensated,
                StepState::Failed,
                StepState::Remaining
            ]
        );
    }
}

#[test]
fn a_reply_that_comes_twice_changes_nothing() {
    let mut saga = creating();
    let _ = answered(&mut saga, reserved(), at(20));
    let ended = saga.clone();
    assert_eq!(answered(&mut saga, reserved(), at(30)), []);
    assert_eq!(saga, ended);
}

#[test]
fn past_its_deadline_a_saga_releases_what_it_may_have_reserved_before_it_rejects() {
    let mut saga = creating();
    let late = saga.deadline;
    assert_eq!(sends(&wake(&mut saga, late)), ["customer.release-credit"]);

    assert_eq!(saga.state, SagaState::Compensating);

    let first = numbered(&saga, 1);
    assert_eq!(
        saga.replied(&reserved(), Some(&first), &policy(), late),
        [],
        "the late reply is not the confirmation"
    );

    assert_eq!(
        answered(&mut saga, released(), late),
        [Effect::Local(LocalStep::RejectOrder)]
    );

    assert_eq!(
        (saga.state, saga.reason),
        (SagaState::Compensated, Some(RejectionReason::TimedOut))
    );
}

#[test]
fn an_unconfirmed_compensation_is_sent_again_then_shown_as_stuck_and_can_be_retried() {
    let mut saga = creating();

    let _ = saga.cancelled(Some("stop".into()), &policy(), at(20));
    for _ in 1..policy().compensation_attempts {
        let now = saga.wake_at.unwrap();
        assert_eq!(sends(&wake(&mut saga, now)), ["customer.release-credit"]);
    }

    let now = saga.wake_at.unwrap();
    assert_eq!(wake(&mut saga, now), []);

    assert_eq!(
        (saga.state, saga.wake_at, saga.ended_at),
        (SagaState::Stuck, None, None)
    );

    assert_eq!(
        sends(&saga.retried(&policy(), now)),
        ["customer.release-credit"]
    );

    assert_eq!(
        answered(&mut saga, released(), now),
        [Effect::Local(LocalStep::RejectOrder)]
    );

    assert_eq!(saga.reason, Some(RejectionReason::CancelledByOperator));
}

#[test]
fn an_order_that_changed_meanwhile_is_not_approved_but_compensated() {
    let mut saga = creating();
    let _ = answered(&mut saga, reserved(), at(20));
    let effects = saga.local_step_refused(LocalStep::ApproveOrder, &policy(), at(20));
    assert_eq!(sends(&effects), ["customer.release-credit"]);
    assert_eq!((saga.state, saga.ended_at), (SagaState::Compensating, None));
}

#[test]
fn a_cancel_releases_the_credit_then_confirms() {
    let mut saga = cancelling();
    assert_eq!(
        answered(&mut saga, released(), at(20)),
        [Effect::Local(LocalStep::ConfirmCancel)]
    );
    assert_eq!(saga.state, SagaState::Completed);
}

#[test]
fn a_cancel_that_is_stopped_takes_the_credit_back_and_falls_back_to_approved() {
    let mut saga = cancelling();
    assert_eq!(
        sends(&saga.cancelled(None, &policy(), at(20))),
        ["customer.restore-credit"]
    );
    let first = numbered(&saga, 1);
    assert_eq!(
        saga.replied(&released(), Some(&first), &policy(), at(21)),
        []
    );
    assert_eq!(
        answered(&mut saga, reserved(), at(22)),
        [Effect::Local(LocalStep::UndoCancel)]
    );
    assert_eq!(saga.state, SagaState::Compensated);
}

#[test]
fn a_cancel_whose_credit_another_order_has_taken_stands() {
    let mut saga = cancelling();
    let _ = saga.cancelled(None, &policy(), at(20));
    assert_eq!(
        answered(&mut saga, exceeded(), at(22)),
        [Effect::Local(LocalStep::ConfirmCancel)]
    );
    assert_eq!(saga.state, SagaState::Completed);
}

#[test]
fn a_compensation_repeated_after_its_refusal_is_decided_by_the_repeat() {
    let mut saga = cancelling();

    let _ = saga.cancelled(None, &policy(), at(20));
    let restore = numbered(&saga, saga.commands_sent);
    let _ = wake(&mut saga, at(30));
    let repeat = numbered(&saga, saga.commands_sent);
    assert_ne!(restore, repeat);

    // The first restore found the credit taken, the second one found it free again.
    assert_eq!(
        saga.replied(&exceeded(), Some(&restore), &policy(), at(40)),
        []
    );
    assert_eq!(saga.state, SagaState::Compensating);

    assert_eq!(
        saga.replied(&reserved(), Some(&repeat), &policy(), at(41)),
        [Effect::Local(LocalStep::UndoCancel)]
    );
}

#[test]
fn a_late_reply_decides_nothing_at_any_step_and_still_teaches() {
    for begin in [creating, cancelling] {
        for reply in [reserved(), exceeded(), released(), not_found()] {
            let mut saga = begin();
            let forward = numbered(&saga, 1);
            let _ = saga.cancelled(None, &policy(), at(20));

            let (steps, state, wake_at) = (saga.steps.clone(), saga.state, saga.wake_at);
            assert_eq!(
                saga.replied(&reply, Some(&forward), &policy(), at(21)),
                [],
                "{reply:?}"
            );
            assert_eq!(
                (&saga.steps, saga.state, saga.wake_at),
                (&steps, state, wake_at)
            );

            let taught = reply.answer().map(|answer| answer.customer_version);
            assert_eq!(saga.customer_version, taught);

            let known = saga.clone();
            let _ = saga.replied(&reply, Some(&forward), &policy(), at(22));
            assert_eq!(saga, known, "a reply that says nothing new writes nothing");
        }
    }
}

#[test]
fn a_number_never_comes_twice_also_when_an_operator_has_it_tried_again() {
    let mut saga = creating();
    let mut sent = vec![numbered(&saga, 1)];
    let mut keep = |effects: Vec<Effect>| {
        for effect in effects {
            if let Effect::Send { attempt, .. } = effect {
                assert!(sent.iter().all(|earlier| earlier.number < attempt.number));
                sent.push(attempt);
            }
        }
    };

    keep(saga.cancelled(None, &policy(), at(20)));
    for _ in 0..3 {
        while saga.state != SagaState::Stuck {
            keep(wake(&mut saga, at(30)));
        }
        keep(saga.retried(&policy(), at(40)));
    }

    assert_eq!(saga.attempts, 1, "the operator gives it new patience");
    let before_the_retry = numbered(&saga, saga.commands_sent - 1);
    assert_eq!(
        saga.replied(&released(), Some(&before_the_retry), &policy(), at(50)),
        []
    );
    assert_eq!(
        answered(&mut saga, released(), at(51)),
        [Effect::Local(LocalStep::RejectOrder)]
    );
}

#[test]
fn a_reply_to_another_saga_decides_nothing() {
    let mut saga = creating();
    let other = Attempt {
        saga: SagaId(Uuid::from_u128(9)),
        ..numbered(&saga, 1)
    };
    assert_eq!(
        saga.replied(&reserved(), Some(&other), &policy(), at(20)),
        []
    );
    assert_eq!(saga.state, SagaState::Running);
}

/// Release 0.1 sent commands without numbers, so their replies have none.
#[test]
fn a_saga_of_the_former_release_takes_the_reply_to_its_one_command_and_repeats_compensations() {
    let of_release_0_1 = || Saga {
        commands_sent: 0,
        ..creating()
    };

    let mut saga = of_release_0_1();
    assert_eq!(
        saga.replied(&reserved(), None, &policy(), at(20)),
        [Effect::Local(LocalStep::ApproveOrder)]
    );

    let mut saga = of_release_0_1();
    let _ = saga.cancelled(None, &policy(), at(20));
    saga.commands_sent = 0;
    assert_eq!(saga.replied(&released(), None, &policy(), at(21)), []);
    assert_eq!(sends(&wake(&mut saga, at(30))), ["customer.release-credit"]);
    assert_eq!(saga.replied(&released(), None, &policy(), at(31)), []);
    assert_eq!(
        answered(&mut saga, released(), at(32)),
        [Effect::Local(LocalStep::RejectOrder)]
    );

    let mut saga = creating();
    assert_eq!(
        saga.replied(&reserved(), None, &policy(), at(20)),
        [],
        "a command with a number is not answered by a reply without"
    );
}

#[test]
fn a_wake_up_acts_by_what_it_was_set_for_whatever_the_clock_says() {
    let hours_ago = at(-3 * 3600 * 1_000_000);

    let mut saga = creating();
    let deadline = saga.wake_at.unwrap();
    assert_eq!(
        sends(&saga.woken(deadline, &policy(), hours_ago)),
        ["customer.release-credit"]
    );

    // The retry is soon by the clock as it is, and the record does not go back.
    assert_eq!(
        saga.wake_at,
        Some(hours_ago.after(policy().compensation_retry))
    );
    assert_eq!(saga.updated_at, at(10));

    let current = saga.clone();
    let late = deadline.after(Duration::from_secs(3600));
    assert_eq!(saga.woken(deadline, &policy(), late), [], "it is stale");
    assert_eq!(saga, current);
}

#[test]
fn a_saga_that_begins_after_the_clock_has_stepped_back_is_as_patient_as_any() {
    let order = pending();
    let hours_ago = at(-3 * 3600 * 1_000_000);
    let (saga, _) = Saga::begin(SagaKind::CreateOrder, &order, &policy(), hours_ago);
    assert_eq!(saga.started_at, order.updated_at);
    assert_eq!(saga.wake_at, Some(hours_ago.after(policy().deadline)));
}

#[test]
fn no_saga_asks_to_be_woken_later_than_its_policy_allows() {
    let mut saga = creating();
    let waits = |saga: &Saga, now: Timestamp| {
        let longest = policy().longest_wait(saga.state, saga.attempts);
        saga.wake_at.is_none_or(|at| at.since(now) <= longest)
    };
    assert!(waits(&saga, at(10)));

    let _ = saga.cancelled(None, &policy(), at(20));
    while saga.state != SagaState::Stuck {
        assert!(waits(&saga, at(20)), "{} attempts", saga.attempts);
        let _ = wake(&mut saga, at(20));
    }
}

#[test]
fn stored_steps_read_back() {
    let mut saga = creating();
    let _ = saga.cancelled(Some("stop".into()), &policy(), at(20));
    let json = serde_json::to_string(&saga.steps).unwrap();
    assert_eq!(
        serde_json::from_str::<Vec<StepRecord>>(&json).unwrap(),
        saga.steps
    );
}

proptest! {
    /// Whatever comes in whatever order, a saga ends at most once, and its order gets exactly one
    /// last word.
    #[test]
    fn a_saga_ends_once(kind in 0u8..2, inputs in proptest::collection::vec((0u8..8, 0u32..8), 0..24)) {
        let mut saga = if kind == 0 { creating() } else { cancelling() };
        let mut locals = Vec::new();

        let mut now = at(20);
        for (input, late) in inputs {
            now = now.after(Duration::from_secs(400));
            let ended = saga.state.has_ended();
            let attempt = numbered(&saga, late);
            let effects = match input {
                0 => answered(&mut saga, reserved(), now),
                1 => answered(&mut saga, exceeded(), now),
                2 => answered(&mut saga, released(), now),
                3 => answered(&mut saga, not_found(), now),
                4 => saga.cancelled(None, &policy(), now),
                5 => saga.retried(&policy(), now),
                6 => saga.replied(&released(), Some(&attempt), &policy(), now),
                _ => wake(&mut saga, now),
            };
            prop_assert!(!ended || effects.is_empty());
            locals.extend(effects.into_iter().filter_map(|effect| match effect {
                Effect::Local(local) => Some(local),
                Effect::Send { .. } => None,
            }));
        }

        prop_assert_eq!(locals.len(), usize::from(saga.state.has_ended()));
        prop_assert_eq!(saga.ended_at.is_some(), saga.state.has_ended());
    }
}
