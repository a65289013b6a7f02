//! Reading the outbox: messages to a destination, the history of an entity, and the state as it
//! was.

pub(crate) mod salvage;

use domain::order::OrderCreated;
use domain::{Customer, CustomerEvent, CustomerId, Order, OrderEvent, OrderId};
use sagas::{ShardId, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;

use crate::log::{Destination, Message};
use crate::mapping::signed;
use crate::tables::{history, outbox};
use crate::unit::MAX_MESSAGES;
use crate::{ServiceDatabase, StoreError};
use salvage::Stored;

/// Rows read at once, at most.
const PAGE: usize = 1000;

/// What was found in an outbox.
pub(crate) struct Read {
    pub messages: Vec<Message>,
    /// No more has been committed.
    pub to_the_end: bool,
    /// A row was damaged: what it held for the destination may be missing.
    pub damaged: bool,
}

/// The messages from `source` to `destination` after `after`, oldest first; see
/// [`crate::Log::read`].
pub(crate) async fn messages(
    database: &ServiceDatabase,
    source: ShardId,
    destination: Destination,
    after: u64,
    limit: usize,
) -> Result<Read, StoreError> {
    let mut read = Read {
        messages: Vec::new(),
        to_the_end: false,
        damaged: false,
    };

    let mut previous = after;
    // The row that holds the message `after` may hold later ones too.
    let mut beyond = signed(after).saturating_sub(i64::try_from(MAX_MESSAGES).unwrap_or(0));

    loop {
        let rows = page(source, destination, beyond, limit)
            .into_model::<Stored>()
            .all(&database.read)
            .await
            .map_err(|e| database.failed(e))?;

        // A row without a place comes last.
        let Some(last) = rows.iter().filter_map(|row| row.sequence).next_back() else {
            read.to_the_end = true;
            return Ok(read);
        };
        beyond = last;

        for row in rows {
            let salvaged = row.salvage(source);
            read.damaged |= salvaged.damaged;

            for mut message in salvaged.messages {
                if message.destination != destination || message.sequence <= after {
                    continue;
                }
                if read.messages.len() == limit {
                    return Ok(read);
                }
                message.previous = previous;
                previous = message.sequence;
                read.messages.push(message);
            }
        }
    }
}

/// Rows that may hold messages to a destination.
fn page(
    source: ShardId,
    destination: Destination,
    beyond: i64,
    limit: usize,
) -> Select<outbox::Entity> {
    let (wanted, page) = match destination {
        // Each of these rows has an event.
        Destination::Events => (outbox::Column::Events.is_not_null(), limit.clamp(1, PAGE)),
        // Most of these are for other shards.
        Destination::Shard(_) => (outbox::Column::Messages.is_not_null(), PAGE),
    };

    outbox::Entity::find()
        .filter(outbox::Column::Shard.eq(i32::from(source.number)))
        .filter(outbox::Column::Sequence.gt(beyond))
        .filter(wanted)
        .order_by_asc(outbox::Column::Sequence)
        .limit(u64::try_from(page).unwrap_or(u64::MAX))
}

/// The events of an entity, which lies in `shard`, from `from_version` on, oldest first, at most
/// `limit`. One that cannot be read is there as an unreadable one.
///
/// # Errors
/// When the database does not answer.
pub async fn events(
    database: &ServiceDatabase,
    shard: ShardId,
    entity: Uuid,
    from_version: u64,
    limit: usize,
) -> Result<Vec<Message>, StoreError> {
    // The row that holds the event of this version may hold earlier ones too.
    let beyond = signed(from_version).saturating_sub(i64::try_from(MAX_MESSAGES).unwrap_or(0));
    let rows = rows_of(shard, entity)
        .filter(history::Column::Version.gt(beyond))
        .order_by_asc(history::Column::Version)
        .limit(u64::try_from(limit + MAX_MESSAGES).unwrap_or(u64::MAX))
        .into_model::<Stored>()
        .all(&database.read)
        .await
        .map_err(|e| database.failed(e))?;

    let mut found = Vec::new();

    for row in rows {
        let messages = row.salvage(shard).messages.into_iter();
        found.extend(messages.filter(|message| {
            message.destination == Destination::Events && message.version >= from_version
        }));
    }

    found.truncate(limit);

    Ok(found)
}

fn rows_of(shard: ShardId, entity: Uuid) -> Select<history::Entity> {
    let of_shard = history::Column::Shard.eq(i32::from(shard.number));
    history::Entity::find()
        .filter(history::Column::EntityId.eq(entity))
        .filter(of_shard)
}

/// A point in an entity's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    Version(u64),
    /// The newest state that had been reached then.
    Time(Timestamp),
}

