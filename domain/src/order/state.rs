//! The states of an order, and why it is rejected.

use sagas::Reason;
use sagas::countermeasures::SemanticLock;
use serde::{Deserialize, Serialize};

use crate::saga::{CANCEL_ORDER, CREATE_ORDER};

/// How far an order has come; the diagram in [`order`](crate::order) shows the ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderState {
    /// Created; its saga reserves credit.
    Pending,
    /// Its credit is reserved.
    Approved,
    /// Its saga compensated; final.
    Rejected,
    /// Final; its credit stays reserved.
    Shipped,
    /// A saga releases its credit.
    CancelPending,
    /// Its credit is released; final.
    Cancelled,
}

impl OrderState {
    /// All states.
    pub const ALL: [OrderState; 6] = [
        OrderState::Pending,
        OrderState::Approved,
        OrderState::Rejected,
        OrderState::Shipped,
        OrderState::CancelPending,
        OrderState::Cancelled,
    ];

    /// As it stands in tables and answers.
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

    /// The state of this name.
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

/// Why an order is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RejectionReason {
    /// The customer has not enough credit available.
    InsufficientCredit,
    /// There is no such customer.
    UnknownCustomer,
    /// Nobody confirmed in time.
    TimedOut,
    /// An operator stopped its saga.
    CancelledByOperator,
}

impl RejectionReason {
    /// All reasons.
    pub const ALL: [RejectionReason; 4] = [
        RejectionReason::InsufficientCredit,
        RejectionReason::UnknownCustomer,
        RejectionReason::TimedOut,
        RejectionReason::CancelledByOperator,
    ];

    /// As it stands in tables and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            RejectionReason::InsufficientCredit => "INSUFFICIENT_CREDIT",
            RejectionReason::UnknownCustomer => "UNKNOWN_CUSTOMER",
            RejectionReason::TimedOut => "TIMED_OUT",
            RejectionReason::CancelledByOperator => "CANCELLED_BY_OPERATOR",
        }
    }

    /// The reason of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<RejectionReason> {
        RejectionReason::ALL
            .into_iter()
            .find(|reason| reason.name() == name)
    }

    /// The rejection reason of an order whose saga compensates for this reason. An order that has
    /// changed behind its saga's back was not approved in time.
    #[must_use]
    pub fn of(reason: Option<&Reason>) -> RejectionReason {
        reason
            .and_then(|reason| RejectionReason::from_name(reason.name()))
            .unwrap_or(RejectionReason::TimedOut)
    }
}
