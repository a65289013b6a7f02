//! Reading the outbox: messages to a destination, and the history of an entity.

pub(crate) mod salvage;

use sagas::{ShardId, Timestamp, WireMessage};
use sea_orm::sea_query::{Expr, Func, FunctionCall};
use sea_orm::{
    ColumnTrait, DbBackend, EntityTrait, ExprTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select, Statement,
};
use uuid::Uuid;

use crate::fixed::FixedQuery;
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
    let mut beyond = i64::MIN;
    let at_once = rows_at_once(destination, limit);
    let backend = database.read.backend();
    let wanted = |message: &Message| message.destination == destination && message.sequence > after;

    loop {
        let page = page(backend, (source, destination), (beyond, after), at_once);
        let rows = Stored::find_by_statement(page).all(&database.read).await;
        let rows = rows.map_err(|e| database.failed(e))?;
        let is_last = rows.len() < at_once;

        // A row without a place comes last.
        let Some(last) = rows.iter().filter_map(|row| row.sequence).next_back() else {
            read.to_the_end = true;
            return Ok(read);
        };
        beyond = last;

        for row in rows {
            let salvaged = row.salvage(source);
            read.damaged |= salvaged.damaged;

            for mut message in salvaged.messages.into_iter().filter(wanted) {
                if read.messages.len() == limit {
                    return Ok(read);
                }
                message.previous = std::mem::replace(&mut previous, message.sequence);
                read.messages.push(message);
            }
        }

        if is_last {
            read.to_the_end = true;
            return Ok(read);
        }
    }
}

/// The sequence of the last event of `source` before this place; 0 when there is none.
#[cfg(feature = "kafka")]
pub(crate) async fn event_before(
    database: &ServiceDatabase,
    source: ShardId,
    sequence: u64,
) -> Result<u64, StoreError> {
    let row = outbox::Entity::find()
        .filter(outbox::Column::Shard.eq(i32::from(source.number)))
        .filter(outbox::Column::Sequence.lt(signed(sequence)))
        .filter(outbox::Column::Events.is_not_null())
        .order_by_desc(outbox::Column::Sequence)
        .into_model::<Stored>()
        .one(&database.read)
        .await
        .map_err(|e| database.failed(e))?;

    let Some(row) = row else { return Ok(0) };
    // The row that holds it may hold later ones too.
    let messages = row.salvage(source).messages.into_iter();
    let before = messages
        .filter(|event| event.destination == Destination::Events && event.sequence < sequence)
        .map(|event| event.sequence);
    // Nothing can be had of it: no later place than this is its.
    Ok(before.max().unwrap_or(sequence.saturating_sub(1)))
}

fn rows_at_once(destination: Destination, limit: usize) -> usize {
    match destination {
        // Each of these rows has an event.
        Destination::Events => limit.clamp(1, PAGE),
        // Most of these are for other shards.
        Destination::Shard(_) => PAGE,
    }
}

/// Asks for the rows beyond a sequence that may hold messages to a destination after another.
fn page(
    backend: DbBackend,
    (source, destination): (ShardId, Destination),
    (beyond, after): (i64, u64),
    rows: usize,
) -> Statement {
    static EVENTS: FixedQuery = FixedQuery::new();
    static MESSAGES: FixedQuery = FixedQuery::new();
    let (fixed, wanted) = match destination {
        Destination::Events => (&EVENTS, outbox::Column::Events),
        Destination::Shard(_) => (&MESSAGES, outbox::Column::Messages),
    };

    let (shard, after) = (i32::from(source.number), signed(after));
    let rows = u64::try_from(rows).unwrap_or(u64::MAX);
    let values = [
        shard.into(),
        beyond.into(),
        shard.into(),
        after.into(),
        0_i64.into(),
        rows.into(),
    ];
    fixed.bound(backend, values, || {
        outbox::Entity::find()
            .filter(outbox::Column::Shard.eq(shard))
            .filter(outbox::Column::Sequence.gt(beyond))
            .filter(
                Expr::col((outbox::Entity, outbox::Column::Sequence)).gte(holding(shard, after)),
            )
            .filter(wanted.is_not_null())
            .order_by_asc(outbox::Column::Sequence)
            .limit(rows)
    })
}

/// The place of the last row at or before a sequence, which may hold later messages, too. How many
/// a row says that it holds is not asked: where that is wrong, its messages are still there.
fn holding(shard: i32, sequence: i64) -> FunctionCall {
    let before = outbox::Entity::find()
        .select_only()
        .column_as(outbox::Column::Sequence.max(), "last")
        .filter(outbox::Column::Shard.eq(shard))
        .filter(outbox::Column::Sequence.lte(sequence))
        .into_query();
    Func::coalesce([before.into(), Expr::val(0_i64)])
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
    /// Its state after the event of this version.
    Version(u64),
    /// The newest state that had been reached then.
    Time(Timestamp),
}

impl AsOf {
    /// Whether an event had happened by then.
    #[must_use]
    pub fn includes(self, event: &Message) -> bool {
        match self {
            AsOf::Version(version) => event.version <= version,
            AsOf::Time(time) => event.time <= time,
        }
    }
}

/// The version an entity had reached at `time`, 0 before its first. Its times never go back, so it
/// is found by halving.
///
/// # Errors
/// When the database does not answer.
pub async fn version_at(
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

/// Reads the event that a message carries.
///
/// # Errors
/// When its type is unknown or its body malformed.
pub fn decode<E: WireMessage>(message: &Message) -> Result<E, StoreError> {
    E::decode(&message.name, message.type_version, message.body.get())
        .map_err(|e| unreadable(message, e.into()))
}

/// A history whose first event does not create its entity, or whose later one cannot happen to it.
#[must_use]
pub fn out_of_place(message: &Message) -> StoreError {
    let what = match message.version {
        1 => "the history does not begin with its creation",
        _ => "it cannot happen to what the events before it have made",
    };
    unreadable(message, what.into())
}

/// A history in which the event before this one is missing.
#[must_use]
pub fn with_a_hole(message: &Message, due: u64) -> StoreError {
    StoreError::Corrupt {
        what: format!("history of {}", message.entity),
        source: format!("event {due} is missing before event {}", message.version).into(),
    }
}

fn unreadable(message: &Message, source: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Corrupt {
        what: format!("event {} of {}", message.version, message.entity),
        source,
    }
}

#[cfg(test)]
mod tests;
