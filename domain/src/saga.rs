//! The shop's sagas: *create order* and *cancel order*, as values to read.
//!
//! How any saga runs is in [`sagas`]; nothing there knows of orders or customers. The
//! [order](crate::order) decides what the local steps do, the [customer](crate::customer) what the
//! commands do.

use serde::{Deserialize, Serialize};

use crate::ids::{CustomerId, OrderId};
use crate::messages::{CreditRequest, CustomerCommand, CustomerReply};
use crate::money::{self, Money};
use crate::order::{Order, RejectionReason};
use sagas::{
    Action, Address, Beginning, Definition, Definitions, Meaning, Run, SagaData, SagaId, Step,
    Timestamp,
};

pub use sagas::{SagaPolicy, SagaState, StepRecord, StepState};

/// One run of one of the shop's sagas.
pub type Saga = Run<OrderSaga>;
/// What such a run wants done.
pub type Effect = sagas::Effect<OrderSaga>;
/// What such a run receives as an answer.
pub type Incoming = sagas::Incoming<OrderSaga>;

/// What a saga that works on an order knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderSaga {
    /// The order that the saga works on.
    pub order_id: OrderId,
    /// Whose credit it reserves or releases.
    pub customer_id: CustomerId,
    /// The order's total, stored in cents.
    #[serde(rename = "amountCents", with = "money::as_cents")]
    pub amount: Money,
    /// The order's version when the saga began: the value that the saga rereads in the end.
    pub order_version: u64,
    /// What the customer's replies have told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
    /// The customer's version, as its newest reply has told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_version: Option<u64>,
}

/// What the order does in a local step, in the same unit as the saga's own progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalStep {
    /// Creates the order; a caller's command does this.
    CreateOrder,
    /// Approves it.
    ApproveOrder,
    /// Rejects it.
    RejectOrder,
    /// Begins its cancel; a caller's command does this.
    BeginCancel,
    /// Cancels it.
    ConfirmCancel,
    /// Makes it approved again.
    UndoCancel,
}

impl OrderSaga {
    /// What a saga that begins with this order knows.
    #[must_use]
    pub fn of(order: &Order) -> Self {
        OrderSaga {
            order_id: order.id,
            customer_id: order.customer_id,
            amount: order.total,
            order_version: order.version,
            customer_name: order.customer_name.clone(),
            customer_version: None,
        }
    }
}

impl SagaData for OrderSaga {
    type Local = LocalStep;
    type Command = CustomerCommand;
    type Reply = CustomerReply;
}

const RESERVE_CREDIT: Action<OrderSaga> = Action::Ask {
    to: customer,
    command: |saga| CustomerCommand::ReserveCredit(credit(saga)),
    replies: &[
        ("customer.credit-reserved-reply", Meaning::Done),
        (
            "customer.credit-limit-exceeded-reply",
            Meaning::Refused(RejectionReason::InsufficientCredit.name()),
        ),
        (
            "customer.not-found-reply",
            Meaning::Refused(RejectionReason::UnknownCustomer.name()),
        ),
    ],
};

const RELEASE_CREDIT: Action<OrderSaga> = Action::Ask {
    to: customer,
    command: |saga| CustomerCommand::ReleaseCredit(credit(saga)),
    replies: &[
        ("customer.credit-released-reply", Meaning::Done),
        ("customer.not-found-reply", Meaning::Done),
    ],
};

const RESTORE_CREDIT: Action<OrderSaga> = Action::Ask {
    to: customer,
    command: |saga| CustomerCommand::RestoreCredit(credit(saga)),
    replies: &[
        ("customer.credit-reserved-reply", Meaning::Done),
        (
            "customer.credit-limit-exceeded-reply",
            Meaning::Irreversible,
        ),
        ("customer.not-found-reply", Meaning::Irreversible),
    ],
};

/// An order is created, its customer's credit reserved, and the order approved; or it is rejected.
pub static CREATE_ORDER: Definition<OrderSaga> = Definition::new(
    "create-order",
    &[
        Step::new("create-order", Action::Local(LocalStep::CreateOrder))
            .compensated_by(Action::Local(LocalStep::RejectOrder)),
        Step::new("reserve-credit", RESERVE_CREDIT).compensated_by(RELEASE_CREDIT),
        Step::new("approve-order", Action::Local(LocalStep::ApproveOrder)),
    ],
)
.learning(learn);

/// An approved order is cancelled: its credit is released. When the saga is stopped on the way it
/// takes the credit back and the order is approved as before; when another order has the credit by
/// then, the cancel stands. When it is given up, the cancel stands as well: nobody can tell whether
/// the customer still has the credit, and an approved order needs it.
pub static CANCEL_ORDER: Definition<OrderSaga> = Definition::new(
    "cancel-order",
    &[
        Step::new("begin-cancel", Action::Local(LocalStep::BeginCancel))
            .compensated_by(Action::Local(LocalStep::UndoCancel)),
        Step::new("release-credit", RELEASE_CREDIT).compensated_by(RESTORE_CREDIT),
        Step::new("confirm-cancel", Action::Local(LocalStep::ConfirmCancel)),
    ],
)
.settled_by(&[
    Action::Notify {
        to: customer,
        command: |saga| CustomerCommand::ReleaseCredit(credit(saga)),
    },
    Action::Local(LocalStep::ConfirmCancel),
])
.learning(learn);

/// All sagas of the shop.
pub static DEFINITIONS: Definitions<OrderSaga> = Definitions::of(&[&CREATE_ORDER, &CANCEL_ORDER]);

/// Their types.
pub static TYPES: [&str; 2] = [CREATE_ORDER.name, CANCEL_ORDER.name];

fn customer(saga: &OrderSaga) -> Address {
    Address::new(crate::CUSTOMERS, saga.customer_id.0)
}

fn credit(saga: &OrderSaga) -> CreditRequest {
    CreditRequest {
        order_id: saga.order_id,
        amount: saga.amount,
        saga_id: None,
        announced: false,
    }
}

fn learn(saga: &mut OrderSaga, reply: &CustomerReply) {
    if let Some(answer) = reply.answer() {
        saga.customer_name = Some(answer.customer_name.clone());
        saga.customer_version = saga.customer_version.max(Some(answer.customer_version));
    }
}

/// The saga of this kind that began when the order reached `version`.
#[must_use]
pub fn id_of(definition: &Definition<OrderSaga>, order: OrderId, version: u64) -> SagaId {
    SagaId::derive(definition.name, order.0, version)
}

/// Begins a saga whose first step has just been taken on `order`.
#[must_use]
pub fn begin(
    definition: &'static Definition<OrderSaga>,
    order: &Order,
    policy: &SagaPolicy,
    now: Timestamp,
) -> (Saga, Vec<Effect>) {
    let beginning = Beginning {
        id: id_of(definition, order.id, order.version),
        entity: order.id.0,
        data: OrderSaga::of(order),
        not_before: order.updated_at,
        parent: None,
    };

    Run::begin_after_first_step(definition, beginning, policy, now)
}

#[cfg(test)]
mod tests;
