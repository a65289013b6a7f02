//! The order and its states.
//!
//! ```text
//! PENDING ──► APPROVED ──► SHIPPED
//!    │         │    ▲
//!    ▼         ▼    │ (the cancel fell back)
//! REJECTED   CANCEL_PENDING ──► CANCELLED
//! ```
//!
//! `PENDING` and `CANCEL_PENDING` are semantic locks: a saga is at work, and what conflicts with it
//! is refused.

use serde::{Deserialize, Serialize};

use crate::ids::{CustomerId, OrderId};
use crate::money::Money;
use crate::saga::{CANCEL_ORDER, CREATE_ORDER};
use sagas::countermeasures::{RereadValue, SemanticLock};
use sagas::{Reason, Timestamp, wire_messages};

/// An order has 1 to this many lines, or a total alone.
pub const MAX_LINES: usize = 500;
/// A note has at most this many characters.
pub const MAX_NOTE_CHARS: usize = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderState {
    Pending,
    Approved,
    Rejected,
    Shipped,
    CancelPending,
    Cancelled,
}

impl OrderState {
    pub const ALL: [OrderState; 6] = [
        OrderState::Pending,
        OrderState::Approved,
        OrderState::Rejected,
        OrderState::Shipped,
        OrderState::CancelPending,
        OrderState::Cancelled,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            OrderState::Pending => "PENDING",
            OrderState::Approved => "APPROVED",
            OrderState::Rejected => "REJECTED",
            OrderState::Shipped => "SHIPPED",
            OrderState::CancelPending => "CANCEL_PENDING",
            OrderState::Cancelled => "CANCELLED",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<OrderState> {
        OrderState::ALL
            .into_iter()
            .find(|state| state.name() == name)
    }

    /// The saga at work on an order in this state.
    #[must_use]
    pub const fn lock(self) -> Option<SemanticLock> {
        match self {
            OrderState::Pending => Some(SemanticLock {
                held_by: CREATE_ORDER.name,
            }),
            OrderState::CancelPending => Some(SemanticLock {
                held_by: CANCEL_ORDER.name,
            }),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RejectionReason {
    InsufficientCredit,
    UnknownCustomer,
    TimedOut,
    CancelledByOperator,
}

impl RejectionReason {
    pub const ALL: [RejectionReason; 4] = [
        RejectionReason::InsufficientCredit,
        RejectionReason::UnknownCustomer,
        RejectionReason::TimedOut,
        RejectionReason::CancelledByOperator,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            RejectionReason::InsufficientCredit => "INSUFFICIENT_CREDIT",
            RejectionReason::UnknownCustomer => "UNKNOWN_CUSTOMER",
            RejectionReason::TimedOut => "TIMED_OUT",
            RejectionReason::CancelledByOperator => "CANCELLED_BY_OPERATOR",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<RejectionReason> {
        RejectionReason::ALL
            .into_iter()
            .find(|reason| reason.name() == name)
    }

    /// Why an order is rejected whose saga compensates for this reason. One that has changed behind
    /// its saga's back was not approved in time.
    #[must_use]
    pub fn of(reason: Option<&Reason>) -> RejectionReason {
        reason
            .and_then(|reason| RejectionReason::from_name(reason.name()))
            .unwrap_or(RejectionReason::TimedOut)
    }
}

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderLine {
    pub sku: String,
    pub name: String,
    pub quantity: u32,
    pub unit_price: Money,
}

/// Σ quantity × unit price; `None` when it cannot be represented.
#[must_use]
pub fn total_of(lines: &[OrderLine]) -> Option<Money> {
    lines.iter().try_fold(Money::ZERO, |sum, line| {
        sum.checked_add(line.unit_price.checked_mul(line.quantity)?)
    })
}

/// The state of one order, as far as decisions need it: lines and note are in its first event and
/// in its row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub id: OrderId,
    pub customer_id: CustomerId,
    /// Known once the customer has answered.
    pub customer_name: Option<String>,
    pub total: Money,
    pub state: OrderState,
    pub rejection_reason: Option<RejectionReason>,
    /// Counts the order's events from 1.
    pub version: u64,
    pub created_at: Timestamp,
    /// When the newest event happened; an entity's times never go back.
    pub updated_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCreated {
    pub customer_id: CustomerId,
    pub order_total: Money,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<OrderLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderApproved {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRejected {
    pub reason: RejectionReason,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
}

/// An event that says all by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoDetails {}

wire_messages! {
    /// What has happened to an order.
    pub enum OrderEvent {
        Created(OrderCreated) = "order.created" 1,
        Approved(OrderApproved) = "order.approved" 1,
        Rejected(OrderRejected) = "order.rejected" 1,
        Shipped(NoDetails) = "order.shipped" 1,
        CancelRequested(NoDetails) = "order.cancel-requested" 1,
        Cancelled(NoDetails) = "order.cancelled" 1,
        /// The cancel could not be carried through: the order is approved as before.
        CancelUndone(NoDetails) = "order.cancel-undone" 1,
    }
}

/// Why a command on an order is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A saga holds the semantic lock.
    Locked(SemanticLock),
    /// The state does not allow it.
    NotIn(OrderState),
    /// The order is no longer at the version the saga began with.
    Changed,
}

impl Order {
    /// The state after the first event, [`OrderEvent::Created`].
    #[must_use]
    pub fn created(id: OrderId, event: &OrderCreated, at: Timestamp) -> Self {
        Order {
            id,
            customer_id: event.customer_id,
            customer_name: None,
            total: event.order_total,
            state: OrderState::Pending,
            rejection_reason: None,
            version: 1,
            created_at: at,
            updated_at: at,
        }
    }

    /// Approves a pending order, if it is still the one the saga began with.
    ///
    /// # Errors
    /// A state other than `PENDING`, or another version.
    pub fn approve(
        &self,
        reread: RereadValue,
        customer_name: Option<String>,
    ) -> Result<OrderEvent, Refusal> {
        self.require(OrderState::Pending)?;
        reread.check(self.version).map_err(|_| Refusal::Changed)?;
        Ok(OrderEvent::Approved(OrderApproved { customer_name }))
    }

    /// # Errors
    /// A state other than `PENDING`.
    pub fn reject(
        &self,
        reason: RejectionReason,
        customer_name: Option<String>,
    ) -> Result<OrderEvent, Refusal> {
        self.require(OrderState::Pending)?;
        Ok(OrderEvent::Rejected(OrderRejected {
            reason,
            customer_name,
        }))
    }

    /// # Errors
    /// A saga's lock, or a state other than `APPROVED`.
    pub fn ship(&self) -> Result<OrderEvent, Refusal> {
        self.require_unlocked(OrderState::Approved)?;
        Ok(OrderEvent::Shipped(NoDetails {}))
    }

    /// # Errors
    /// A saga's lock, or a state other than `APPROVED`.
    pub fn request_cancel(&self) -> Result<OrderEvent, Refusal> {
        self.require_unlocked(OrderState::Approved)?;
        Ok(OrderEvent::CancelRequested(NoDetails {}))
    }

    /// Confirms a cancel, if the order is still the one the saga began with.
    ///
    /// # Errors
    /// A state other than `CANCEL_PENDING`, or another version.
    pub fn confirm_cancel(&self, reread: RereadValue) -> Result<OrderEvent, Refusal> {
        self.require(OrderState::CancelPending)?;
        reread.check(self.version).map_err(|_| Refusal::Changed)?;
        Ok(OrderEvent::Cancelled(NoDetails {}))
    }

    /// # Errors
    /// A state other than `CANCEL_PENDING`.
    pub fn undo_cancel(&self) -> Result<OrderEvent, Refusal> {
        self.require(OrderState::CancelPending)?;
        Ok(OrderEvent::CancelUndone(NoDetails {}))
    }

    fn require(&self, state: OrderState) -> Result<(), Refusal> {
        if self.state == state {
            Ok(())
        } else {
            Err(Refusal::NotIn(self.state))
        }
    }

    fn require_unlocked(&self, state: OrderState) -> Result<(), Refusal> {
        match self.state.lock() {
            Some(lock) => Err(Refusal::Locked(lock)),
            None => self.require(state),
        }
    }

    /// The state after one more event.
    pub fn apply(&mut self, event: &OrderEvent, at: Timestamp) {
        match event {
            OrderEvent::Created(created) => {
                *self = Order::created(self.id, created, at);
                return;
            }
            OrderEvent::Approved(approved) => {
                self.state = OrderState::Approved;
                self.learn_customer_name(approved.customer_name.as_ref());
            }
            OrderEvent::Rejected(rejected) => {
                self.state = OrderState::Rejected;
                self.rejection_reason = Some(rejected.reason);
                self.learn_customer_name(rejected.customer_name.as_ref());
            }
            OrderEvent::Shipped(_) => self.state = OrderState::Shipped,
            OrderEvent::CancelRequested(_) => self.state = OrderState::CancelPending,
            OrderEvent::Cancelled(_) => self.state = OrderState::Cancelled,
            OrderEvent::CancelUndone(_) => self.state = OrderState::Approved,
        }

        self.version += 1;
        self.updated_at = at;
    }

    /// The state after one more event, whatever there was before; `None` when such an event cannot
    /// be the first one.
    #[must_use]
    pub fn folded(
        before: Option<Order>,
        id: OrderId,
        event: &OrderEvent,
        at: Timestamp,
    ) -> Option<Order> {
        match (before, event) {
            (Some(mut order), event) => {
                order.apply(event, at);
                Some(order)
            }
            (None, OrderEvent::Created(created)) => Some(Order::created(id, created, at)),
            (None, _) => None,
        }
    }

    fn learn_customer_name(&mut self, name: Option<&String>) {
        if let Some(name) = name {
            self.customer_name = Some(name.clone());
        }
    }
}

#[cfg(test)]
mod tests;
