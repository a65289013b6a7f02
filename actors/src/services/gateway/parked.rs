//! What operators may do about parked messages, as far as only both services together know it.
//!
//! A shard looks after what a message asks as long as that can be read. Of one that cannot be read
//! nobody knows, and a customer has no orders: an edit may make it ask for anything. So it is compared
//! with the order that it was sent for, whose customer and total never change.

use std::sync::Arc;

use domain::messages::CustomerCommand;
use domain::{Customer, MessageId, Order};
use sagas::{SagaId, SagaState};
use serde_json::value::RawValue;
use store::Message;
use store::parking::Parked;
use uuid::Uuid;

use super::Gateway;
use crate::entities::request_of;
use crate::error::CommandError;
use crate::operator::ParkedAction;

const ASKS_FOR_ANOTHER: &str = "it would not ask for what it was sent for: order, customer and amount must \
    be those of its order, and announced true where no saga waits for an answer";
const ASKED_LAST: &str = "its saga was given up, and nobody would ask again to release this credit: mend \
    what stops it and replay it";

impl Gateway {
    /// Refuses what would have a message ask for something else than its order does, and what would
    /// have nobody ask for it any more.
    pub(super) async fn check_parked(
        &self,
        id: MessageId,
        action: &ParkedAction,
    ) -> Result<(), CommandError> {
        match action {
            ParkedAction::Replay => Ok(()),
            ParkedAction::Discard => self.check_discard(id).await,
            ParkedAction::Edit(body) => self.check_edit(id, body).await,
        }
    }

    async fn check_discard(&self, id: MessageId) -> Result<(), CommandError> {
        let Some(Parked { message, .. }) = self.customers.parked(id).await? else {
            return Ok(());
        };
        let command = request_of::<Customer>(&message);
        let (Ok(Some((_, CustomerCommand::ReleaseCredit(_)))), Some(attempt)) =
            (command, &message.attempt)
        else {
            return Ok(());
        };

        match self.orders.state_of(attempt.saga).await? {
            Some(SagaState::Abandoned) => Err(CommandError::Conflict(ASKED_LAST.to_owned())),
            _ => Ok(()),
        }
    }

    async fn check_edit(&self, id: MessageId, body: &RawValue) -> Result<(), CommandError> {
        let fits = if let Some(found) = self.customers.parked(id).await? {
            self.asks_what_its_order_does(&edited(found, body)).await?
        } else if let Some(found) = self.orders.parked(id).await? {
            self.is_for_its_order(&edited(found, body)).await?
        } else {
            true
        };

        if fits {
            Ok(())
        } else {
            Err(CommandError::Conflict(ASKS_FOR_ANOTHER.to_owned()))
        }
    }

    /// Whether a message to a customer asks for what its order does. What cannot be read is refused by
    /// its shard, which says why.
    async fn asks_what_its_order_does(&self, message: &Message) -> Result<bool, CommandError> {
        let Ok(Some((customer, command))) = request_of::<Customer>(message) else {
            return Ok(true);
        };
        let request = command.request();
        // Otherwise nobody would hear what comes of it.
        let tells_whoever_asked = match message.attempt {
            Some(_) => !request.announced,
            None => request.announced || request.saga_id == Some(SagaId(message.correlation_id)),
        };
        if !tells_whoever_asked || request.order_id.0 != self.order_of(message).await? {
            return Ok(false);
        }

        let order = self.orders.state(request.order_id.0).await?;
        Ok(order
            .is_some_and(|order| order.customer_id.0 == customer && order.total == request.amount))
    }

    /// Whether an event that orders hear is about the order that it was sent for.
    async fn is_for_its_order(&self, message: &Message) -> Result<bool, CommandError> {
        match request_of::<Order>(message) {
            Ok(Some((order, _))) => Ok(order == self.order_of(message).await?),
            _ => Ok(true),
        }
    }

    /// The order that a message was sent for: its saga's, or where none is at work, the one that all
    /// of its messages name.
    async fn order_of(&self, message: &Message) -> Result<Uuid, CommandError> {
        let saga = SagaId(message.correlation_id);
        let of_saga = self.orders.entity_of(saga).await?;
        Ok(of_saga.unwrap_or(message.correlation_id))
    }
}

fn edited(found: Parked, body: &RawValue) -> Message {
    let mut message = found.message;
    message.body = Arc::from(body.to_owned());
    message
}
