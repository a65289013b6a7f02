//! Customers and orders as an audit folds them, and their rows as documents, so that rows, views
//! and folds compare.

use std::sync::Arc;

use domain::order::OrderCreated;
use domain::{Customer, CustomerEvent, CustomerId, Money, Order, OrderEvent, OrderId, OrderState};
use projections::{CustomerDocument, OrderDocument};
use store::Message;
use store::history::decode;
use store::services::orders::tables::order;
use uuid::Uuid;

use super::history::Entity;
use super::problem::Mismatch;
use projections::shop::entity_documents;

#[derive(Clone, Debug)]
pub(super) struct AuditedCustomer(Customer);

impl Entity for AuditedCustomer {
    type Document = CustomerDocument;
    type State = Customer;
    const SNAPSHOT_FORM: u16 = domain::customer::SNAPSHOT_FORM;

    fn first(id: Uuid, message: &Message) -> Result<Self, Mismatch> {
        let event = decode(message).map_err(|e| Mismatch::unreadable("event", &e))?;
        let customer = Customer::folded(None, CustomerId(id), &event, message.time);
        let other = || Mismatch::new("first event", "customer.created", &message.name);

        customer.map(AuditedCustomer).ok_or_else(other)
    }

    fn next(&mut self, message: &Message) -> Result<(), Mismatch> {
        let event = decode(message).map_err(|e| Mismatch::unreadable("event", &e))?;
        let before = self.0.reserved;

        let limit = self.0.credit_limit;
        let (told, limit, reserved) = match &event {
            CustomerEvent::Created(_) => {
                return Err(Mismatch::new("event", "a change", &message.name));
            }
            CustomerEvent::CreditReserved(change) => (
                change.available_credit,
                limit,
                before.checked_add(change.amount),
            ),
            CustomerEvent::CreditReleased(change) => (
                change.available_credit,
                limit,
                before.checked_sub(change.amount),
            ),
            CustomerEvent::LimitCorrected(corrected) => (
                corrected.available_credit,
                corrected.credit_limit,
                Some(before),
            ),
        };
        let must_be_told = self.0.limit_corrected_at.is_some();
        told_limit(&event, limit, must_be_told, message)?;
        let available = reserved.and_then(|reserved| limit.checked_sub(reserved));

        let fits = |available: &Money| !available.is_negative() && *available <= limit;
        if available.filter(fits) != Some(told) {
            let expected =
                available.map_or_else(|| "a balance".to_owned(), |available| available.to_string());
            let what = format!("credit available at version {}", message.version);
            return Err(Mismatch::new(what, expected, told));
        }

        let applied = self.0.apply(&event, message.time);
        applied.map_err(|error| Mismatch::unreadable("event", &error))
    }

    fn document(&self) -> CustomerDocument {
        self.0.clone().into()
    }

    fn state(&self) -> &Customer {
        &self.0
    }
}

/// Changes of credit say the limit in force from its first correction on, since the state at a
/// version is found by it. They may say it before.
fn told_limit(
    event: &CustomerEvent,
    limit: Money,
    must_be_told: bool,
    message: &Message,
) -> Result<(), Mismatch> {
    let (CustomerEvent::CreditReserved(change) | CustomerEvent::CreditReleased(change)) = event
    else {
        return Ok(());
    };
    if change
        .credit_limit
        .map_or(!must_be_told, |told| told == limit)
    {
        return Ok(());
    }

    let what = format!("credit limit told at version {}", message.version);
    let told = change.credit_limit;
    Err(Mismatch::new(
        what,
        limit,
        told.map_or_else(|| "none".to_owned(), |told| told.to_string()),
    ))
}

#[derive(Clone, Debug)]
pub(super) struct AuditedOrder {
    order: Order,
    created: Arc<OrderCreated>,
}

impl Entity for AuditedOrder {
    type Document = OrderDocument;
    type State = Order;
    const SNAPSHOT_FORM: u16 = domain::order::SNAPSHOT_FORM;

    fn first(id: Uuid, message: &Message) -> Result<Self, Mismatch> {
        let event: OrderEvent = decode(message).map_err(|e| Mismatch::unreadable("event", &e))?;
        let order = Order::folded(None, OrderId(id), &event, message.time);
        let other = || Mismatch::new("first event", "order.created", &message.name);

        let (order, created) = order.zip(event.into_creation()).ok_or_else(other)?;
        Ok(AuditedOrder {
            order,
            created: Arc::new(created),
        })
    }

    fn next(&mut self, message: &Message) -> Result<(), Mismatch> {
        let event = decode(message).map_err(|e| Mismatch::unreadable("event", &e))?;
        let from = state_before(&event);
        if from != Some(self.order.state) {
            let expected = from.map_or("the first event", OrderState::name);
            return Err(Mismatch::new(
                format_args!("state before {}", message.name),
                expected,
                self.order.state.name(),
            ));
        }

        let applied = self.order.apply(&event, message.time);
        applied.map_err(|error| Mismatch::unreadable("event", &error))
    }

    fn document(&self) -> OrderDocument {
        OrderDocument::of(self.order.clone(), (*self.created).clone())
    }

    fn state(&self) -> &Order {
        &self.order
    }
}

/// The state in which an event can happen; `None` for an order's first event.
fn state_before(event: &OrderEvent) -> Option<OrderState> {
    match event {
        OrderEvent::Created(_) => None,
        OrderEvent::Approved(_) | OrderEvent::Rejected(_) => Some(OrderState::Pending),
        OrderEvent::Shipped(_) | OrderEvent::CancelRequested(_) => Some(OrderState::Approved),
        OrderEvent::Cancelled(_) | OrderEvent::CancelUndone(_) => Some(OrderState::CancelPending),
    }
}

/// The row of an order as a document; an error when its texts cannot be read.
pub(super) fn order_row(row: order::Model) -> Result<OrderDocument, Mismatch> {
    entity_documents::order(row)
        .map_err(|error| Mismatch::new(error.field, error.expected, &error.found))
}
