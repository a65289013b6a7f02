//! The shop without a saga in the middle: each service reacts to the events of the other.
//!
//! ```text
//! order.created ─────────► ReserveCredit ─► customer.credit-reserved ──────────► Approve
//!                                       └─► customer.credit-reservation-failed ► Reject
//!                                       └─► customer.validation-failed ────────► Reject
//! order.cancel-requested ► ReleaseCredit ─► customer.credit-released ──────────► ConfirmCancel
//! order.rejected ────────► ReleaseCredit    (by its deadline)
//! order.cancel-still-pending ► ReleaseCredit    (the same)
//! ```
//!
//! An event says itself whether others go on with it: an order that a saga works on is none of
//! their business. So both ways run side by side, and only what begins is told which one to take.
//!
//! The events of one order reach its customer in the order in which they happened. So the release
//! of an order that was given up comes after its reservation, however late that is, and nothing is
//! held for it in the end.

use sagas::handler::{Handler, Heard, Told};
use sagas::mistakes::{Mistake, makes};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::customer::CreditChanged;
use crate::ids::{CUSTOMERS, CustomerId, ORDERS};
use crate::messages::{
    CancelStillPending, CreditNotChanged, CreditRefused, CreditRequest, CreditTold, CustomerAnswer,
    CustomerCommand, CustomerNotice, OrderNotice, OrderRequest,
};
use crate::money::Money;
use crate::order::{
    CancelRequested, Order, OrderApproved, OrderCancelled, OrderEvent, OrderRejected, OrderState,
    Refusal, RejectionReason,
};
use crate::{CustomerEvent, OrderId};

/// How what an order begins is coordinated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coordination {
    /// A saga asks the services, one after the other.
    #[default]
    Orchestration,
    /// Services react to each other's events.
    Choreography,
}

impl Coordination {
    /// Both.
    pub const ALL: [Coordination; 2] = [Coordination::Orchestration, Coordination::Choreography];

    /// As it stands in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Coordination::Orchestration => "orchestration",
            Coordination::Choreography => "choreography",
        }
    }

    /// Whether a saga does it. What stands without a word is coordinated so.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(crate) fn is_orchestration(&self) -> bool {
        *self == Coordination::Orchestration
    }
}

/// Whose credit an order takes, for who hears of the order by an event alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreditOf {
    /// Whose credit it is.
    pub customer_id: CustomerId,
    /// The order's total.
    pub amount: Money,
}

/// What an order knows of its part in choreographies; nothing, where sagas have done everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Choreography {
    /// Its creation is part of one.
    pub created: bool,
    /// Its newest cancel is part of one.
    pub cancel: bool,
    /// The customer's version, as an event or a notice has told it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_version: Option<u64>,
}

impl Choreography {
    /// Whether sagas have done everything.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Choreography::default()
    }

    pub(crate) fn learn(&mut self, customer_version: Option<u64>) {
        self.customer_version = self.customer_version.max(customer_version);
    }
}

/// What an order does when its deadline has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// It is rejected. The customer reacts on it: whatever it has reserved by then, or reserves
    /// later, is released.
    GivenUp(OrderEvent),
    /// A cancel asks again: a release is never refused, so it only waits until its customer can be
    /// reached.
    AskedAgain(OrderNotice),
}

impl Order {
    /// Whether it waits for its customer by itself, and no saga does so for it.
    #[must_use]
    pub fn waits_in_choreography(&self) -> bool {
        match self.state {
            OrderState::Pending => self.choreography.created,
            OrderState::CancelPending => self.choreography.cancel,
            _ => false,
        }
    }

    /// Begins its cancel, on which its customer reacts.
    ///
    /// # Errors
    /// As [`Order::request_cancel`].
    pub fn announce_cancel(&self) -> Result<OrderEvent, Refusal> {
        self.request_cancel()?;
        let release = Some(self.credit());
        Ok(OrderEvent::CancelRequested(CancelRequested { release }))
    }

    /// Goes on with what customers have told. What comes too late changes nothing: an order that
    /// was given up has told its customer so.
    #[must_use]
    pub fn heard(&self, request: &OrderRequest) -> Option<OrderEvent> {
        if !self.waits_in_choreography() && !makes(Mistake::LateWordHeard) {
            return None;
        }

        match (self.state, request) {
            (state, OrderRequest::Approve(told))
                if state == OrderState::Pending || makes(Mistake::LateWordHeard) =>
            {
                let told = told.customer.as_ref();
                Some(OrderEvent::Approved(OrderApproved {
                    customer_name: told.map(name),
                    customer_version: told.map(version),
                }))
            }
            (OrderState::Pending, OrderRequest::Reject(refused)) => {
                let told = refused.customer.as_ref();
                Some(OrderEvent::Rejected(OrderRejected {
                    reason: refused.reason,
                    customer_name: told.map(name),
                    customer_version: told.map(version),
                    release: None,
                }))
            }
            (OrderState::CancelPending, OrderRequest::ConfirmCancel(told)) => {
                let customer_version = told.customer.as_ref().map(version);
                Some(OrderEvent::Cancelled(OrderCancelled { customer_version }))
            }
            _ => None,
        }
    }

