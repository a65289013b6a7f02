//! The customer: a credit limit and the credit its orders have reserved.
//!
//! `0 ≤ reserved ≤ limit` holds at every version, and `reserved` is the sum of the open
//! reservations. The reservations themselves are rows of the store (a customer may have a million);
//! a decision gets the one it is about.

use serde::{Deserialize, Deserializer, Serialize};

use crate::ids::{CustomerId, OrderId};
use crate::messages::{CreatedTwice, CustomerAnswer};
use crate::money::Money;
use crate::upcasting::CreditChangedV1;
use sagas::countermeasures::CommutativeUpdate;
use sagas::{Timestamp, wire_messages};

/// A customer's name has 1 to this many characters.
pub const MAX_NAME_CHARS: usize = 200;

/// The number of the form that snapshots of customers have. Raise it when [`Customer`] changes in
/// another way than by an optional field, or when [`Customer::apply`] comes to another state:
/// snapshots of another form are not used.
pub const SNAPSHOT_FORM: u16 = 1;

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
    /// The version at which its limit was corrected last; absent while that is the one of its
    /// creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_corrected_at: Option<u64>,
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
    /// The limit in force, where it has been corrected; absent while it is the one of the
    /// customer's creation.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "stated")]
    pub credit_limit: Option<Money>,
    /// Limit less reservations, after the change.
    pub available_credit: Money,
    /// What a reply would tell, where the event itself is what others go on with: in a
    /// choreography. Absent where a saga has asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerAnswer>,
}

/// Version 2 always says the limit: it is written where version 1 would be taken for another.
fn stated<'de, D: Deserializer<'de>>(limit: D) -> Result<Option<Money>, D::Error> {
    Money::deserialize(limit).map(Some)
}

impl CreditChanged {
    /// Whether version 1 says the same, which nodes of the release before can read.
    fn fits_version_1(&self) -> bool {
        self.credit_limit.is_none()
    }
}

/// The credit limit was a mistake, and an operator has put it right. Nothing is reserved or
/// released by it, and what has happened under the wrong limit stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreditLimitCorrected {
    /// The limit from now on.
    pub credit_limit: Money,
    /// That less reservations.
    pub available_credit: Money,
}

wire_messages! {
    /// What has happened to a customer.
    pub enum CustomerEvent {
        /// The first event.
        Created(CustomerCreated) = "customer.created" 1,
        /// An order has reserved credit.
        CreditReserved(CreditChanged) = "customer.credit-reserved" 2
            reads { 1: CreditChangedV1 } writes 1 while CreditChanged::fits_version_1,
        /// An order's reservation is gone.
        CreditReleased(CreditChanged) = "customer.credit-released" 2
            reads { 1: CreditChangedV1 } writes 1 while CreditChanged::fits_version_1,
        /// Its credit limit was wrong.
        LimitCorrected(CreditLimitCorrected) = "customer.credit-limit-corrected" 1,
    }
}

impl CustomerEvent {
    /// The event, where it is what others go on with: it tells what a reply would.
    #[must_use]
    pub fn telling(mut self, told: CustomerAnswer) -> Self {
        match &mut self {
            CustomerEvent::Created(_) | CustomerEvent::LimitCorrected(_) => {}
            CustomerEvent::CreditReserved(change) | CustomerEvent::CreditReleased(change) => {
                change.customer = Some(told);
            }
        }
        self
    }
}

/// Why a credit limit is not corrected: open orders hold more than it allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitBelowReserved;

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
            limit_corrected_at: None,
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
            credit_limit: self.stated_limit(),
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
            credit_limit: self.stated_limit(),
            available_credit,
            customer: None,
        }))
    }

    /// Corrects the credit limit. One that it has already changes nothing.
    ///
    /// # Errors
    /// [`LimitBelowReserved`] when its open orders hold more: they must be cancelled first.
    pub fn correct_limit(&self, limit: Money) -> Result<Option<CustomerEvent>, LimitBelowReserved> {
        if limit == self.credit_limit {
            return Ok(None);
        }

        let available_credit = limit
            .checked_sub(self.reserved)
            .filter(|available| !available.is_negative())
            .ok_or(LimitBelowReserved)?;
        Ok(Some(CustomerEvent::LimitCorrected(CreditLimitCorrected {
            credit_limit: limit,
            available_credit,
        })))
    }

    /// The limit in force, where changes of credit say it: where it is not the one of the creation.
    fn stated_limit(&self) -> Option<Money> {
        let says_it = self.limit_corrected_at.is_some() || cfg!(feature = "next-release");
        says_it.then_some(self.credit_limit)
    }

    /// The state after one more event.
    ///
    /// # Errors
    /// A second creation; the state is as it was.
    pub fn apply(&mut self, event: &CustomerEvent, at: Timestamp) -> Result<(), CreatedTwice> {
        match event {
            CustomerEvent::Created(_) => return Err(CreatedTwice),
            CustomerEvent::CreditReserved(change) | CustomerEvent::CreditReleased(change) => {
                let limit = change.credit_limit.unwrap_or(self.credit_limit);
                self.balance(limit, change.available_credit, at);
            }
            CustomerEvent::LimitCorrected(corrected) => {
                self.balance(corrected.credit_limit, corrected.available_credit, at);
                self.limit_corrected_at = Some(self.version);
            }
        }
        Ok(())
    }

    /// One more event has left this balance.
    fn balance(&mut self, limit: Money, available: Money, at: Timestamp) {
        self.credit_limit = limit;
        self.reserved = limit.checked_sub(available).unwrap_or(Money::ZERO);
        self.version += 1;
        self.updated_at = at;
    }

    /// The state after one more event, whatever there was before; `None` when such an event cannot
    /// come here: the first one is the creation, and no other is.
    #[must_use]
    pub fn folded(
        before: Option<Customer>,
        id: CustomerId,
        event: &CustomerEvent,
        at: Timestamp,
    ) -> Option<Customer> {
        match (before, event) {
            (Some(mut customer), event) => {
                customer.apply(event, at).ok()?;
                Some(customer)
            }
            (None, CustomerEvent::Created(created)) => Some(Customer::created(id, created, at)),
            (None, _) => None,
        }
    }
}

#[cfg(test)]
mod tests;
