//! The commands and replies that services exchange in a saga, or in a choreography.
//!
//! Commands are imperative and address one entity; a reply names the outcome. Events are declared
//! beside the entity they happen to ([`crate::customer`], [`crate::order`]). A *notice* is an event
//! that changes nobody: it tells of a refusal where no reply does, has no version, and is in no
//! entity's history.

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::choreography::CreditOf;
use crate::ids::OrderId;
use crate::money::Money;
use crate::order::RejectionReason;
use sagas::SagaId;
use sagas::wire_messages;

/// An event that says that an entity was created which is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is created twice")]
pub struct CreatedTwice;

/// What a saga asks a customer to do with its credit for an order. The message addresses the
/// customer as its entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreditRequest {
    /// The order that the credit is for.
    pub order_id: OrderId,
    /// The order's total, above zero.
    #[serde(deserialize_with = "above_zero")]
    pub amount: Money,
    /// Whom to answer when the message itself does not say: release 0.1 wrote it here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saga_id: Option<SagaId>,
    /// Nobody waits for a reply: an event or a notice tells what comes of it. So it is in a
    /// choreography.
    #[serde(default, skip_serializing_if = "is_false")]
    pub announced: bool,
}

/// What asks for nothing, or for less, has been written by hand: it is not carried out.
fn above_zero<'de, D: Deserializer<'de>>(amount: D) -> Result<Money, D::Error> {
    let amount = Money::deserialize(amount)?;
    if amount.is_positive() {
        Ok(amount)
    } else {
        Err(de::Error::custom(format_args!(
            "the amount of credit must be above 0, not {amount}"
        )))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}

wire_messages! {
    /// Commands to a customer.
    pub enum CustomerCommand {
        /// Sent once for an order, when it is created: there cannot be a reservation yet.
        ReserveCredit(CreditRequest) = "customer.reserve-credit" 1,
        /// Undoes a reservation, whether it was made or not.
        ReleaseCredit(CreditRequest) = "customer.release-credit" 1,
        /// Takes back a release: reserves again unless the reservation is still there.
        RestoreCredit(CreditRequest) = "customer.restore-credit" 1,
    }
}

impl CustomerCommand {
    /// The order and the amount, whatever the command asks.
    #[must_use]
    pub fn request(&self) -> &CreditRequest {
        match self {
            CustomerCommand::ReserveCredit(request)
            | CustomerCommand::ReleaseCredit(request)
            | CustomerCommand::RestoreCredit(request) => request,
        }
    }
}

/// A customer's answer. It carries what the order shows of its customer, and the customer's
/// version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerAnswer {
    /// The customer's name, which the order shows.
    pub customer_name: String,
    /// The customer's version after the step, whether it changed or not.
    pub customer_version: u64,
}

/// There is no such customer, so there is nothing to tell of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoCustomer {}

wire_messages! {
    /// Replies of a customer to a saga.
    pub enum CustomerReply {
        /// The credit is reserved.
        CreditReserved(CustomerAnswer) = "customer.credit-reserved-reply" 1,
        /// Refused: not enough credit is available.
        CreditLimitExceeded(CustomerAnswer) = "customer.credit-limit-exceeded-reply" 1,
        /// Nothing is reserved for the order any more.
        CreditReleased(CustomerAnswer) = "customer.credit-released-reply" 1,
        /// Refused: there is no such customer.
        CustomerNotFound(NoCustomer) = "customer.not-found-reply" 1,
    }
}

impl CustomerReply {
    /// What the customer tells of itself; `None` when there is no such customer.
    #[must_use]
    pub fn answer(&self) -> Option<&CustomerAnswer> {
        match self {
            CustomerReply::CreditReserved(answer)
            | CustomerReply::CreditLimitExceeded(answer)
            | CustomerReply::CreditReleased(answer) => Some(answer),
            CustomerReply::CustomerNotFound(_) => None,
        }
    }
}

/// What has come of a request that has changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreditNotChanged {
    /// The order that the credit is for.
    pub order_id: OrderId,
    /// What a reply would tell; absent when there is no such customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerAnswer>,
}

wire_messages! {
    /// What customers tell of requests that have changed nothing, in a choreography.
    pub enum CustomerNotice {
        /// Not enough credit is available.
        CreditReservationFailed(CreditNotChanged) = "customer.credit-reservation-failed" 1,
        /// There is no such customer who could reserve any.
        CustomerValidationFailed(CreditNotChanged) = "customer.validation-failed" 1,
        /// The credit was reserved for the order before.
        CreditReservedBefore(CreditNotChanged) = "customer.credit-reserved-before" 1,
        /// Nothing was reserved for the order that could be released.
        CreditReleasedBefore(CreditNotChanged) = "customer.credit-released-before" 1,
    }
}

impl CustomerNotice {
    /// What is told of a request that has changed nothing, in the place of this reply.
    #[must_use]
    pub fn of(command: &CustomerCommand, reply: &CustomerReply) -> Self {
        let told = CreditNotChanged {
            order_id: command.request().order_id,
            customer: reply.answer().cloned(),
        };

        match (reply, command) {
            // What nobody holds is released.
            (CustomerReply::CreditReleased(_), _)
            | (CustomerReply::CustomerNotFound(_), CustomerCommand::ReleaseCredit(_)) => {
                CustomerNotice::CreditReleasedBefore(told)
            }
            (CustomerReply::CustomerNotFound(_), _) => {
                CustomerNotice::CustomerValidationFailed(told)
            }
            (CustomerReply::CreditReserved(_), _) => CustomerNotice::CreditReservedBefore(told),
            (CustomerReply::CreditLimitExceeded(_), _) => {
                CustomerNotice::CreditReservationFailed(told)
            }
        }
    }
}

/// What an order is told of its credit, in a choreography.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreditTold {
    /// The customer, as its event or notice has told; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerAnswer>,
}

/// Why an order is to be rejected, in a choreography.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreditRefused {
    /// Why.
    pub reason: RejectionReason,
    /// The customer, as its notice has told; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerAnswer>,
}

wire_messages! {
    /// Commands to an order, by which its service goes on when customers have told something.
    /// Nobody waits for a reply.
    pub enum OrderRequest {
        /// Its credit is reserved.
        Approve(CreditTold) = "order.approve" 1,
        /// Its credit is not, and will not be.
        Reject(CreditRefused) = "order.reject" 1,
        /// Its credit is released.
        ConfirmCancel(CreditTold) = "order.confirm-cancel" 1,
    }
}

wire_messages! {
    /// What orders tell besides what happens to them, in a choreography.
    pub enum OrderNotice {
        /// Its customer has told nothing of the cancel by the deadline, and is asked again.
        CancelStillPending(CancelStillPending) = "order.cancel-still-pending" 1,
    }
}

/// A cancel waits for its customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelStillPending {
    /// What its customer is to release.
    pub release: CreditOf,
}

#[cfg(test)]
mod tests;
