//! The customer: a credit limit and the credit its orders have reserved.
//!
//! `0 ≤ reserved ≤ limit` holds at every version, and `reserved` is the sum of the open
//! reservations. The reservations themselves are rows of the store (a customer may have a million);
//! a decision gets the one it is about.

use serde::{Deserialize, Serialize};

use crate::ids::{CustomerId, OrderId};
use crate::messages::CustomerAnswer;
use crate::money::Money;
use sagas::countermeasures::CommutativeUpdate;
use sagas::{Timestamp, wire_messages};

/// A customer's name has 1 to this many characters.
pub const MAX_NAME_CHARS: usize = 200;

/// The state of one customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// Identifies the customer.
    pub id: CustomerId,
    /// 1 to [`MAX_NAME_CHARS`] characters.
    pub name: String,
    /// The most that its open orders may reserve together.
    pub credit_limit: Money,
    /// The sum of the open reservations.
    pub reserved: Money,
    /// Counts the customer's events from 1.
    pub version: u64,
    /// When the first event happened.
    pub created_at: Timestamp,
    /// When the newest event happened; an entity's times never go back.
    pub updated_at: Timestamp,
}

/// A customer was created, with nothing reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerCreated {
    /// 1 to [`MAX_NAME_CHARS`] characters.
    pub name: String,
    /// The most that its open orders may reserve together.
    pub credit_limit: Money,
}

/// Credit was reserved for an order, or released. It carries the balance after it, so that the
/// state at any version is found without folding all events before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreditChanged {
    /// The order that the credit is for.
    pub order_id: OrderId,
    /// What was reserved or released.
    pub amount: Money,
    /// Limit less reservations, after the change.
    pub available_credit: Money,
    /// What a reply would tell, where the event itself is what others go on with: in a
    /// choreography. Absent where a saga has asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerAnswer>,
}

wire_messages! {
    /// What has happened to a customer.
    pub enum CustomerEvent {
        /// The first event.
        Created(CustomerCreated) = "customer.created" 1,
        /// An order has reserved credit.
        CreditReserved(CreditChanged) = "customer.credit-reserved" 1,
        /// An order's reservation is gone.
        CreditReleased(CreditChanged) = "customer.credit-released" 1,
    }
}

impl CustomerEvent {
    /// The event, where it is what others go on with: it tells what a reply would.
    #[must_use]
    pub fn telling(mut self, told: CustomerAnswer) -> Self {
        match &mut self {
            CustomerEvent::Created(_) => {}
            CustomerEvent::CreditReserved(change) | CustomerEvent::CreditReleased(change) => {
                change.customer = Some(told);
            }
        }
        self
    }
}

/// Why credit is not reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditLimitExceeded;

impl Customer {
    /// The state after the first event, [`CustomerEvent::Created`].
    #[must_use]
    pub fn created(id: CustomerId, event: &CustomerCreated, at: Timestamp) -> Self {
        Customer {
            id,
            name: event.name.clone(),
            credit_limit: event.credit_limit,
            reserved: Money::ZERO,
            version: 1,
            created_at: at,
            updated_at: at,
        }
    }

    /// Limit less reservations.
    #[must_use]
    pub fn available_credit(&self) -> Money {
        self.credit_limit
            .checked_sub(self.reserved)
            .unwrap_or(Money::ZERO)
    }

    /// Reserves credit for an order. `existing` is the order's open reservation: a second request
    /// changes nothing.
    ///
    /// # Errors
    /// [`CreditLimitExceeded`] when the credit available is less than `amount`.
    pub fn reserve(
        &self,
        order_id: OrderId,
        amount: Money,
        existing: Option<Money>,
    ) -> Result<Option<CustomerEvent>, CreditLimitExceeded> {
        if existing.is_some() {
            return Ok(None);
        }

        let reserved = CommutativeUpdate::Add(amount)
            .apply(self.reserved)
            .ok_or(CreditLimitExceeded)?;

        let available_credit = self
            .credit_limit
            .checked_sub(reserved)
            .filter(|available| !available.is_negative())
            .ok_or(CreditLimitExceeded)?;

        Ok(Some(CustomerEvent::CreditReserved(CreditChanged {
            order_id,
            amount,
            available_credit,
            customer: None,
        })))
    }

    /// Releases what an order has reserved. Releasing what was never reserved succeeds and changes
    /// nothing: that makes compensating a step with an unknown outcome safe.
    #[must_use]
    pub fn release(&self, order_id: OrderId, existing: Option<Money>) -> Option<CustomerEvent> {
        let amount = existing?;
        let reserved = CommutativeUpdate::Subtract(amount).apply(self.reserved)?;
        let available_credit = self.credit_limit.checked_sub(reserved)?;
        Some(CustomerEvent::CreditReleased(CreditChanged {
            order_id,
            amount,
            available_credit,
            customer: None,
        }))
    }

    /// The state after one more event.
    pub fn apply(&mut self, event: &CustomerEvent, at: Timestamp) {
        match event {
            CustomerEvent::Created(created) => *self = Customer::created(self.id, created, at),
            CustomerEvent::CreditReserved(change) | CustomerEvent::CreditReleased(change) => {
                self.reserved = self
                    .credit_limit
                    .checked_sub(change.available_credit)
                    .unwrap_or(Money::ZERO);
                self.version += 1;
                self.updated_at = at;
            }
        }
    }

    /// The state after one more event, whatever there was before; `None` when such an event cannot
    /// be the first one.
    #[must_use]
    pub fn folded(
        before: Option<Customer>,
        id: CustomerId,
        event: &CustomerEvent,
        at: Timestamp,
    ) -> Option<Customer> {
        match (before, event) {
            (Some(mut customer), event) => {
                customer.apply(event, at);
                Some(customer)
            }
            (None, CustomerEvent::Created(created)) => Some(Customer::created(id, created, at)),
            (None, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
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

    proptest! {
        #[test]
        fn credit_is_never_negative_and_reserved_is_the_sum_of_the_open_reservations(
            limit in 0i64..10_000,
            steps in proptest::collection::vec((0u128..8, 1i64..4_000, any::<bool>()), 0..60),
        ) {
            let mut customer = customer_with_limit(limit);
            let mut folded = customer.clone();
            let mut open: BTreeMap<OrderId, Money> = BTreeMap::new();

            for (number, cents, reserve) in steps {
                let id = order(number);
                let existing = open.get(&id).copied();
                let event = if reserve {
                    customer.reserve(id, Money::from_cents(cents), existing).unwrap_or(None)
                } else {
                    customer.release(id, existing)
                };
                let Some(event) = event else { continue };
                match &event {
                    CustomerEvent::CreditReserved(change) => { open.insert(id, change.amount); }
                    _ => { open.remove(&id); }
                }
                customer.apply(&event, Timestamp::from_micros(2));
                let (name, version) = event.wire_name();
                let body = event.encode().unwrap();
                let read = CustomerEvent::decode(name, version, body.get()).unwrap();
                folded.apply(&read, Timestamp::from_micros(2));
                let sum: i64 = open.values().map(|amount| amount.cents()).sum();
                prop_assert_eq!(customer.reserved.cents(), sum);
                prop_assert!(sum >= 0 && customer.reserved <= customer.credit_limit);
            }

            prop_assert_eq!(folded, customer);
        }
    }
}
