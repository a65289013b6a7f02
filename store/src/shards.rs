//! What an owner reads of a shard after it has taken it over.

use ::sagas::{Service, ShardId};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder};

use crate::fixed::FixedQuery;
use crate::log::{Heads, InboxPositions, SourceStream, Stream};
use crate::parking::ParkedHead;
use crate::tables::{inbox, shard};
use crate::timers::StoredTimer;
use crate::{ServiceDatabase, StoreError, mapping, parking, timers};

/// The durable state of a shard besides its entities.
#[derive(Clone, Debug)]
pub struct ShardState {
    /// The position reached in each stream of each source.
    pub positions: InboxPositions,
    /// The first parked message of each entity.
    pub parked: Vec<ParkedHead>,
    /// The place of the message that was parked last.
    pub last_parked_place: u64,
    /// Who is to be woken, and when.
    pub timers: Vec<StoredTimer>,
}

/// Reads the state of a shard. Only after its epoch was raised is it sure that nobody else changes
/// it.
///
/// # Errors
/// When the database does not answer, or a row cannot be read.
pub async fn load(database: &ServiceDatabase, shard: ShardId) -> Result<ShardState, StoreError> {
    Ok(ShardState {
        positions: positions(database, shard).await?,
        parked: parking::heads(database, shard).await?,
        last_parked_place: parking::last_place(database, shard).await?,
        timers: timers::of_shard(database, shard).await?,
    })
}

/// The positions a shard has reached.
///
/// # Errors
/// When the database does not answer, or a row cannot be read.
pub async fn positions(
    database: &ServiceDatabase,
    shard: ShardId,
) -> Result<InboxPositions, StoreError> {
    static QUERY: FixedQuery = FixedQuery::new();
    let number = i32::from(shard.number);
    let query = QUERY.bound(database.read.backend(), [number.into()], || {
        inbox::Entity::find().filter(inbox::Column::Shard.eq(number))
    });
    let rows = inbox::Model::find_by_statement(query).all(&database.read);
    let rows = rows.await.map_err(|e| database.failed(e))?;

    let what = || format!("inbox of shard {shard}");
    rows.iter().map(|row| position(row, what)).collect()
}

/// The position that a row of an inbox tells. `what` names it in the error.
fn position(
    row: &inbox::Model,
    what: impl Fn() -> String + Copy,
) -> Result<(SourceStream, u64), StoreError> {
    let name = &row.source_service;
    let service = mapping::named(Service::from_name(name), name, what)?;
    let number = u16::try_from(row.source_shard).map_err(|e| StoreError::Corrupt {
        what: what(),
        source: Box::new(e),
    })?;
    let stream = mapping::named(Stream::from_name(&row.stream), &row.stream, what)?;

    let source = ShardId::new(service, number);
    let stream = SourceStream { source, stream };
    Ok((stream, mapping::unsigned(row.position)))
}

/// How far the events of other services have been heard by this one: those of a shard by the shard
/// of the same number.
///
/// # Errors
/// When the database does not answer, or a row cannot be read.
pub async fn heard(database: &ServiceDatabase) -> Result<InboxPositions, StoreError> {
    static QUERY: FixedQuery = FixedQuery::new();
    let events = Stream::Events.name();
    let query = QUERY.bound(database.read.backend(), [events.into()], || {
        inbox::Entity::find().filter(inbox::Column::Stream.eq(events))
    });
    let rows = inbox::Model::find_by_statement(query).all(&database.read);
    let rows = rows.await.map_err(|e| database.failed(e))?;

    let what = || format!("inbox of {}", database.service);
    rows.iter().map(|row| position(row, what)).collect()
}

/// Who owns the shards of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// Which one.
    pub shard: ShardId,
    /// The node that holds it.
    pub owner: String,
    /// Raised by each take-over.
    pub epoch: u64,
}

/// The owners of all shards of a service, in the order of their numbers.
///
/// # Errors
/// When the database does not answer.
pub async fn owners(database: &ServiceDatabase) -> Result<Vec<Ownership>, StoreError> {
    let rows = shard::Entity::find()
        .order_by_asc(shard::Column::Shard)
        .all(&database.read)
        .await
        .map_err(|e| database.failed(e))?;
    let ownership = |row: shard::Model| Ownership {
        shard: ShardId::new(database.service, u16::try_from(row.shard).unwrap_or(0)),
        owner: row.owner,
        epoch: mapping::unsigned(row.epoch),
    };
    Ok(rows.into_iter().map(ownership).collect())
}

/// How far the outboxes of all shards of a service have come, as their owners have noted it last. A
/// note that cannot be read says nothing.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn noted_heads(
    database: &ServiceDatabase,
) -> Result<Vec<(ShardId, Heads)>, StoreError> {
    static QUERY: FixedQuery = FixedQuery::new();
    let query = QUERY.bound(database.read.backend(), [], shard::Entity::find);
    let rows = shard::Model::find_by_statement(query).all(&database.read);
    let rows = rows.await.map_err(|e| database.failed(e))?;

    let noted = |row: shard::Model| {
        let shard = ShardId::new(database.service, u16::try_from(row.shard).ok()?);
        let published = mapping::unsigned(row.published);
        let heads = Heads::from_json(shard, published, &row.heads).ok()?;
        Some((shard, heads))
    };
    Ok(rows.into_iter().filter_map(noted).collect())
}
