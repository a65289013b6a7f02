//! Given a saga, when something comes in, then its effects and its state. Replies come twice and
//! late.

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

fn sends(effects: &[Effect]) -> Vec<&'static str> {
    let name = |effect: &Effect| match effect {
        Effect::Send(command) => Some(command.wire_name().0),
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
        saga.replied(&reserved(), &policy(), at(20)),
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
            saga.replied(&reply, &policy(), at(20)),
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
    let _ = saga.replied(&reserved(), &policy(), at(20));
    let ended = saga.clone();
    assert_eq!(saga.replied(&reserved(), &policy(), at(30)), []);
    assert_eq!(saga, ended);
}

#[test]
fn past_its_deadline_a_saga_releases_what_it_may_have_reserved_before_it_rejects() {
    let mut saga = creating();
    let late = saga.deadline;
    assert_eq!(saga.woken(&policy(), at(11)), [], "not yet");

    assert_eq!(
        sends(&saga.woken(&policy(), late)),
        ["customer.release-credit"]
    );

    assert_eq!(saga.state, SagaState::Compensating);

    assert_eq!(
        saga.replied(&reserved(), &policy(), late),
        [],
        "the late reply is not the confirmation"
    );

    assert_eq!(
        saga.replied(&released(), &policy(), late),
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
        let wake = saga.wake_at.unwrap();
        assert_eq!(
            sends(&saga.woken(&policy(), wake)),
            ["customer.release-credit"]
        );
    }

    let wake = saga.wake_at.unwrap();
    assert_eq!(saga.woken(&policy(), wake), []);

    assert_eq!(
        (saga.state, saga.wake_at, saga.ended_at),
        (SagaState::Stuck, None, None)
    );

    assert_eq!(
        sends(&saga.retried(&policy(), wake)),
        ["customer.release-credit"]
    );

    assert_eq!(
        saga.replied(&released(), &policy(), wake),
        [Effect::Local(LocalStep::RejectOrder)]
    );

    assert_eq!(saga.reason, Some(RejectionReason::CancelledByOperator));
}

#[test]
fn an_order_that_changed_meanwhile_is_not_approved_but_compensated() {
    let mut saga = creating();
    let _ = saga.replied(&reserved(), &policy(), at(20));
    let effects = saga.local_step_refused(LocalStep::ApproveOrder, &policy(), at(20));
    assert_eq!(sends(&effects), ["customer.release-credit"]);
    assert_eq!((saga.state, saga.ended_at), (SagaState::Compensating, None));
}

#[test]
fn a_cancel_releases_the_credit_then_confirms() {
    let mut saga = cancelling();
    assert_eq!(
        saga.replied(&released(), &policy(), at(20)),
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
    assert_eq!(saga.replied(&released(), &policy(), at(21)), []);
    assert_eq!(
        saga.replied(&reserved(), &policy(), at(22)),
        [Effect::Local(LocalStep::UndoCancel)]
    );
    assert_eq!(saga.state, SagaState::Compensated);
}

#[test]
fn a_cancel_whose_credit_another_order_has_taken_stands() {
    let mut saga = cancelling();
    let _ = saga.cancelled(None, &policy(), at(20));
    assert_eq!(
        saga.replied(&exceeded(), &policy(), at(22)),
        [Effect::Local(LocalStep::ConfirmCancel)]
    );
    assert_eq!(saga.state, SagaState::Completed);
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
    fn a_saga_ends_once(kind in 0u8..2, inputs in proptest::collection::vec(0u8..7, 0..24)) {
        let mut saga = if kind == 0 { creating() } else { cancelling() };
        let mut locals = Vec::new();

        let mut now = at(20);
        for input in inputs {
            now = now.after(Duration::from_secs(400));
            let ended = saga.state.has_ended();
            let effects = match input {
                0 => saga.replied(&reserved(), &policy(), now),
                1 => saga.replied(&exceeded(), &policy(), now),
                2 => saga.replied(&released(), &policy(), now),
                3 => saga.replied(&not_found(), &policy(), now),
                4 => saga.cancelled(None, &policy(), now),
                5 => saga.retried(&policy(), now),
                _ => saga.woken(&policy(), now),
            };
            prop_assert!(!ended || effects.is_empty());
            locals.extend(effects.into_iter().filter_map(|effect| match effect {
                Effect::Local(local) => Some(local),
                Effect::Send(_) => None,
            }));
        }

        prop_assert_eq!(locals.len(), usize::from(saga.state.has_ended()));
        prop_assert_eq!(saga.ended_at.is_some(), saga.state.has_ended());
    }
}
