//! What operators may do about parked messages, as far as only both services together know it.
//!
//! A shard looks after what a message asks as long as that can be read. Of one that cannot be read
//! nobody knows, and a customer has no orders: an edit may make it ask for anything. So it is
//! compared with the order that it was sent for, whose customer and total never change.

use std::sync::Arc;

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
use crate::request::RequestBinding;

const ASKS_FOR_ANOTHER: &str = "it would not ask for what it was sent for: order, customer and amount must \
    be those of its order, and announced true where no saga waits for an answer";
/// The name of the command that releases credit.
const RELEASE: &str = "customer.release-credit";
const ASKED_LAST: &str = "its saga was given up, and nobody would ask again to release this credit: mend \
    what stops it and replay it";

impl Gateway {
    /// Refuses what would have a message ask for something else than its order does, and what would
    /// have nobody ask for it any more.
    pub(super) async fn check_parked(
        &self,
        id: MessageId,
        action: &ParkedAction,
        binding: Option<RequestBinding>,
    ) -> Result<(), CommandError> {
        match action {
            ParkedAction::Replay => Ok(()),
            _ if self.is_done_before(binding).await => Ok(()),
            ParkedAction::Discard => self.check_discard(id).await,
            ParkedAction::Edit(body) => self.check_edit(id, body).await,
        }
    }

    /// Whether something has been done under this key, or nobody knows: the doors say so.
    async fn is_done_before(&self, binding: Option<RequestBinding>) -> bool {
        self.customers.done_before(binding).await.is_some()
            || self.orders.done_before(binding).await.is_some()
    }

    async fn check_discard(&self, id: MessageId) -> Result<(), CommandError> {
        let Some(Parked { message, .. }) = self.customers.parked(id).await? else {
            return Ok(());
        };
        // Also one that cannot be read: an edit mends it.
        let Some(attempt) = message.attempt.filter(|_| message.name == RELEASE) else {
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

    /// Whether a message to a customer asks for what its order does. What cannot be read is refused
    /// by its shard, which says why.
    async fn asks_what_its_order_does(&self, message: &Message) -> Result<bool, CommandError> {
        let Ok(Some((customer, command))) = request_of::<Customer>(message) else {
            return Ok(true);
        };
        let request = command.request();
        let Origin { order, saga } = self.origin_of(message).await?;
        // Otherwise nobody would hear what comes of it, or somebody else. Without an attempt
        // release 0.1 has sent it.
        let tells_whoever_asked = match (saga, &message.attempt) {
            (Some(_), Some(_)) => !request.announced && request.saga_id.is_none(),
            (Some(_), None) => !request.announced && request.saga_id == saga,
            (None, _) => request.announced && request.saga_id.is_none(),
        };
        if !tells_whoever_asked || request.order_id.0 != order {
            return Ok(false);
        }

        let order = self.orders.state(request.order_id.0).await?;
        Ok(order
            .is_some_and(|order| order.customer_id.0 == customer && order.total == request.amount))
    }

    /// Whether an event that orders hear is about the order that it was sent for.
    async fn is_for_its_order(&self, message: &Message) -> Result<bool, CommandError> {
        match request_of::<Order>(message) {
            Ok(Some((order, _))) => Ok(order == self.origin_of(message).await?.order),
            _ => Ok(true),
        }
    }

    /// What a message was sent for: by a saga for its order, or where none is at work, for the
    /// order that all of its messages name.
    async fn origin_of(&self, message: &Message) -> Result<Origin, CommandError> {
        let correlation = message.correlation_id;
        let of_saga = self.orders.entity_of(SagaId(correlation)).await?;
        Ok(Origin {
            order: of_saga.unwrap_or(correlation),
            saga: of_saga.map(|_| SagaId(correlation)),
        })
    }
}

/// What a message was sent for.
struct Origin {
    order: Uuid,
    saga: Option<SagaId>,
}

fn edited(found: Parked, body: &RawValue) -> Message {
    let mut message = found.message;
    message.body = Arc::from(body.to_owned());
    message
}
