//! What sagas that were given up leave behind: their last word may still be on its way.
//!
//! Such a saga ends without waiting for its customer, so that the order is `REJECTED` or
//! `CANCELLED` while the customer still holds its credit. That is in order as long as the command
//! that releases it is in flight or parked; after that it is as wrong as without the saga.

use domain::saga::{CANCEL_ORDER, CREATE_ORDER, SagaState, id_of};
use domain::{OrderId, OrderState, SagaId, ShardId};
use store::services::orders::snapshot::OrderHead;
use store::snapshot::Snapshot;
use store::unit::MAX_MESSAGES;
use store::{Destination, Stream, census, parking};
use uuid::Uuid;

use super::AuditError;
use super::stores::Stores;

/// Rows of an outbox read at a time.
const ROWS: u64 = 2_000;

/// The saga that was given up on an order in this state, if there is one.
pub(super) async fn saga(
    stores: &Stores,
    order: OrderId,
    head: &OrderHead,
) -> Result<Option<SagaId>, AuditError> {
    let version = u64::try_from(head.version).unwrap_or(0);
    let saga = match OrderState::from_name(&head.state) {
        Some(OrderState::Rejected) => id_of(&CREATE_ORDER, order, 1),
        // It began one version before its last word.
        Some(OrderState::Cancelled) => id_of(&CANCEL_ORDER, order, version.saturating_sub(1)),
        _ => return Ok(None),
    };

    let state = census::saga_state(&stores.orders, saga).await?;
    let is_given_up = state.as_deref() == Some(SagaState::Abandoned.name());
    Ok(is_given_up.then_some(saga))
}

/// Whether something of the saga may still reach the customer: it waits there, or messages of its
/// shard to that of the customer are in flight.
pub(super) async fn is_on_its_way(
    stores: &Stores,
    saga: SagaId,
    order: OrderId,
    customer: Uuid,
) -> Result<bool, AuditError> {
    let source = ShardId::of(domain::ORDERS, order.0, stores.shards);
    let receiver = ShardId::of(domain::CUSTOMERS, customer, stores.shards);
    let reached = reached(stores, source, receiver).await?;
    // A row has the sequence of its first message, and may hold some that follow.
    let mut after = reached.saturating_sub(i64::try_from(MAX_MESSAGES).unwrap_or(0));

    loop {
        let snapshot = Snapshot::begin(&stores.orders).await?;
        let rows = snapshot.outbox(source, after, ROWS).await?;
        snapshot.end().await?;

        let Some(last) = rows.last() else {
            // Looked for last: what was in flight before may be parked by now.
            return Ok(parking::has_of_saga(&stores.customers, saga).await?);
        };
        after = last.sequence;
        let goes_there = |(sequence, destination): &(u64, Destination)| {
            *destination == Destination::Shard(receiver)
                && i64::try_from(*sequence).is_ok_and(|sequence| sequence > reached)
        };
        // What cannot be read is told of elsewhere.
        let messages = rows.iter().filter_map(|row| row.messages.as_ref().ok());
        if messages.flatten().any(goes_there) {
            return Ok(true);
        }
    }
}

/// How far the receiving shard has read the messages of the other.
async fn reached(stores: &Stores, source: ShardId, receiver: ShardId) -> Result<i64, AuditError> {
    let snapshot = Snapshot::begin(&stores.customers).await?;
    let rows = snapshot.inboxes().await?;
    snapshot.end().await?;

    let position = rows.iter().find(|row| {
        row.shard == i32::from(receiver.number)
            && row.source(stores.shards) == Some(source)
            && row.stream == Stream::Messages.name()
    });
    Ok(position.map_or(0, |row| row.position))
}
