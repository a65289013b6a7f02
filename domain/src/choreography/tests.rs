//! Given an order, when its customer tells something, then what both services do.

use super::*;
use crate::customer::CustomerCreated;
use crate::messages::CustomerReply;
use crate::order::OrderCreated;
use crate::{Customer, Timestamp};
use sagas::countermeasures::RereadValue;

const ADA: CustomerId = CustomerId(Uuid::from_u128(1));
const ORDER: OrderId = OrderId(Uuid::from_u128(2));

fn created(coordination: Coordination) -> OrderCreated {
    OrderCreated {
        customer_id: ADA,
        order_total: Money::from_cents(1234),
        lines: Vec::new(),
        note: None,
        coordination,
    }
}

fn after(events: &[OrderEvent]) -> Order {
    let at = Timestamp::from_micros(1);
    let mut order = Order::created(ORDER, &created(Coordination::Choreography), at);
    for event in events {
        order.apply(event, at).unwrap();
    }
    order
}

fn told() -> CustomerAnswer {
    CustomerAnswer {
        customer_name: "Ada Park".into(),
        customer_version: 7,
    }
}

fn approve() -> OrderRequest {
    let customer = Some(told());
    OrderRequest::Approve(CreditTold { customer })
}

fn confirm_cancel() -> OrderRequest {
    OrderRequest::ConfirmCancel(CreditTold { customer: None })
}

/// What a service makes of a message that another one has sent as an event.
fn heard<C>(
    handlers: &[Handler<C>],
    of: sagas::Service,
    entity: Uuid,
    message: &impl sagas::WireMessage,
) -> Option<(Uuid, C)> {
    let (name, type_version) = message.wire_name();
    let body = message.encode().unwrap();
    let heard = Heard {
        entity,
        name,
        type_version,
        body: body.get(),
    };
    let handler = handlers.iter().find(|handler| handler.hears(of, name))?;
    (handler.command)(&heard).unwrap()
}

fn heard_by_customers(event: &OrderEvent) -> Option<(Uuid, CustomerCommand)> {
    heard(&CUSTOMERS_HEAR, ORDERS, ORDER.0, event)
}

#[test]
fn no_handler_has_a_mistake() {
    assert_eq!(sagas::handler::mistake(CUSTOMERS, &CUSTOMERS_HEAR), None);
    assert_eq!(sagas::handler::mistake(ORDERS, &ORDERS_HEAR), None);
}

#[test]
fn what_a_saga_works_on_is_none_of_the_customers_business() {
    let orchestrated = OrderEvent::Created(created(Coordination::Orchestration));
    assert_eq!(heard_by_customers(&orchestrated), None);

    let at = Timestamp::from_micros(1);
    let mut order = Order::created(ORDER, &created(Coordination::Orchestration), at);
    let rejected = order.reject(RejectionReason::TimedOut, None).unwrap();
    assert_eq!(heard_by_customers(&rejected), None);

    let reread = RereadValue {
        expected_version: 1,
    };
    order
        .apply(&order.approve(reread, None).unwrap(), at)
        .unwrap();
    assert_eq!(heard_by_customers(&order.request_cancel().unwrap()), None);
    assert_eq!(order.heard(&approve()), None);
}

#[test]
fn what_an_order_asks_for_by_its_events_reaches_its_customer() {
    let begun = OrderEvent::Created(created(Coordination::Choreography));
    let cancel = after(&[after(&[]).heard(&approve()).unwrap()]).announce_cancel();
    let Some(Overdue::GivenUp(given_up)) = after(&[]).overdue() else {
        panic!("a pending order is given up")
    };

    let commands = [begun, cancel.unwrap(), given_up].map(|event| heard_by_customers(&event));
    let [reserve, release, release_late] = commands.map(|command| {
        let (customer, command) = command.unwrap();
        let request = command.request();
        assert_eq!((customer, request.order_id), (ADA.0, ORDER));
        assert!(request.announced && request.amount == Money::from_cents(1234));
        command.wire_name().0
    });
    assert_eq!(
        [reserve, release, release_late],
        [
            "customer.reserve-credit",
            "customer.release-credit",
            "customer.release-credit"
        ]
    );
}

#[test]
fn an_order_that_was_given_up_stays_so_whatever_its_customer_tells_then() {
    let Some(Overdue::GivenUp(given_up)) = after(&[]).overdue() else {
        panic!("a pending order is given up")
    };
    let order = after(&[given_up]);

    assert_eq!(order.rejection_reason, Some(RejectionReason::TimedOut));
    assert_eq!(order.heard(&approve()), None);
    assert_eq!(order.heard(&confirm_cancel()), None);
    assert_eq!(order.overdue(), None);
}

#[test]
fn a_cancel_waits_for_the_release_and_asks_again_when_that_takes_too_long() {
    let approved = after(&[]).heard(&approve()).unwrap();
    let cancel = after(std::slice::from_ref(&approved))
        .announce_cancel()
        .unwrap();
    let order = after(&[approved, cancel]);

    assert_eq!(order.heard(&approve()), None, "it was approved before");
    let Some(Overdue::AskedAgain(notice)) = order.overdue() else {
        panic!("a cancel is not given up")
    };
    let (customer, command) = heard(&CUSTOMERS_HEAR, ORDERS, ORDER.0, &notice).unwrap();
    assert_eq!(customer, ADA.0);
    assert!(matches!(command, CustomerCommand::ReleaseCredit(_)));

    let event = order.heard(&confirm_cancel());
    assert!(matches!(event, Some(OrderEvent::Cancelled(_))), "{event:?}");
}

#[test]
fn whatever_a_customer_tells_reaches_the_order_with_what_a_reply_would_tell() {
    let request = CreditRequest {
        order_id: ORDER,
        amount: Money::from_cents(1234),
        saga_id: None,
        announced: true,
    };
    let (reserve, release) = (
        CustomerCommand::ReserveCredit(request.clone()),
        CustomerCommand::ReleaseCredit(request),
    );
    let nobody = CustomerReply::CustomerNotFound(crate::messages::NoCustomer {});

    for (command, reply, expected) in [
        (
            &reserve,
            CustomerReply::CreditReserved(told()),
            "order.approve",
        ),
        (
            &reserve,
            CustomerReply::CreditLimitExceeded(told()),
            "order.reject",
        ),
        (&reserve, nobody.clone(), "order.reject"),
        (
            &release,
            CustomerReply::CreditReleased(told()),
            "order.confirm-cancel",
        ),
        (&release, nobody, "order.confirm-cancel"),
    ] {
        let notice = CustomerNotice::of(command, &reply);
        let (order, request) = heard(&ORDERS_HEAR, CUSTOMERS, ADA.0, &notice).unwrap();
        assert_eq!((order, request.wire_name().0), (ORDER.0, expected));
    }

    let customer = CustomerCreated {
        name: "Ada Park".into(),
        credit_limit: Money::from_cents(1500),
    };
    let customer = Customer::created(ADA, &customer, Timestamp::from_micros(1));
    let event = customer.reserve(ORDER, Money::from_cents(1234), None);
    let event = event.unwrap().unwrap();
    assert!(
        heard(&ORDERS_HEAR, CUSTOMERS, ADA.0, &event).is_none(),
        "a saga has asked"
    );

    let (_, request) = heard(&ORDERS_HEAR, CUSTOMERS, ADA.0, &event.telling(told())).unwrap();
    let order = after(&[after(&[]).heard(&request).unwrap()]);
    assert_eq!(order.customer_name.as_deref(), Some("Ada Park"));
    assert_eq!(order.choreography.customer_version, Some(7));
}
