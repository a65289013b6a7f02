//! Given a saga of the shop, when something comes in, then what it does. And in a world of real
//! customers and orders: whatever goes wrong, when a saga has ended the customer holds exactly what
//! the order's state says.

use std::collections::BTreeMap;

use sagas::countermeasures::RereadValue;
use sagas::testing::{
    Story, World, abandoned, given_after_first_step, local_refused, replied, replied_late, stopped,
    survives_everything, woken,
};
use sagas::{Address, Reason};
use uuid::Uuid;

use super::*;
use crate::customer::{Customer, CustomerCreated, CustomerEvent};
use crate::messages::{CustomerAnswer, NoCustomer};
use crate::order::{OrderCreated, OrderEvent, OrderState};

const OTHER: OrderId = OrderId(Uuid::from_u128(3));

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn pending() -> Order {
    let created = OrderCreated {
        customer_id: CustomerId(Uuid::from_u128(1)),
        order_total: Money::from_cents(1234),
        lines: Vec::new(),
        note: None,
        coordination: crate::Coordination::default(),
    };
    Order::created(OrderId(Uuid::from_u128(2)), &created, at(1))
}

fn approved() -> Order {
    let mut order = pending();
    let reread = RereadValue {
        expected_version: 1,
    };
    let event = order.approve(reread, None).unwrap();
    order.apply(&event, at(2)).unwrap();
    order
}

fn data(order: &Order, version: u64) -> OrderSaga {
    OrderSaga {
        order_id: order.id,
        customer_id: order.customer_id,
        amount: order.total,
        order_version: version,
        customer_name: None,
        customer_version: None,
    }
}

fn creating() -> Story<OrderSaga> {
    given_after_first_step(&CREATE_ORDER, data(&pending(), 1))
}

fn cancelling() -> Story<OrderSaga> {
    given_after_first_step(&CANCEL_ORDER, data(&approved(), 3))
}

fn answer() -> CustomerAnswer {
    CustomerAnswer {
        customer_name: "Ada Park".into(),
        customer_version: 2,
    }
}

fn reserved() -> CustomerReply {
    CustomerReply::CreditReserved(answer())
}

fn exceeded() -> CustomerReply {
    CustomerReply::CreditLimitExceeded(answer())
}

fn released() -> CustomerReply {
    CustomerReply::CreditReleased(answer())
}

fn not_found() -> CustomerReply {
    CustomerReply::CustomerNotFound(NoCustomer {})
}

#[test]
fn no_definition_has_a_mistake() {
    assert_eq!(DEFINITIONS.mistakes(), []);
    assert!(DEFINITIONS.iter().map(|saga| saga.name).eq(TYPES));
}

#[test]
fn reserved_credit_approves_the_order_and_ends_the_saga() {
    let story = creating()
        .then_sends(["customer.reserve-credit"])
        .when(replied(reserved()))
        .then_does([LocalStep::ApproveOrder])
        .then_state(SagaState::Completed);
    assert_eq!(story.run.data.customer_version, Some(2));
    assert_eq!(story.run.data.customer_name.as_deref(), Some("Ada Park"));
}

#[test]
fn a_refusal_rejects_the_order_with_its_reason() {
    for (reply, reason) in [
        (exceeded(), RejectionReason::InsufficientCredit),
        (not_found(), RejectionReason::UnknownCustomer),
    ] {
        let story = creating()
            .when(replied(reply))
            .then_does([LocalStep::RejectOrder])
            .then_sends([])
            .then_state(SagaState::Compensated);
        assert_eq!(RejectionReason::of(story.run.reason.as_ref()), reason);
    }
}

#[test]
fn past_its_deadline_a_saga_releases_what_it_may_have_reserved_before_it_rejects() {
    creating()
        .when(woken())
        .then_sends(["customer.release-credit"])
        .when(replied_late(reserved()))
        .then_does([])
        .when(replied(released()))
        .then_does([LocalStep::RejectOrder])
        .then_reason("TIMED_OUT");
}

