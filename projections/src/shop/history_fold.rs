//! The documents of customers and orders, folded from their whole histories.

use store::Message;

use super::document::{Document, OrderDocument};
use super::event::Event;
use super::folded::{CustomerState, Folded, OrderState};
use crate::projection::EntityFold;

/// The history of a customer or an order.
#[derive(Default)]
pub struct DocumentFold(Option<Entity>);

enum Entity {
    Customer(CustomerState),
    Order(OrderState),
}

impl EntityFold for DocumentFold {
    type Entity = Document;

    fn take(&mut self, event: &Message) -> Result<(), String> {
        let event = Event::decode(event)?;

        match &mut self.0 {
            Some(Entity::Customer(customer)) => customer.advance(&event)?,
            Some(Entity::Order(order)) => order.advance(&event)?,
            None => {
                self.0 = Some(match event.source.service {
                    domain::CUSTOMERS => Entity::Customer(CustomerState::create(&event)?),
                    _ => Entity::Order(OrderState::create(&event)?),
                });
            }
        }

        Ok(())
    }

    fn into_entity(self) -> Option<Document> {
        match self.0? {
            Entity::Customer(state) => Some(Document::Customer(state.customer.into())),
            Entity::Order(state) => state.into_document().map(Document::Order),
        }
    }
}

/// The history of an order.
#[derive(Default)]
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
