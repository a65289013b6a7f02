//! Given a state, when a command comes, then an event or a refusal.

use super::*;
use crate::saga::{CANCEL_ORDER, CREATE_ORDER};
use proptest::prelude::*;
use uuid::Uuid;

fn creation() -> OrderCreated {
    OrderCreated {
        customer_id: CustomerId(Uuid::from_u128(1)),
        order_total: Money::from_cents(1234),
        lines: Vec::new(),
        note: None,
        coordination: crate::Coordination::default(),
    }
}

fn pending() -> Order {
    Order::created(
        OrderId(Uuid::from_u128(2)),
        &creation(),
        Timestamp::from_micros(1),
    )
}

fn after(events: &[OrderEvent]) -> Order {
    let mut order = pending();
    for event in events {
        order.apply(event, Timestamp::from_micros(2)).unwrap();
    }
    order
}

fn approved() -> OrderEvent {
    OrderEvent::Approved(OrderApproved {
        customer_name: Some("Ada Park".into()),
        customer_version: None,
    })
}

#[test]
fn given_a_pending_order_when_its_saga_approves_then_it_is_approved_at_version_2() {
    let event = pending()
        .approve(
            RereadValue {
                expected_version: 1,
            },
            Some("Ada Park".into()),
        )
        .unwrap();
    let order = after(&[event]);
    assert_eq!((order.state, order.version), (OrderState::Approved, 2));
    assert_eq!(order.customer_name.as_deref(), Some("Ada Park"));
}

#[test]
fn given_a_changed_order_when_its_saga_approves_then_the_reread_value_refuses() {
    let refused = pending().approve(
        RereadValue {
            expected_version: 7,
        },
        None,
    );
    assert_eq!(refused, Err(Refusal::Changed));
}

#[test]
fn given_a_lock_when_a_conflicting_command_comes_then_it_is_refused_not_held_back() {
    let lock = |held_by| Refusal::Locked(SemanticLock { held_by });
    assert_eq!(pending().ship(), Err(lock(CREATE_ORDER.name)));
    assert_eq!(pending().request_cancel(), Err(lock(CREATE_ORDER.name)));
    let cancelling = after(&[
        approved(),
        OrderEvent::CancelRequested(CancelRequested::default()),
    ]);
    assert_eq!(cancelling.ship(), Err(lock(CANCEL_ORDER.name)));
    assert_eq!(cancelling.request_cancel(), Err(lock(CANCEL_ORDER.name)));
}

#[test]
fn given_a_cancel_that_falls_back_then_the_order_is_approved_and_can_be_shipped() {
    let order = after(&[
        approved(),
        OrderEvent::CancelRequested(CancelRequested::default()),
    ]);
    let undone = order.undo_cancel().unwrap();
    let order = after(&[
        approved(),
        OrderEvent::CancelRequested(CancelRequested::default()),
        undone,
    ]);
    assert_eq!((order.state, order.version), (OrderState::Approved, 4));
    assert!(order.ship().is_ok());
}

#[test]
fn given_an_ended_order_then_nothing_more_happens_to_it() {
    let reason = RejectionReason::InsufficientCredit;
    let rejected = after(&[OrderEvent::Rejected(OrderRejected {
        reason,
        customer_name: None,
        release: None,
        customer_version: None,
    })]);

    let shipped = after(&[approved(), OrderEvent::Shipped(NoDetails {})]);
    for order in [rejected, shipped] {
        let refused = Refusal::NotIn(order.state);
        let reread = RereadValue {
            expected_version: order.version,
        };
        assert_eq!(order.ship(), Err(refused));
        assert_eq!(order.request_cancel(), Err(refused));
        assert_eq!(order.approve(reread, None), Err(refused));
        assert_eq!(order.reject(reason, None), Err(refused));
        assert_eq!(order.confirm_cancel(reread), Err(refused));
        assert_eq!(order.undo_cancel(), Err(refused));
    }
}

#[test]
fn totals_are_exact_and_overflow_is_seen() {
    let line = |quantity, cents| OrderLine {
        sku: "s".into(),
        name: "n".into(),
        quantity,
        unit_price: Money::from_cents(cents),
    };
    assert_eq!(
        total_of(&[line(3, 10), line(1, 5)]),
        Some(Money::from_cents(35))
    );
    assert_eq!(total_of(&[line(u32::MAX, i64::MAX / 2)]), None);
}

proptest! {
    #[test]
    fn the_fold_of_the_events_read_back_is_the_state(
        commands in proptest::collection::vec(0u8..6, 0..12),
    ) {
        let mut order = pending();
        let mut folded = pending();

        for command in commands {
            let reread = RereadValue { expected_version: order.version };
            let decided = match command {
                0 => order.approve(reread, Some("Ada".into())),
                1 => order.reject(RejectionReason::TimedOut, None),
                2 => order.ship(),
                3 => order.request_cancel(),
                4 => order.confirm_cancel(reread),
                _ => order.undo_cancel(),
            };
            let Ok(event) = decided else { continue };
            let version_before = order.version;
            order.apply(&event, Timestamp::from_micros(3)).unwrap();
            prop_assert_eq!(order.version, version_before + 1);
            let (name, version) = event.wire_name();
            let read = OrderEvent::decode(name, version, event.encode().unwrap().get()).unwrap();
            folded.apply(&read, Timestamp::from_micros(3)).unwrap();
        }

        prop_assert_eq!(folded, order);
    }
}

#[test]
fn a_history_begins_with_the_creation_which_comes_once() {
    let (id, at) = (OrderId(Uuid::from_u128(2)), Timestamp::from_micros(2));

    assert_eq!(Order::folded(None, id, &approved(), at), None);
    let order = after(&[approved()]);
    let again = OrderEvent::Created(creation());
    assert_eq!(Order::folded(Some(order), id, &again, at), None);
}