/// An order as it was; `None` before it existed, and for a version that it has not reached.
///
/// # Errors
/// When the database does not answer, or an event cannot be read.
pub async fn order_as_of(
    database: &ServiceDatabase,
    shard: ShardId,
    id: OrderId,
    as_of: AsOf,
) -> Result<Option<(Order, OrderCreated)>, StoreError> {
    // An order has few events, so they are folded.
    let mut state: Option<(Order, OrderCreated)> = None;

    let mut from_version = 1;
    loop {
        let page = events(database, shard, id.0, from_version, 100).await?;
        let Some(last) = page.last() else { break };
        from_version = last.version + 1;
        for message in &page {
            let beyond = match as_of {
                AsOf::Version(version) => message.version > version,
                AsOf::Time(time) => message.time > time,
            };
            if beyond {
                break;
            }
            let event = decode_order_event(message)?;
            match (&mut state, &event) {
                (None, OrderEvent::Created(created)) => {
                    state = Some((Order::created(id, created, message.time), created.clone()));
                }
                (Some((order, _)), event) => order.apply(event, message.time),
                (None, _) => {
                    return Err(unreadable(
                        message,
                        "the history does not begin with its creation".into(),
                    ));
                }
            }
        }
    }

    let reached = |order: &Order| match as_of {
        AsOf::Version(version) => order.version == version,
        AsOf::Time(_) => true,
    };

    Ok(state.filter(|(order, _)| reached(order)))
}

/// A customer as it was; as [`order_as_of`].
///
/// # Errors
/// When the database does not answer, or an event cannot be read.
pub async fn customer_as_of(
    database: &ServiceDatabase,
    shard: ShardId,
    id: CustomerId,
    as_of: AsOf,
) -> Result<Option<Customer>, StoreError> {
    let version = match as_of {
        AsOf::Version(version) => version,
        AsOf::Time(time) => version_at(database, shard, id.0, time).await?,
    };

    let Some(first) = events(database, shard, id.0, 1, 1)
        .await?
        .pop()
        .filter(|_| version > 0)
    else {
        return Ok(None);
    };

    let Some(newest) = events(database, shard, id.0, version, 1).await?.pop() else {
        return Ok(None);
    };

    let CustomerEvent::Created(created) = decode_customer_event(&first)? else {
        return Err(unreadable(
            &first,
            "the history does not begin with its creation".into(),
        ));
    };

    let mut customer = Customer::created(id, &created, first.time);

    if newest.version > 1 {
        // Each event carries the balance after it, so the ones between need not be read.
        customer.apply(&decode_customer_event(&newest)?, newest.time);
        customer.version = newest.version;
    }

    Ok(Some(customer))
}

/// The version an entity had reached at `time`, 0 before its first. Its times never go back, so it
/// is found by halving.
async fn version_at(
    database: &ServiceDatabase,
    shard: ShardId,
    entity: Uuid,
    time: Timestamp,
) -> Result<u64, StoreError> {
    let mut reached = 0;

    let mut beyond = newest_version(database, shard, entity).await? + 1;
    while beyond - reached > 1 {
        let middle = reached + (beyond - reached) / 2;
        match events(database, shard, entity, middle, 1).await?.first() {
            Some(message) if message.time <= time => reached = middle,
            _ => beyond = middle,
        }
    }

    Ok(reached)
}

async fn newest_version(
    database: &ServiceDatabase,
    shard: ShardId,
    entity: Uuid,
) -> Result<u64, StoreError> {
    let row = rows_of(shard, entity)
        .order_by_desc(history::Column::Version)
        .into_model::<Stored>()
        .one(&database.read)
        .await
        .map_err(|e| database.failed(e))?;

    let Some(row) = row else { return Ok(0) };
    let newest = row
        .salvage(shard)
        .messages
        .iter()
        .map(|message| message.version)
        .max();
    Ok(newest.unwrap_or(0))
}

/// Decodes an event of an order.
///
/// # Errors
/// When its type is unknown or its body malformed.
pub fn decode_order_event(message: &Message) -> Result<OrderEvent, StoreError> {
    OrderEvent::decode(&message.name, message.type_version, message.body.get())
        .map_err(|e| unreadable(message, e.into()))
}

/// Decodes an event of a customer.
///
/// # Errors
/// When its type is unknown or its body malformed.
pub fn decode_customer_event(message: &Message) -> Result<CustomerEvent, StoreError> {
    CustomerEvent::decode(&message.name, message.type_version, message.body.get())
        .map_err(|e| unreadable(message, e.into()))
}

fn unreadable(message: &Message, source: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Corrupt {
        what: format!("event {} of {}", message.version, message.entity),
        source,
    }
}

#[cfg(test)]
mod tests;