#[test]
fn an_order_that_changed_meanwhile_is_not_approved_but_compensated() {
    creating()
        .when(replied(reserved()))
        .when(local_refused("approve-order", Reason::TIMED_OUT))
        .then_sends(["customer.release-credit"])
        .then_state(SagaState::Compensating);
}

#[test]
fn a_cancel_releases_the_credit_then_confirms() {
    cancelling()
        .then_sends(["customer.release-credit"])
        .when(replied(released()))
        .then_does([LocalStep::ConfirmCancel])
        .then_state(SagaState::Completed);
}

#[test]
fn a_cancel_that_is_stopped_takes_the_credit_back_and_falls_back_to_approved() {
    cancelling()
        .when(stopped())
        .then_sends(["customer.restore-credit"])
        .when(replied_late(released()))
        .then_does([])
        .when(replied(reserved()))
        .then_does([LocalStep::UndoCancel])
        .then_state(SagaState::Compensated);
}

#[test]
fn a_cancel_whose_credit_another_order_has_taken_stands() {
    for gone in [exceeded(), not_found()] {
        cancelling()
            .when(stopped())
            .when(replied(gone))
            .then_does([LocalStep::ConfirmCancel])
            .then_state(SagaState::Completed);
    }
}

#[test]
fn a_compensation_repeated_after_its_refusal_is_decided_by_the_repeat() {
    cancelling()
        .when(stopped())
        .when(woken())
        .then_sends(["customer.restore-credit"])
        .when(replied_late(exceeded()))
        .then_state(SagaState::Compensating)
        .when(replied(reserved()))
        .then_does([LocalStep::UndoCancel]);
}

#[test]
fn a_create_that_is_given_up_lets_go_of_order_and_credit_without_waiting() {
    let mut story = creating().when(stopped());
    while story.run.state != SagaState::Stuck {
        story = story.when(woken());
    }
    story
        .when(abandoned())
        .then_sends(["customer.release-credit"])
        .then_does([LocalStep::RejectOrder])
        .then_state(SagaState::Abandoned)
        .then_reason("CANCELLED_BY_OPERATOR")
        .when(replied(released()))
        .then_does([])
        .then_state(SagaState::Abandoned)
        .when(abandoned())
        .then_sends(["customer.release-credit"])
        .then_does([]);
}

#[test]
fn a_cancel_that_is_given_up_stands_for_nobody_knows_who_has_the_credit() {
    let mut story = cancelling().when(stopped());
    while story.run.state != SagaState::Stuck {
        story = story.when(woken());
    }
    story
        .when(abandoned())
        .then_sends(["customer.release-credit"])
        .then_does([LocalStep::ConfirmCancel])
        .then_state(SagaState::Abandoned)
        .when(abandoned())
        .then_sends(["customer.release-credit"])
        .then_does([]);
}

/// Somebody reads the data of sagas years later: fields may come, but none may change.
#[test]
fn the_data_of_a_saga_reads_back_as_it_was_written() {
    let json = "{\"orderId\":\"00000000-0000-0000-0000-000000000002\",\
        \"customerId\":\"00000000-0000-0000-0000-000000000001\",\
        \"amountCents\":1234,\"orderVersion\":1,\
        \"customerName\":\"Ada Park\",\"customerVersion\":2}";
    let read: OrderSaga = serde_json::from_str(json).unwrap();
    assert_eq!(read, creating().when(replied(reserved())).run.data);
    assert_eq!(serde_json::to_string(&read).unwrap(), json);
}

/// A customer, one of its orders, and others that take its credit.
#[derive(Clone)]
struct Shop {
    order: Order,
    customer: Customer,
    reservations: BTreeMap<OrderId, Money>,
}

impl Shop {
    /// The order holds the credit that it needs when it is approved.
    fn with(order: Order) -> Self {
        let created = CustomerCreated {
            name: "Ada Park".into(),
            credit_limit: order.total,
        };

        let mut shop = Shop {
            customer: Customer::created(order.customer_id, &created, at(1)),
            order,
            reservations: BTreeMap::new(),
        };
        if shop.order.state == OrderState::Approved {
            shop.reserve(shop.order.id, shop.order.total);
        }
        shop
    }

