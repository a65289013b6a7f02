//! The documents of customers and orders, folded from their whole histories. What the events mean is
//! the domain's.

use domain::order::OrderCreated;
use domain::{Customer, CustomerEvent, CustomerId, Order, OrderEvent, OrderId};
use store::Message;

use super::document::{Document, OrderDocument};
use super::event::{Event, Payload};
use crate::projection::EntityFold;

/// The history of a customer or an order.
#[derive(Debug, Default)]
pub struct DocumentFold(Option<Entity>);

#[derive(Debug)]
enum Entity {
    Customer(Customer),
    Order(Order, OrderCreated),
}

impl EntityFold for DocumentFold {
    type Entity = Document;

    fn take(&mut self, event: &Message) -> Result<(), String> {
        let event = Event::decode(event)?;

        match (&mut self.0, event.payload) {
            (entity @ None, Payload::Customer(CustomerEvent::Created(created))) => {
                let customer = Customer::created(CustomerId(event.entity), &created, event.time);
                *entity = Some(Entity::Customer(customer));
            }
            (entity @ None, Payload::Order(OrderEvent::Created(created))) => {
                let order = Order::created(OrderId(event.entity), &created, event.time);
                *entity = Some(Entity::Order(order, created));
            }
            (None, _) => {
                return Err("the history does not begin with the entity's creation".to_owned());
            }
            (
                Some(_),
                Payload::Customer(CustomerEvent::Created(_))
                | Payload::Order(OrderEvent::Created(_)),
            ) => {
                return Err(format!("version {} is a second creation", event.version));
            }
            (Some(Entity::Customer(customer)), Payload::Customer(change)) => {
                customer.apply(&change, event.time);
            }
            (Some(Entity::Order(order, _)), Payload::Order(change)) => {
                order.apply(&change, event.time);
            }
            (Some(Entity::Customer(customer)), Payload::Unknown) => {
                customer.version = event.version;
            }
            (Some(Entity::Order(order, _)), Payload::Unknown) => order.version = event.version,
            (Some(_), _) => {
                let version = event.version;
                return Err(format!("version {version} is of another kind of entity"));
            }
        }

        Ok(())
    }

    fn into_entity(self) -> Option<Document> {
        Some(match self.0? {
            Entity::Customer(customer) => Document::Customer(customer.into()),
            Entity::Order(order, created) => Document::Order(OrderDocument::of(order, created)),
        })
    }
}

/// The history of an order.
#[derive(Debug, Default)]
pub struct OrderFold(DocumentFold);

impl EntityFold for OrderFold {
    type Entity = OrderDocument;

    fn take(&mut self, event: &Message) -> Result<(), String> {
        self.0.take(event)
    }

    fn into_entity(self) -> Option<OrderDocument> {
        self.0.into_entity().and_then(Document::order)
    }
}
