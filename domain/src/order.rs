//! The order and its states.
//!
//! ```text
//! PENDING ──► APPROVED ──► SHIPPED
//!    │         │    ▲
//!    ▼         ▼    │ (the cancel fell back)
//! REJECTED   CANCEL_PENDING ──► CANCELLED
//! ```
//!
//! `PENDING` and `CANCEL_PENDING` are semantic locks: a saga is at work, and the order refuses what
//! conflicts with it.

pub mod quantity;
mod state;

use serde::{Deserialize, Serialize};

use crate::choreography::{Choreography, Coordination, CreditOf};
use crate::ids::{CustomerId, OrderId};
use crate::messages::CreatedTwice;
use crate::money::Money;
use sagas::countermeasures::{RereadValue, SemanticLock};
use sagas::{Timestamp, wire_messages};

pub use state::{OrderState, RejectionReason};

/// An order has 1 to this many lines, or a total alone.
pub const MAX_LINES: usize = 500;
/// A note has at most this many characters.
pub const MAX_NOTE_CHARS: usize = 2_000;

/// The number of the form that snapshots of orders have. Raise it when [`Order`] changes in another
/// way than by an optional field, or when [`Order::apply`] comes to another state: snapshots of
/// another form are not used.
pub const SNAPSHOT_FORM: u16 = 1;

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderLine {
    /// The article's number.
    pub sku: String,
    /// What the article is called.
    pub name: String,
    /// Pieces.
    pub quantity: u32,
    /// The price of one piece.
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
    /// Identifies the order.
    pub id: OrderId,
    /// Whose credit it needs.
    pub customer_id: CustomerId,
    /// Known once the customer has answered.
    pub customer_name: Option<String>,
    /// What it reserves.
    pub total: Money,
    /// How far it has come.
    pub state: OrderState,
    /// Absent unless it is rejected.
    pub rejection_reason: Option<RejectionReason>,
    /// Counts the order's events from 1.
    pub version: u64,
    /// When the first event happened.
    pub created_at: Timestamp,
    /// When the newest event happened; an entity's times never go back.
    pub updated_at: Timestamp,
    /// What of this was done without a saga.
    #[serde(default, skip_serializing_if = "Choreography::is_none")]
    pub choreography: Choreography,
}

/// An order was created; it is pending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCreated {
    /// Whose credit it needs.
    pub customer_id: CustomerId,
    /// What it reserves.
    pub order_total: Money,
    /// Empty for an order that has a total alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<OrderLine>,
    /// At most [`MAX_NOTE_CHARS`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whether its customer reacts to this event, or a saga asks the customer.
    #[serde(default, skip_serializing_if = "Coordination::is_orchestration")]
    pub coordination: Coordination,
}

/// The credit is reserved, and the order stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderApproved {
    /// As the customer's reply has told it, or its event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
    /// As the customer's event has told it; absent where a saga knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_version: Option<u64>,
}

/// It will not be carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRejected {
    /// Why.
    pub reason: RejectionReason,
    /// As the customer's reply has told it, or its notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
    /// As the customer's notice has told it; absent where a saga knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_version: Option<u64>,
    /// What its customer is to release on this event, or to release again should it reserve it
    /// later; absent where nothing can be reserved any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<CreditOf>,
}

/// Its cancel has begun.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelRequested {
    /// What its customer is to release on this event; absent where a saga asks the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<CreditOf>,
}

/// Its cancel is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCancelled {
    /// As the customer's event has told it; absent where a saga knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_version: Option<u64>,
}

/// An event without data: its name says everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoDetails {}

wire_messages! {
    /// What has happened to an order.
    pub enum OrderEvent {
        /// The first event.
        Created(OrderCreated) = "order.created" 1,
        /// Its credit is reserved.
        Approved(OrderApproved) = "order.approved" 1,
        /// It will not be carried out.
        Rejected(OrderRejected) = "order.rejected" 1,
        /// It left the house and can no longer be cancelled.
        Shipped(NoDetails) = "order.shipped" 1,
        /// Its cancel has begun.
        CancelRequested(CancelRequested) = "order.cancel-requested" 1,
        /// Its credit is released.
        Cancelled(OrderCancelled) = "order.cancelled" 1,
        /// The cancel fell back: the order is approved as before.
        CancelUndone(NoDetails) = "order.cancel-undone" 1,
    }
}

impl OrderEvent {
    /// What an order has from its first event alone; `None` of any other event.
    #[must_use]
    pub fn into_creation(self) -> Option<OrderCreated> {
        match self {
            OrderEvent::Created(created) => Some(created),
            _ => None,
        }
    }
}

/// Why an order refuses a command.
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
            choreography: Choreography {
                created: !event.coordination.is_orchestration(),
                ..Choreography::default()
            },
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
        Ok(OrderEvent::Approved(OrderApproved {
            customer_name,
            customer_version: None,
        }))
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
            customer_version: None,
            release: None,
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
        Ok(OrderEvent::CancelRequested(CancelRequested::default()))
    }

    /// Confirms a cancel, if the order is still the one the saga began with.
    ///
    /// # Errors
    /// A state other than `CANCEL_PENDING`, or another version.
    pub fn confirm_cancel(&self, reread: RereadValue) -> Result<OrderEvent, Refusal> {
        self.require(OrderState::CancelPending)?;
        reread.check(self.version).map_err(|_| Refusal::Changed)?;
        Ok(OrderEvent::Cancelled(OrderCancelled::default()))
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
    ///
    /// # Errors
    /// A second creation; the state is as it was.
    pub fn apply(&mut self, event: &OrderEvent, at: Timestamp) -> Result<(), CreatedTwice> {
        match event {
            OrderEvent::Created(_) => return Err(CreatedTwice),
            OrderEvent::Approved(approved) => {
                self.state = OrderState::Approved;
                self.learn_customer_name(approved.customer_name.as_ref());
                self.choreography.learn(approved.customer_version);
            }
            OrderEvent::Rejected(rejected) => {
                self.state = OrderState::Rejected;
                self.rejection_reason = Some(rejected.reason);
                self.learn_customer_name(rejected.customer_name.as_ref());
                self.choreography.learn(rejected.customer_version);
            }
            OrderEvent::Shipped(_) => self.state = OrderState::Shipped,
            OrderEvent::CancelRequested(requested) => {
                self.state = OrderState::CancelPending;
                self.choreography.cancel = requested.release.is_some();
            }
            OrderEvent::Cancelled(cancelled) => {
                self.state = OrderState::Cancelled;
                self.choreography.learn(cancelled.customer_version);
            }
            OrderEvent::CancelUndone(_) => self.state = OrderState::Approved,
        }

        self.version += 1;
        self.updated_at = at;
        Ok(())
    }

    /// The state after one more event, whatever there was before; `None` when such an event cannot
    /// come here: the first one is the creation, and no other is.
    #[must_use]
    pub fn folded(
        before: Option<Order>,
        id: OrderId,
        event: &OrderEvent,
        at: Timestamp,
    ) -> Option<Order> {
        match (before, event) {
            (Some(mut order), event) => {
                order.apply(event, at).ok()?;
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
