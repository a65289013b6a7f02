//! The release of an order that was given up, on its way: in a choreography the order is rejected
//! first, and its customer releases what it has reserved when it hears of that. Until then the
//! reservation stands, and nothing is wrong.

use domain::{OrderId, OrderState, ShardId};
use store::services::customers::tables::reservation;
use store::services::orders::snapshot::OrderHead;
use store::snapshot::outboxes::Sent;
use store::{SourceStream, history, parking, shards};
use uuid::Uuid;

use super::AuditError;
use super::in_flight;
use super::stores::Stores;

/// Whether something that the reservation of a rejected order waits for is on its way still: from
/// the order to the shard of the customers that hears of it, or from there to the customer.
pub(super) async fn is_on_its_way(
    stores: &Stores,
    order: OrderId,
    head: &OrderHead,
    reservation: &reservation::Model,
) -> Result<bool, AuditError> {
    let customer = reservation.customer_id;
    let orders = ShardId::of(domain::ORDERS, order.0, stores.shards);
    let hears = ShardId::new(domain::CUSTOMERS, orders.number);
    let holds = ShardId::of(domain::CUSTOMERS, customer, stores.shards);

    let is_to_it = |sent: &Sent| sent.entity == customer;
    Ok(is_unheard(stores, order, head, (orders, hears)).await?
        || in_flight::is_any(stores, (hears, holds), is_to_it).await?
        || parking::count_of(&stores.customers, customer).await? > 0)
}

/// Whether the customers have not heard of the rejection, or cannot go on with it.
async fn is_unheard(
    stores: &Stores,
    OrderId(order): OrderId,
    head: &OrderHead,
    (orders, hears): (ShardId, ShardId),
) -> Result<bool, AuditError> {
    let heard = shards::positions(&stores.customers, hears).await?;
    let heard = heard.get(&SourceStream::events(orders)).copied();
    let version = u64::try_from(head.version).unwrap_or(0);
    let rejected = history::events(&stores.orders, orders, order, version, 1).await?;

    let is_beyond = rejected
        .first()
        .is_none_or(|event| event.sequence > heard.unwrap_or(0));
    Ok(is_beyond || parking::count_of(&stores.customers, order).await? > 0)
}

/// Whether each order must have a deadline of its own now: only one that waits in a choreography.
pub(super) fn with_deadlines<'a>(
    heads: impl IntoIterator<Item = (&'a Uuid, &'a OrderHead)>,
) -> Vec<(Uuid, bool)> {
    let waits = |head: &OrderHead| match OrderState::from_name(&head.state) {
        Some(OrderState::Pending) => head.choreography.created,
        Some(OrderState::CancelPending) => head.choreography.cancel,
        _ => false,
    };
    heads
        .into_iter()
        .map(|(id, head)| (*id, waits(head)))
        .collect()
}