    fn reserve(&mut self, order: OrderId, amount: Money) -> bool {
        let existing = self.reservations.get(&order).copied();
        match self.customer.reserve(order, amount, existing) {
            Err(_) => false,
            Ok(None) => true,
            Ok(Some(event)) => {
                self.apply(&event);
                self.reservations.insert(order, amount);
                true
            }
        }
    }

    fn release(&mut self, order: OrderId) {
        let existing = self.reservations.remove(&order);
        if let Some(event) = self.customer.release(order, existing) {
            self.apply(&event);
        }
    }

    fn apply(&mut self, event: &CustomerEvent) {
        self.customer.apply(event, at(3)).unwrap();
    }
}

impl World<OrderSaga> for Shop {
    fn local(&mut self, local: LocalStep, saga: &Saga) -> Result<(), Reason> {
        let reread = RereadValue {
            expected_version: saga.data.order_version,
        };

        let order = &self.order;
        let decided = match local {
            // It is there before its saga begins.
            LocalStep::CreateOrder => return Ok(()),
            LocalStep::ApproveOrder => order.approve(reread, None),
            LocalStep::RejectOrder => order.reject(RejectionReason::of(saga.reason.as_ref()), None),
            LocalStep::BeginCancel => order.request_cancel(),
            LocalStep::ConfirmCancel => order.confirm_cancel(reread),
            LocalStep::UndoCancel => order.undo_cancel(),
        };

        let event: OrderEvent = decided.map_err(|_| Reason::TIMED_OUT)?;
        self.order.apply(&event, at(3)).unwrap();
        Ok(())
    }

    fn command(&mut self, to: Address, command: &CustomerCommand) -> Option<CustomerReply> {
        assert_eq!(to.entity, self.customer.id.0);
        let request = command.request();

        Some(match command {
            CustomerCommand::ReleaseCredit(_) => {
                self.release(request.order_id);
                released()
            }
            _ if self.reserve(request.order_id, request.amount) => reserved(),
            _ => exceeded(),
        })
    }

    fn refuse(&mut self, _: Address, _: &CustomerCommand, reply: &'static str) -> CustomerReply {
        match reply {
            "customer.not-found-reply" => not_found(),
            _ => exceeded(),
        }
    }

    /// Another order takes the credit, or gives it back.
    fn disturb(&mut self, number: u64) {
        if number.is_multiple_of(2) {
            self.reserve(OTHER, self.order.total);
        } else {
            self.release(OTHER);
        }
    }

    fn check(&self, saga: &Saga) {
        let ended = match (saga.definition.name, saga.state) {
            ("create-order", SagaState::Completed) => OrderState::Approved,
            // Its first step was refused: the order has stayed as it was.
            ("create-order", _) if self.order.state == OrderState::Pending => OrderState::Pending,
            ("create-order", _) => OrderState::Rejected,
            (_, SagaState::Completed | SagaState::Abandoned) => OrderState::Cancelled,
            (_, _) => OrderState::Approved,
        };
        assert_eq!(self.order.state, ended);

        let holds = self.reservations.contains_key(&self.order.id);
        assert_eq!(holds, ended == OrderState::Approved, "credit is held");

        let sum: i64 = self
            .reservations
            .values()
            .map(|amount| amount.cents())
            .sum();
        assert_eq!(self.customer.reserved.cents(), sum, "reserved is the sum");
        assert!(self.customer.reserved <= self.customer.credit_limit);
    }
}

#[test]
fn both_sagas_survive_everything() {
    let order = pending();
    survives_everything(&CREATE_ORDER, &data(&order, 1), &Shop::with(order));
    let order = approved();
    survives_everything(&CANCEL_ORDER, &data(&order, 3), &Shop::with(order));
}
