//! What the double answers: one of each.

use domain::saga::{CREATE_ORDER, SagaState, StepState};
use domain::{CustomerId, Money, OrderId, OrderState, SagaId, Timestamp};
use projections::{CustomerDocument, CustomerOrder, OrderDocument};
use sagas::timeline::AttemptOutcome;

use super::id;
use crate::ports::{OperatorAction, ParkedInView, SagaDetails, SagaStep, StepAttempt};

pub fn order() -> OrderDocument {
    OrderDocument {
        order_id: OrderId(id()),
        customer_id: CustomerId(id()),
        customer_name: Some("Ada Park".to_owned()),
        order_total: Money::from_cents(1234),
        state: OrderState::Approved,
        rejection_reason: None,
        lines: Vec::new(),
        note: None,
        creation_time: Timestamp::from_micros(1_767_225_600_123_456),
        version: 2,
    }
}

pub fn customer() -> CustomerDocument {
    CustomerDocument {
        customer_id: CustomerId(id()),
        name: "Ada Park".to_owned(),
        credit_limit: Money::from_cents(1500),
        available_credit: Money::from_cents(266),
        creation_time: Timestamp::from_micros(1_767_225_600_000_000),
        version: 2,
    }
}

pub fn customer_order() -> CustomerOrder {
    let order = order();
    CustomerOrder {
        order_id: order.order_id,
        state: order.state,
        order_total: order.order_total,
        rejection_reason: None,
        creation_time: order.creation_time,
        version: order.version,
    }
}

pub fn saga() -> SagaDetails {
    SagaDetails {
        saga_id: SagaId(id()),
        kind: CREATE_ORDER.name,
        state: SagaState::Running,
        order_id: OrderId(id()),
        started_at: Timestamp::from_micros(0),
        updated_at: Timestamp::from_micros(0),
        ended_at: None,
        deadline: None,
        reason: None,
        attempts: 1,
        steps: vec![SagaStep {
            name: "create-order".to_owned(),
            kind: "local".to_owned(),
            state: StepState::Done,
            at: None,
            detail: None,
            attempts: vec![StepAttempt {
                number: 1,
                at: Timestamp::from_micros(0),
                sent: Some("customer.reserve-credit"),
                compensates: false,
                outcome: AttemptOutcome::Ignored,
                answered_at: Some(Timestamp::from_micros(1)),
                answer: Some("customer.credit-reserved".to_owned()),
                cause: Some("TIMED_OUT".to_owned()),
            }],
        }],
        version: 1,
        actions: vec![action()],
    }
}

pub fn action() -> OperatorAction {
    OperatorAction {
        id: id(),
        action: "saga.retried".to_owned(),
        subject_id: Some(id()),
        view: None,
        entity_id: Some(id()),
        by: "anonymous".to_owned(),
        reason: Some("the customer answers again".to_owned()),
        time: Timestamp::from_micros(0),
        detail: serde_json::json!({ "before": "STUCK", "after": "COMPENSATING", "version": 4 }),
    }
}

pub fn parked_in_view() -> ParkedInView {
    ParkedInView {
        view: "documents",
        service: "orders".to_owned(),
        entity_type: "order".to_owned(),
        entity_id: id(),
        version: 2,
        shard: 3,
        sequence: 41,
        time: Timestamp::from_micros(0),
        since: Timestamp::from_micros(1),
        cause: "the event cannot be decoded".to_owned(),
        event: None,
        actions: Vec::new(),
    }
}
