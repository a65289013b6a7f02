use super::*;
use crate::{CustomerEvent, OrderEvent};

/// Names are a promise to data written long ago: this list may only grow, and so may versions.
#[test]
fn wire_names_stay_what_they_are() {
    let names: Vec<_> = [
        CustomerEvent::WIRE_NAMES,
        OrderEvent::WIRE_NAMES,
        CustomerCommand::WIRE_NAMES,
        CustomerReply::WIRE_NAMES,
        CustomerNotice::WIRE_NAMES,
        OrderRequest::WIRE_NAMES,
        OrderNotice::WIRE_NAMES,
    ]
    .concat();
    assert_eq!(
        names,
        [
            ("customer.created", 1),
            ("customer.credit-reserved", 2),
            ("customer.credit-released", 2),
            ("customer.credit-limit-corrected", 1),
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
            ("customer.credit-reservation-failed", 1),
            ("customer.validation-failed", 1),
            ("customer.credit-reserved-before", 1),
            ("customer.credit-released-before", 1),
            ("order.approve", 1),
            ("order.reject", 1),
            ("order.confirm-cancel", 1),
            ("order.cancel-still-pending", 1),
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
