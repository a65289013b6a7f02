//! An entity's document, folded from its whole history. What the events mean is the domain's.

use domain::order::OrderCreated;
use domain::{Customer, CustomerEvent, CustomerId, Order, OrderEvent, OrderId};

use crate::document::{Document, OrderDocument};
use crate::port::{Event, Payload};

/// A history under way: none before its first event.
#[derive(Debug, Default)]
pub(crate) struct Fold(Option<Entity>);

#[derive(Debug)]
enum Entity {
    Customer(Customer),
    Order(Order, OrderCreated),
}

impl Fold {
    /// The version reached; 0 before the first event.
    pub(crate) fn version(&self) -> u64 {
        match &self.0 {
            None => 0,
            Some(Entity::Customer(customer)) => customer.version,
            Some(Entity::Order(order, _)) => order.version,
        }
    }

    /// Takes the next event in.
    ///
    /// # Errors
    /// Why the event cannot be the next, in words.
    pub(crate) fn take(&mut self, event: &Event) -> Result<(), String> {
        let next = self.version() + 1;
        if event.version != next {
            return Err(format!("the history does not have version {next}"));
        }

        match (&mut self.0, &event.payload) {
            (entity @ None, Payload::Customer(CustomerEvent::Created(created))) => {
                let customer = Customer::created(CustomerId(event.entity), created, event.time);
                *entity = Some(Entity::Customer(customer));
            }
            (entity @ None, Payload::Order(OrderEvent::Created(created))) => {
                let order = Order::created(OrderId(event.entity), created, event.time);
                *entity = Some(Entity::Order(order, created.clone()));
            }
            (None, _) => {
                return Err("the history does not begin with the entity's creation".to_owned());
            }
            (
                Some(_),
                Payload::Customer(CustomerEvent::Created(_))
                | Payload::Order(OrderEvent::Created(_)),
            ) => {
                return Err(format!("version {next} is a second creation"));
            }
            (Some(Entity::Customer(customer)), Payload::Customer(change)) => {
                customer.apply(change, event.time)
            }
            (Some(Entity::Order(order, _)), Payload::Order(change)) => {
                order.apply(change, event.time)
            }
            (Some(Entity::Customer(customer)), Payload::Unknown) => customer.version = next,
            (Some(Entity::Order(order, _)), Payload::Unknown) => order.version = next,
            (Some(_), _) => return Err(format!("version {next} is of another kind of entity")),
        }

        Ok(())
    }

    /// The entity as it stands after what was taken in.
    pub(crate) fn into_document(self) -> Option<Document> {
        Some(match self.0? {
            Entity::Customer(customer) => Document::Customer(customer.into()),
            Entity::Order(order, created) => Document::Order(OrderDocument::of(order, created)),
        })
    }
}
