//! The commands and replies that services exchange in a saga.
//!
//! Commands are imperative and address one entity; a reply names the outcome. Events are declared
//! beside the entity they happen to ([`crate::customer`], [`crate::order`]).

use serde::{Deserialize, Serialize};

use crate::ids::OrderId;
use crate::money::Money;
use sagas::SagaId;
use sagas::wire_messages;

/// What a saga asks a customer to do with its credit for an order. The message addresses the
/// customer as its entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreditRequest {
    /// The order that the credit is for.
    pub order_id: OrderId,
    /// The order's total.
    pub amount: Money,
    /// Whom to answer when the message itself does not say: release 0.1 wrote it here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saga_id: Option<SagaId>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CustomerEvent, OrderEvent};

    /// Names are a promise to data written long ago: this list may only grow.
    #[test]
    fn wire_names_stay_what_they_are() {
        let names: Vec<_> = [
            CustomerEvent::WIRE_NAMES,
            OrderEvent::WIRE_NAMES,
            CustomerCommand::WIRE_NAMES,
            CustomerReply::WIRE_NAMES,
        ]
        .concat();
        assert_eq!(
            names,
            [
                ("customer.created", 1),
                ("customer.credit-reserved", 1),
                ("customer.credit-released", 1),
                ("order.created", 1),
                ("order.approved", 1),
                ("order.rejected", 1),
                ("order.shipped", 1),
                ("order.cancel-requested", 1),
                ("order.cancelled", 1),
                ("order.cancel-undone", 1),
                ("customer.reserve-credit", 1),
                ("customer.release-credit", 1),
                ("customer.restore-credit", 1),
                ("customer.credit-reserved-reply", 1),
                ("customer.credit-limit-exceeded-reply", 1),
                ("customer.credit-released-reply", 1),
                ("customer.not-found-reply", 1),
            ]
        );
    }

    #[test]
    fn a_command_of_release_0_1_says_whom_to_answer_and_one_of_today_does_not() {
        let saga = "01a220f0-b9cb-86b4-a1ab-0f1b19b70ad6";
        let body = format!(
            "{{\"orderId\":\"01a220f0-b9cb-74b0-9cfd-0a05ca126d91\",\
             \"amount\":{{\"amount\":\"30.00\"}},\"sagaId\":\"{saga}\"}}"
        );
        let command = CustomerCommand::decode("customer.reserve-credit", 1, &body).unwrap();
        assert_eq!(
            command.request().saga_id,
            Some(SagaId(saga.parse().unwrap()))
        );

        let today = CreditRequest {
            saga_id: None,
            ..command.request().clone()
        };
        let body = CustomerCommand::ReserveCredit(today).encode().unwrap();
        assert!(!body.get().contains("sagaId"), "{body}");
    }

    #[test]
    fn an_unknown_type_and_a_malformed_body_are_told_apart() {
        let unknown = CustomerCommand::decode("customer.sing", 1, "{}").unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "unknown message type customer.sing version 1"
        );
        let malformed = CustomerCommand::decode("customer.reserve-credit", 1, "{}").unwrap_err();
        assert_eq!(
            malformed.to_string(),
            "malformed body of customer.reserve-credit version 1"
        );
    }
}
