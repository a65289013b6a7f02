//! An order as it was.

use domain::order::OrderCreated;
use domain::{Order, OrderEvent, OrderId};
use sagas::ShardId;

use crate::history::{self, AsOf};
use crate::{Message, ServiceDatabase, StoreError};

/// Events of an order that are read at once. It has few.
const PAGE: usize = 100;

/// An order as it was; `None` before it existed, and for a version that it has not reached.
///
/// # Errors
/// When the database does not answer, or an event cannot be read.
pub async fn as_of(
    database: &ServiceDatabase,
    shard: ShardId,
    id: OrderId,
    as_of: AsOf,
) -> Result<Option<(Order, OrderCreated)>, StoreError> {
    let mut state: Option<(Order, OrderCreated)> = None;

    let mut from_version = 1;
    loop {
        let page = history::events(database, shard, id.0, from_version, PAGE).await?;
        let Some(last) = page.last() else { break };
        from_version = last.version + 1;

        for message in page.iter().take_while(|message| as_of.includes(message)) {
            fold(&mut state, id, message)?;
        }
    }

    let reached = |order: &Order| match as_of {
        AsOf::Version(version) => order.version == version,
        AsOf::Time(_) => true,
    };

    Ok(state.filter(|(order, _)| reached(order)))
}

fn fold(
    state: &mut Option<(Order, OrderCreated)>,
    id: OrderId,
    message: &Message,
) -> Result<(), StoreError> {
    let due = state.as_ref().map_or(1, |(order, _)| order.version + 1);
    if message.version != due {
        return Err(history::with_a_hole(message, due));
    }
    let event: OrderEvent = history::decode(message)?;

    let (before, created) = state.take().unzip();
    let order = Order::folded(before, id, &event, message.time);
    *state = order.zip(created.or_else(|| event.into_creation()));

    match state {
        Some(_) => Ok(()),
        None => Err(history::out_of_place(message)),
    }
}
