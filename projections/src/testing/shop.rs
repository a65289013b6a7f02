//! A small shop that fills a log.

use std::collections::HashMap;
use std::sync::Arc;

use domain::customer::{CreditChanged, CustomerCreated};
use domain::order::{
    CancelRequested, NoDetails, OrderApproved, OrderCancelled, OrderCreated, OrderRejected,
};
use domain::{
    Customer, CustomerEvent, CustomerId, Money, Order, OrderEvent, OrderId, OrderLine,
    RejectionReason,
};
use store::Message;
use uuid::Uuid;

use super::log::TestLog;
use crate::shop::Event;

/// Customers and orders as the command side has them: what the views must show.
#[derive(Debug)]
pub struct Shop {
    pub log: Arc<TestLog>,
    pub customers: HashMap<Uuid, Customer>,
    pub orders: HashMap<Uuid, (Order, OrderCreated)>,
}

impl Shop {
    pub fn new() -> Self {
        domain::ids::register();
        Shop {
            log: Arc::new(TestLog::new(&domain::SERVICES)),
            customers: HashMap::new(),
            orders: HashMap::new(),
        }
    }

    pub fn customer_event(&mut self, id: Uuid, event: &CustomerEvent) -> Arc<Message> {
        let version = self
            .customers
            .get(&id)
            .map_or(1, |customer| customer.version + 1);

        let (name, _) = event.wire_name();

        let message = self.log.commit(
            domain::CUSTOMERS,
            id,
            version,
            name,
            event.encode().unwrap().get(),
        );

        let before = self.customers.remove(&id);
        let after = Customer::folded(before, CustomerId(id), event, message.time);
        self.customers.insert(id, after.unwrap());

        message
    }

    pub fn order_event(&mut self, id: Uuid, event: &OrderEvent) -> Arc<Message> {
        let version = self
            .orders
            .get(&id)
            .map_or(1, |(order, _)| order.version + 1);

        let (name, _) = event.wire_name();

        let message = self.log.commit(
            domain::ORDERS,
            id,
            version,
            name,
            event.encode().unwrap().get(),
        );

        let (before, created) = self.orders.remove(&id).unzip();
        let after = Order::folded(before, OrderId(id), event, message.time);
        let created = created.or_else(|| event.clone().into_creation());
        self.orders.insert(id, after.zip(created).unwrap());

        message
    }

    pub fn create_customer(&mut self, number: u128, name: &str) -> Arc<Message> {
        let created = CustomerCreated {
            name: name.into(),
            credit_limit: Money::from_cents(1_000_000),
        };
        self.customer_event(Uuid::from_u128(number), &CustomerEvent::Created(created))
    }

    pub fn create_order(&mut self, number: u128, customer: u128, cents: i64) -> Arc<Message> {
        let line = OrderLine {
            sku: "1".into(),
            name: "Milk".into(),
            quantity: 1,
            unit_price: Money::from_cents(cents),
        };

        let created = OrderCreated {
            customer_id: CustomerId(Uuid::from_u128(customer)),
            order_total: Money::from_cents(cents),
            lines: vec![line],
            note: number.is_multiple_of(2).then(|| format!("note {number}")),
            coordination: domain::Coordination::default(),
        };
        self.order_event(Uuid::from_u128(number), &OrderEvent::Created(created))
    }

    /// The order's next event, if it is not at an end: approved or rejected, then on its way by
    /// `choice`.
    pub fn advance(&mut self, number: u128, choice: u8) -> Option<Arc<Message>> {
        use domain::OrderState as State;
        let id = Uuid::from_u128(number);
        let customer_name = Some("Ada Park".to_owned());

        let event = match (self.orders.get(&id)?.0.state, choice % 3) {
            (State::Pending, 0) => OrderEvent::Rejected(OrderRejected {
                reason: RejectionReason::InsufficientCredit,
                customer_name,
                release: None,
                customer_version: None,
            }),
            (State::Pending, _) => OrderEvent::Approved(OrderApproved {
                customer_name,
                customer_version: None,
            }),
            (State::Approved, 0) => OrderEvent::Shipped(NoDetails {}),
            (State::Approved, _) => OrderEvent::CancelRequested(CancelRequested::default()),
            (State::CancelPending, 0) => OrderEvent::Cancelled(OrderCancelled::default()),
            (State::CancelPending, _) => OrderEvent::CancelUndone(NoDetails {}),
            _ => return None,
        };

        Some(self.order_event(id, &event))
    }

    /// Reserves some cents of a customer's credit.
    pub fn reserve(&mut self, number: u128, order: u128, cents: i64) -> Option<Arc<Message>> {
        let id = Uuid::from_u128(number);

        let available_credit = self
            .customers
            .get(&id)?
            .available_credit()
            .checked_sub(Money::from_cents(cents))?;

        let order_id = OrderId(Uuid::from_u128(order));
        let change = CreditChanged {
            order_id,
            amount: Money::from_cents(cents),
            credit_limit: None,
            available_credit,
            customer: None,
        };

        Some(self.customer_event(id, &CustomerEvent::CreditReserved(change)))
    }

    /// Corrects a customer's credit limit.
    pub fn correct_limit(&mut self, number: u128, cents: i64) -> Arc<Message> {
        let id = Uuid::from_u128(number);
        let corrected = self.customers[&id].correct_limit(Money::from_cents(cents));
        self.customer_event(id, &corrected.unwrap().unwrap())
    }
}

/// An event as the log carries it.
pub fn message_of(event: &Event) -> Message {
    event.encode().unwrap()
}
