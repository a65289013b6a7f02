//! Customers and orders as their events have them: the first event, and one more. What the events
//! mean is the domain's; that they come in version order is not looked at here.

use domain::choreography::Choreography;
use domain::{Customer, CustomerEvent, CustomerId, Order, OrderEvent, OrderId, OrderLine};

use super::document::{CustomerDocument, OrderDocument};
use super::event::{Event, Payload};

/// The state of an entity that events are folded into.
pub(crate) trait Folded: Sized {
    fn version(&self) -> u64;

    /// The state after the entity's first event; an error in words when it is no first one.
    fn create(event: &Event) -> Result<Self, String>;

    /// The state after one more event, which is the next; an error in words when it cannot be.
    fn advance(&mut self, event: &Event) -> Result<(), String>;
}

/// An order.
pub(crate) struct OrderState {
    /// Its state, as far as decisions and documents need it.
    pub order: Order,
    /// There until the document is inserted.
    pub details: Option<OrderDetails>,
}

/// What an order's document has besides the order's state; no event changes it.
pub(crate) struct OrderDetails {
    /// Empty when it has a total alone.
    pub lines: Vec<OrderLine>,
    /// Absent when it has none.
    pub note: Option<String>,
}

/// A customer.
pub(crate) struct CustomerState {
    pub customer: Customer,
    /// Whether the document is to be inserted.
    pub is_new: bool,
}

impl OrderState {
    /// Its document; `None` when it is inserted already.
    pub(crate) fn into_document(self) -> Option<OrderDocument> {
        let OrderDetails { lines, note } = self.details?;
        Some(OrderDocument::with(self.order, lines, note))
    }
}

impl Folded for OrderState {
    fn version(&self) -> u64 {
        self.order.version
    }

    fn create(event: &Event) -> Result<Self, String> {
        let Payload::Order(OrderEvent::Created(created)) = &event.payload else {
            return Err("the first event of an order is not its creation".to_owned());
        };
        let details = Some(OrderDetails {
            lines: created.lines.clone(),
            note: created.note.clone(),
        });
        Ok(OrderState {
            order: Order::created(OrderId(event.entity), created, event.time),
            details,
        })
    }

    fn advance(&mut self, event: &Event) -> Result<(), String> {
        match &event.payload {
            Payload::Order(change) => {
                let applied = self.order.apply(change, event.time);
                applied.map_err(|error| error.to_string())?;
            }
            Payload::Unknown => self.order.version = event.version,
            Payload::Customer(_) => {
                return Err("an event of a customer among those of an order".to_owned());
            }
        }
        Ok(())
    }
}

impl Folded for CustomerState {
    fn version(&self) -> u64 {
        self.customer.version
    }

    fn create(event: &Event) -> Result<Self, String> {
        let Payload::Customer(CustomerEvent::Created(created)) = &event.payload else {
            return Err("the first event of a customer is not its creation".to_owned());
        };
        let customer = Customer::created(CustomerId(event.entity), created, event.time);
        Ok(CustomerState {
            customer,
            is_new: true,
        })
    }

    fn advance(&mut self, event: &Event) -> Result<(), String> {
        match &event.payload {
            Payload::Customer(change) => {
                let applied = self.customer.apply(change, event.time);
                applied.map_err(|error| error.to_string())?;
            }
            Payload::Unknown => self.customer.version = event.version,
            Payload::Order(_) => {
                return Err("an event of an order among those of a customer".to_owned());
            }
        }
        Ok(())
    }
}

impl From<&OrderDocument> for OrderState {
    fn from(document: &OrderDocument) -> Self {
        let order = Order {
            id: document.order_id,
            customer_id: document.customer_id,
            customer_name: document.customer_name.clone(),
            total: document.order_total,
            state: document.state,
            rejection_reason: document.rejection_reason,
            version: document.version,
            created_at: document.creation_time,
            updated_at: document.creation_time,
            choreography: Choreography::default(),
        };

        let details = OrderDetails {
            lines: document.lines.clone(),
            note: document.note.clone(),
        };

        OrderState {
            order,
            details: Some(details),
        }
    }
}

impl TryFrom<&CustomerDocument> for CustomerState {
    type Error = String;

    fn try_from(document: &CustomerDocument) -> Result<Self, String> {
        let reserved = document.credit_limit.checked_sub(document.available_credit);

        let customer = Customer {
            id: document.customer_id,
            name: document.name.clone(),
            credit_limit: document.credit_limit,
            reserved: reserved.ok_or_else(|| "credit out of range".to_owned())?,
            version: document.version,
            created_at: document.creation_time,
            updated_at: document.creation_time,
            // What it shows of a limit is the limit, corrected or not.
            limit_corrected_at: None,
        };

        Ok(CustomerState {
            customer,
            is_new: true,
        })
    }
}