    /// Its deadline has passed, and it has been told nothing.
    #[must_use]
    pub fn overdue(&self) -> Option<Overdue> {
        let release = self.credit();

        match self.state {
            _ if !self.waits_in_choreography() => None,
            OrderState::Pending => Some(Overdue::GivenUp(OrderEvent::Rejected(OrderRejected {
                reason: RejectionReason::TimedOut,
                customer_name: None,
                customer_version: None,
                release: Some(release).filter(|_| !makes(Mistake::ReleaseNotAsked)),
            }))),
            _ => Some(Overdue::AskedAgain(OrderNotice::CancelStillPending(
                CancelStillPending { release },
            ))),
        }
    }

    fn credit(&self) -> CreditOf {
        CreditOf {
            customer_id: self.customer_id,
            amount: self.total,
        }
    }
}

fn name(customer: &CustomerAnswer) -> String {
    customer.customer_name.clone()
}

fn version(customer: &CustomerAnswer) -> u64 {
    customer.customer_version
}

/// What customers do when something has happened to an order.
pub static CUSTOMERS_HEAR: [Handler<CustomerCommand>; 2] = [
    Handler {
        name: "credit-of-orders",
        of: ORDERS,
        events: &["order.created", "order.cancel-requested", "order.rejected"],
        command: credit_of_order,
    },
    Handler {
        name: "credit-of-waiting-orders",
        of: ORDERS,
        events: &["order.cancel-still-pending"],
        command: credit_of_waiting_order,
    },
];

/// What orders do when customers have told something of their credit.
pub static ORDERS_HEAR: [Handler<OrderRequest>; 2] = [
    Handler {
        name: "orders-of-credit",
        of: CUSTOMERS,
        events: &["customer.credit-reserved", "customer.credit-released"],
        command: order_of_change,
    },
    Handler {
        name: "orders-without-credit",
        of: CUSTOMERS,
        events: &[
            "customer.credit-reservation-failed",
            "customer.validation-failed",
            "customer.credit-reserved-before",
            "customer.credit-released-before",
        ],
        command: order_of_notice,
    },
];

fn ask(
    heard: &Heard<'_>,
    credit: CreditOf,
    command: fn(CreditRequest) -> CustomerCommand,
) -> (Uuid, CustomerCommand) {
    let request = CreditRequest {
        order_id: OrderId(heard.entity),
        amount: credit.amount,
        saga_id: None,
        announced: true,
    };
    (credit.customer_id.0, command(request))
}

/// Whether an event may have one of these fields, by which it says that others go on with it. Where
/// sagas do everything none has, and there it is not worth reading all of them.
fn may_have(heard: &Heard<'_>, fields: &[&str]) -> bool {
    fields.iter().any(|field| heard.body.contains(field))
}

fn credit_of_order(heard: &Heard<'_>) -> Told<CustomerCommand> {
    if !may_have(heard, &[r#""coordination""#, r#""release""#]) {
        return Ok(None);
    }
    Ok(match heard.read()? {
        OrderEvent::Created(created) if !created.coordination.is_orchestration() => {
            let credit = CreditOf {
                customer_id: created.customer_id,
                amount: created.order_total,
            };
            Some(ask(heard, credit, CustomerCommand::ReserveCredit))
        }
        OrderEvent::CancelRequested(CancelRequested { release })
        | OrderEvent::Rejected(OrderRejected { release, .. }) => {
            release.map(|credit| ask(heard, credit, CustomerCommand::ReleaseCredit))
        }
        _ => None,
    })
}

fn credit_of_waiting_order(heard: &Heard<'_>) -> Told<CustomerCommand> {
    let OrderNotice::CancelStillPending(waiting) = heard.read()?;
    Ok(Some(ask(
        heard,
        waiting.release,
        CustomerCommand::ReleaseCredit,
    )))
}

fn order_of_change(heard: &Heard<'_>) -> Told<OrderRequest> {
    if !may_have(heard, &[r#""customer""#]) {
        return Ok(None);
    }
    let order = |change: CreditChanged, request: fn(CreditTold) -> OrderRequest| {
        let customer = Some(change.customer?);
        Some((change.order_id.0, request(CreditTold { customer })))
    };

    Ok(match heard.read()? {
        CustomerEvent::CreditReserved(change) => order(change, OrderRequest::Approve),
        CustomerEvent::CreditReleased(change) => order(change, OrderRequest::ConfirmCancel),
        CustomerEvent::Created(_) | CustomerEvent::LimitCorrected(_) => None,
    })
}

fn order_of_notice(heard: &Heard<'_>) -> Told<OrderRequest> {
    let refused = |told: CreditNotChanged, reason| {
        let customer = told.customer;
        let refused = CreditRefused { reason, customer };
        (told.order_id.0, OrderRequest::Reject(refused))
    };
    let order = |told: CreditNotChanged, request: fn(CreditTold) -> OrderRequest| -> (Uuid, _) {
        let customer = told.customer;
        (told.order_id.0, request(CreditTold { customer }))
    };

    Ok(Some(match heard.read()? {
        CustomerNotice::CreditReservationFailed(told) => {
            refused(told, RejectionReason::InsufficientCredit)
        }
        CustomerNotice::CustomerValidationFailed(told) => {
            refused(told, RejectionReason::UnknownCustomer)
        }
        CustomerNotice::CreditReservedBefore(told) => order(told, OrderRequest::Approve),
        CustomerNotice::CreditReleasedBefore(told) => order(told, OrderRequest::ConfirmCancel),
    }))
}

#[cfg(test)]
mod tests;
