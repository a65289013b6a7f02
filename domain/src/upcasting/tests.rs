//! Events as they lie in histories, word for word: each must be readable for ever, and must mean
//! what it has always meant. Lines may be added to the files, and none may change.

use std::collections::BTreeSet;

use sagas::{Timestamp, WireMessage};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::choreography::Choreography;
use crate::{
    Customer, CustomerEvent, CustomerId, Money, Order, OrderEvent, OrderId, OrderState,
    RejectionReason,
};

const CUSTOMERS: &str = include_str!("stored/customers.jsonl");
/// Three orders, with a blank line between two of them.
const ORDERS: &str = include_str!("stored/orders.jsonl");

/// An event as it stands in the outbox.
#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(rename = "type")]
    name: &'a str,
    #[serde(rename = "v")]
    version: u16,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl<'a> Stored<'a> {
    fn all_of(lines: &'a str) -> impl Iterator<Item = Self> {
        let lines = lines.lines().filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_str(line).unwrap())
    }

    fn read<E: WireMessage>(&self) -> E {
        E::decode(self.name, self.version, self.data.get()).unwrap()
    }
}

/// When the events happen, one after the other.
fn times() -> impl Iterator<Item = Timestamp> {
    (1..).map(Timestamp::from_micros)
}

/// The states of a customer after each of its events.
fn customers() -> Vec<Customer> {
    let id = CustomerId(Uuid::from_u128(1));
    let events = Stored::all_of(CUSTOMERS).map(|stored| stored.read::<CustomerEvent>());
    let states = events.zip(times()).scan(None, |state, (event, at)| {
        *state = Customer::folded(state.take(), id, &event, at);
        state.clone()
    });
    states.collect()
}

/// The state of each order after its events.
fn orders() -> Vec<Order> {
    let id = OrderId(Uuid::from_u128(2));
    let fold = |lines: &str| {
        let events = Stored::all_of(lines).map(|stored| stored.read::<OrderEvent>());
        let last = events.zip(times()).fold(None, |state, (event, at)| {
            Order::folded(state, id, &event, at)
        });
        last.unwrap()
    };
    ORDERS.split("\n\n").map(fold).collect()
}

#[test]
fn there_is_a_stored_event_of_every_name_and_version() {
    let stored: BTreeSet<_> = Stored::all_of(CUSTOMERS)
        .chain(Stored::all_of(ORDERS))
        .map(|stored| (stored.name.to_owned(), stored.version))
        .collect();

    let names = [CustomerEvent::WIRE_NAMES, OrderEvent::WIRE_NAMES].concat();
    let known = names
        .into_iter()
        .flat_map(|(name, newest)| (1..=newest).map(move |version| (name.to_owned(), version)))
        .collect();
    assert_eq!(stored, known);
}

#[test]
fn what_has_happened_to_a_customer_means_what_it_meant() {
    let balances: Vec<_> = customers()
        .iter()
        .map(|customer| {
            let limit = customer.credit_limit.cents();
            (customer.version, limit, customer.reserved.cents())
        })
        .collect();
    assert_eq!(
        balances,
        [
            (1, 50_000, 0),
            (2, 50_000, 3_000),
            (3, 50_000, 4_234),
            (4, 50_000, 1_234),
            (5, 5_000, 1_234),
            (6, 5_000, 2_000),
            (7, 5_000, 766),
        ]
    );

    let last = Customer {
        id: CustomerId(Uuid::from_u128(1)),
        name: "Ada Park".to_owned(),
        credit_limit: Money::from_cents(5_000),
        reserved: Money::from_cents(766),
        version: 7,
        created_at: Timestamp::from_micros(1),
        updated_at: Timestamp::from_micros(7),
        limit_corrected_at: Some(5),
    };
    assert_eq!(customers().pop(), Some(last));
}

#[test]
fn a_change_of_credit_of_version_1_says_what_version_2_says_without_a_limit() {
    let read: Vec<_> = Stored::all_of(CUSTOMERS)
        .filter(|stored| stored.name.starts_with("customer.credit-re"))
        .map(|stored| match stored.read::<CustomerEvent>() {
            CustomerEvent::CreditReserved(change) | CustomerEvent::CreditReleased(change) => change,
            other => panic!("{other:?}"),
        })
        .collect();

    let limits: Vec<_> = read.iter().map(|change| change.credit_limit).collect();
    let corrected = Some(Money::from_cents(5_000));
    assert_eq!(limits, [None, None, None, corrected, corrected]);
    let told: Vec<_> = read
        .iter()
        .map(|change| Some(change.customer.as_ref()?.customer_version))
        .collect();
    assert_eq!(told, [None, Some(3), None, None, Some(7)]);
}

/// What is new in a version is not guessed where it is missing.
#[test]
fn a_change_of_credit_of_version_2_without_a_limit_is_malformed() {
    let first = Stored::all_of(CUSTOMERS).nth(1).unwrap();
    let read = CustomerEvent::decode(first.name, 2, first.data.get());
    assert!(read.is_err(), "{read:?}");
}

#[test]
fn what_has_happened_to_orders_means_what_it_meant() {
    let shipped = Order {
        id: OrderId(Uuid::from_u128(2)),
        customer_id: CustomerId("01a220f0-b9ca-7d2a-a4b4-3d2f8b4a2c11".parse().unwrap()),
        customer_name: Some("Ada Park".to_owned()),
        total: Money::from_cents(250),
        state: OrderState::Shipped,
        rejection_reason: None,
        version: 5,
        created_at: Timestamp::from_micros(1),
        updated_at: Timestamp::from_micros(5),
        choreography: Choreography::default(),
    };
    let cancelled = Order {
        total: Money::from_cents(999),
        state: OrderState::Cancelled,
        version: 4,
        updated_at: Timestamp::from_micros(4),
        choreography: Choreography {
            created: true,
            cancel: true,
            customer_version: Some(5),
        },
        ..shipped.clone()
    };
    let rejected = Order {
        total: Money::from_cents(999),
        state: OrderState::Rejected,
        rejection_reason: Some(RejectionReason::InsufficientCredit),
        version: 2,
        updated_at: Timestamp::from_micros(2),
        ..shipped.clone()
    };
    assert_eq!(orders(), [shipped, cancelled, rejected]);
}
