//! What sagas that were given up leave behind: their last word may still be on its way.
//!
//! Such a saga ends without waiting for its customer, so that the order is `REJECTED` or
//! `CANCELLED` while the customer still holds its credit. That is in order as long as the command
//! that releases it is in flight or parked; after that it is as wrong as without the saga.

use domain::saga::{CANCEL_ORDER, CREATE_ORDER, SagaState, id_of};
use domain::{OrderId, OrderState, SagaId, ShardId};
use store::services::orders::snapshot::OrderHead;
use store::snapshot::outboxes::Sent;
use store::{census, parking};
use uuid::Uuid;

use super::AuditError;
use super::in_flight;
use super::stores::Stores;

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

/// Whether something of the saga may still reach the customer: it waits there, or is in flight from
/// its shard to that of the customer. Whatever else is in flight between them excuses nothing: a
/// last word that was lost would never be missed where others are always on their way.
pub(super) async fn is_on_its_way(
    stores: &Stores,
    saga: SagaId,
    order: OrderId,
    customer: Uuid,
) -> Result<bool, AuditError> {
    let source = ShardId::of(domain::ORDERS, order.0, stores.shards);
    let receiver = ShardId::of(domain::CUSTOMERS, customer, stores.shards);

    // Looked for last: what was in flight before may be parked by now.
    // Of what release 0.1 has sent it is not known to which saga it belongs.
    let is_its_own = |sent: &Sent| match sent.saga {
        Some(of) => of == saga,
        None => sent.entity == customer,
    };
    Ok(
        in_flight::is_any(stores, (source, receiver), is_its_own).await?
            || parking::has_of_saga(&stores.customers, saga).await?,
    )
}
