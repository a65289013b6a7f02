use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use uuid::Uuid;

fn order(number: u128) -> OrderId {
    OrderId(Uuid::from_u128(number))
}

fn customer_with_limit(cents: i64) -> Customer {
    let created = CustomerCreated {
        name: "Ada Park".into(),
        credit_limit: Money::from_cents(cents),
    };
    Customer::created(
        CustomerId(Uuid::from_u128(1)),
        &created,
        Timestamp::from_micros(1),
    )
}

#[test]
fn given_15_when_12_34_is_asked_for_then_it_is_reserved() {
    let customer = customer_with_limit(1500);
    let event = customer
        .reserve(order(1), Money::from_cents(1234), None)
        .unwrap()
        .unwrap();
    let CustomerEvent::CreditReserved(change) = &event else {
        panic!("{event:?}")
    };
    assert_eq!(change.available_credit, Money::from_cents(266));
}

#[test]
fn given_15_when_123_40_is_asked_for_then_it_is_refused() {
    let refused = customer_with_limit(1500).reserve(order(1), Money::from_cents(12340), None);
    assert_eq!(refused, Err(CreditLimitExceeded));
}

#[test]
fn given_a_reservation_when_it_is_asked_for_again_then_nothing_changes() {
    let customer = customer_with_limit(10);
    assert_eq!(
        customer.reserve(order(1), Money::from_cents(50), Some(Money::from_cents(10))),
        Ok(None)
    );
}

#[test]
fn given_no_reservation_when_it_is_released_then_it_succeeds_and_changes_nothing() {
    assert_eq!(customer_with_limit(10).release(order(1), None), None);
}

#[test]
fn given_a_wrong_limit_when_it_is_corrected_then_what_is_reserved_stays() {
    let mut customer = customer_with_limit(500_000);
    let reserved = customer.reserve(order(1), Money::from_cents(20_000), None);
    customer
        .apply(&reserved.unwrap().unwrap(), Timestamp::from_micros(2))
        .unwrap();

    let corrected = customer.correct_limit(Money::from_cents(50_000));
    customer
        .apply(&corrected.unwrap().unwrap(), Timestamp::from_micros(3))
        .unwrap();
    assert_eq!(customer.credit_limit, Money::from_cents(50_000));
    assert_eq!(customer.reserved, Money::from_cents(20_000));
    assert_eq!(customer.available_credit(), Money::from_cents(30_000));
    assert_eq!(
        (customer.version, customer.limit_corrected_at),
        (3, Some(3))
    );
    let again = customer.correct_limit(Money::from_cents(50_000));
    assert_eq!(again, Ok(None));
}

#[test]
fn given_reservations_when_a_limit_below_them_is_asked_for_then_it_is_refused() {
    let mut customer = customer_with_limit(1000);
    let reserved = customer.reserve(order(1), Money::from_cents(800), None);
    customer
        .apply(&reserved.unwrap().unwrap(), Timestamp::from_micros(2))
        .unwrap();

    let refused = customer.correct_limit(Money::from_cents(799));
    assert_eq!(refused, Err(LimitBelowReserved));
    assert!(customer.correct_limit(Money::from_cents(800)).is_ok());
}

/// Nodes of the release before read what is written of a customer whose limit is as it was.
#[test]
fn credit_is_written_as_before_until_the_limit_is_corrected() {
    let mut customer = customer_with_limit(1000);
    let reserve = |customer: &Customer| {
        let event = customer.reserve(order(1), Money::from_cents(1), None);
        let event = event.unwrap().unwrap();
        (event.wire_name().1, event.encode().unwrap())
    };

    let (before, body) = reserve(&customer);
    assert_eq!(before, 1);
    assert!(!body.get().contains("creditLimit"), "{body}");

    let corrected = customer.correct_limit(Money::from_cents(900));
    customer
        .apply(&corrected.unwrap().unwrap(), Timestamp::from_micros(2))
        .unwrap();
    let (after, body) = reserve(&customer);
    assert_eq!(after, 2);
    assert!(
        body.get().contains(r#""creditLimit":{"amount":"9.00"}"#),
        "{body}"
    );
}

proptest! {
    #[test]
    fn credit_is_never_negative_and_reserved_is_the_sum_of_the_open_reservations(
        limit in 0i64..10_000,
        steps in proptest::collection::vec((0u128..8, 1i64..4_000, 0u8..7), 0..60),
    ) {
        let mut customer = customer_with_limit(limit);
        let mut folded = customer.clone();
        let mut open: BTreeMap<OrderId, Money> = BTreeMap::new();

        for (number, cents, choice) in steps {
            let id = order(number);
            let existing = open.get(&id).copied();
            let amount = Money::from_cents(cents);
            let event = match choice {
                0..=2 => customer.reserve(id, amount, existing).unwrap_or(None),
                3..=5 => customer.release(id, existing),
                _ => customer.correct_limit(amount).unwrap_or(None),
            };
            let Some(event) = event else { continue };
            match &event {
                CustomerEvent::CreditReserved(change) => { open.insert(id, change.amount); }
                CustomerEvent::CreditReleased(_) => { open.remove(&id); }
                _ => {}
            }
            customer.apply(&event, Timestamp::from_micros(2)).unwrap();
            let (name, version) = event.wire_name();
            let body = event.encode().unwrap();
            let read = CustomerEvent::decode(name, version, body.get()).unwrap();
            folded.apply(&read, Timestamp::from_micros(2)).unwrap();
            let sum: i64 = open.values().map(|amount| amount.cents()).sum();
            prop_assert_eq!(customer.reserved.cents(), sum);
            prop_assert!(sum >= 0 && customer.reserved <= customer.credit_limit);
        }

        prop_assert_eq!(folded, customer);
    }
}

#[test]
fn a_history_begins_with_the_creation_which_comes_once() {
    let customer = customer_with_limit(1500);
    let (id, at) = (customer.id, Timestamp::from_micros(2));
    let reserved = customer.reserve(order(1), Money::from_cents(1), None);
    let reserved = reserved.unwrap().unwrap();
    let again = CustomerEvent::Created(CustomerCreated {
        name: customer.name.clone(),
        credit_limit: customer.credit_limit,
    });

    assert_eq!(Customer::folded(None, id, &reserved, at), None);
    assert_eq!(Customer::folded(Some(customer), id, &again, at), None);
}
