//! Saga definitions: the steps of *create order* and *cancel order* as values to read.
//!
//! A saga (Garcia-Molina and Salem, *Sagas*, 1987) is a sequence of local transactions, each with a
//! compensation that undoes it. [`instance`] runs one; nothing there knows a particular saga.

pub mod instance;
pub mod state;

use serde::{Deserialize, Serialize};

pub use instance::{Effect, Saga, SagaPolicy};
pub use state::{SagaState, StepRecord, StepState};

use crate::messages::CustomerReply;
use crate::order::RejectionReason;
use sagas::Service;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SagaKind {
    CreateOrder,
    CancelOrder,
}

impl SagaKind {
    pub const ALL: [SagaKind; 2] = [SagaKind::CreateOrder, SagaKind::CancelOrder];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SagaKind::CreateOrder => "create-order",
            SagaKind::CancelOrder => "cancel-order",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<SagaKind> {
        SagaKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    #[must_use]
    pub const fn definition(self) -> &'static SagaDefinition {
        match self {
            SagaKind::CreateOrder => &CREATE_ORDER,
            SagaKind::CancelOrder => &CANCEL_ORDER,
        }
    }
}

/// What the order does in a local step, in the same unit as the saga's own progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalStep {
    CreateOrder,
    ApproveOrder,
    RejectOrder,
    BeginCancel,
    ConfirmCancel,
    UndoCancel,
}

/// What a participant is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteCommand {
    ReserveCredit,
    ReleaseCredit,
    RestoreCredit,
}

/// A reply, by its outcome alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    CreditReserved,
    CreditLimitExceeded,
    CreditReleased,
    CustomerNotFound,
}

impl From<&CustomerReply> for ReplyKind {
    fn from(reply: &CustomerReply) -> Self {
        match reply {
            CustomerReply::CreditReserved(_) => ReplyKind::CreditReserved,
            CustomerReply::CreditLimitExceeded(_) => ReplyKind::CreditLimitExceeded,
            CustomerReply::CreditReleased(_) => ReplyKind::CreditReleased,
            CustomerReply::CustomerNotFound(_) => ReplyKind::CustomerNotFound,
        }
    }
}

/// What a reply means to the step that awaits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The step, or the compensation, has been carried out.
    Done,
    /// The participant refuses: the saga compensates.
    Refused(RejectionReason),
    /// What was done cannot be undone any more: the saga goes on to its end instead.
    Irreversible,
}

/// How a step, or its compensation, is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Local(LocalStep),
    Remote {
        participant: Service,
        command: RemoteCommand,
        replies: &'static [(ReplyKind, Outcome)],
    },
}

/// One step of a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub name: &'static str,
    pub action: Action,
    pub compensation: Option<Action>,
}

/// A saga as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SagaDefinition {
    pub kind: SagaKind,
    pub steps: &'static [Step],
}

/// An order is created, its customer's credit reserved, and the order approved; or it is rejected.
pub static CREATE_ORDER: SagaDefinition = SagaDefinition {
    kind: SagaKind::CreateOrder,
    steps: &[
        Step {
            name: "create-order",
            action: Action::Local(LocalStep::CreateOrder),
            compensation: Some(Action::Local(LocalStep::RejectOrder)),
        },
        Step {
            name: "reserve-credit",
            action: Action::Remote {
                participant: crate::CUSTOMERS,
                command: RemoteCommand::ReserveCredit,
                replies: &[
                    (ReplyKind::CreditReserved, Outcome::Done),
                    (
                        ReplyKind::CreditLimitExceeded,
                        Outcome::Refused(RejectionReason::InsufficientCredit),
                    ),
                    (
                        ReplyKind::CustomerNotFound,
                        Outcome::Refused(RejectionReason::UnknownCustomer),
                    ),
                ],
            },
            compensation: Some(Action::Remote {
                participant: crate::CUSTOMERS,
                command: RemoteCommand::ReleaseCredit,
                replies: &[
                    (ReplyKind::CreditReleased, Outcome::Done),
                    (ReplyKind::CustomerNotFound, Outcome::Done),
                ],
            }),
        },
        Step {
            name: "approve-order",
            action: Action::Local(LocalStep::ApproveOrder),
            compensation: None,
        },
    ],
};

/// An approved order is cancelled: its credit is released. When the saga is stopped on the way it
/// takes the credit back and the order is approved as before; when another order has the credit by
/// then, the cancel stands.
pub static CANCEL_ORDER: SagaDefinition = SagaDefinition {
    kind: SagaKind::CancelOrder,
    steps: &[
        Step {
            name: "begin-cancel",
            action: Action::Local(LocalStep::BeginCancel),
            compensation: Some(Action::Local(LocalStep::UndoCancel)),
        },
        Step {
            name: "release-credit",
            action: Action::Remote {
                participant: crate::CUSTOMERS,
                command: RemoteCommand::ReleaseCredit,
                replies: &[
                    (ReplyKind::CreditReleased, Outcome::Done),
                    (ReplyKind::CustomerNotFound, Outcome::Done),
                ],
            },
            compensation: Some(Action::Remote {
                participant: crate::CUSTOMERS,
                command: RemoteCommand::RestoreCredit,
                replies: &[
                    (ReplyKind::CreditReserved, Outcome::Done),
                    (ReplyKind::CreditLimitExceeded, Outcome::Irreversible),
                    (ReplyKind::CustomerNotFound, Outcome::Irreversible),
                ],
            }),
        },
        Step {
            name: "confirm-cancel",
            action: Action::Local(LocalStep::ConfirmCancel),
            compensation: None,
        },
    ],
};
