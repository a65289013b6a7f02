//! The queues of parked messages: the first message of each entity, and those behind it.
//!
//! A row that cannot be read holds its entity, and nobody else.

use std::collections::HashMap;

use sagas::{MessageId, ShardId, Timestamp};
use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select,
};
use uuid::Uuid;

use super::{Parked, ParkedState, find, from_row};
use crate::tables::parked;
use crate::{ServiceDatabase, StoreError, loading, mapping};

/// The first of an entity's parked messages, without the message itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParkedHead {
    /// The message's own id.
    pub id: MessageId,
    /// Whose later messages wait behind it.
    pub entity: Uuid,
    /// The order in which the shard parked its messages.
    pub place: u64,
    /// What it waits for.
    pub state: ParkedState,
    /// How often it has been tried.
    pub attempts: u32,
    /// When it is tried again.
    pub next_attempt_at: Option<Timestamp>,
    /// Counts the row's changes; [`NEVER_READ`](ParkedHead::NEVER_READ) when it cannot be read.
    pub version: u64,
}

impl ParkedHead {
    /// The version of a row that nobody could read.
    pub const NEVER_READ: u64 = 0;
}

/// The columns of a head.
#[derive(FromQueryResult)]
struct HeadRow {
    message_id: Uuid,
    entity_id: Uuid,
    place: i64,
    attempts: i32,
    state: String,
    next_attempt_at: Option<i64>,
    version: i64,
}

impl From<HeadRow> for ParkedHead {
    fn from(row: HeadRow) -> Self {
        ParkedHead {
            id: MessageId(row.message_id),
            entity: row.entity_id,
            place: mapping::unsigned(row.place),
            // A state of another release is nothing that this one may go on from.
            state: ParkedState::from_name(&row.state).unwrap_or(ParkedState::Quarantined),
            attempts: u32::try_from(row.attempts).unwrap_or(0),
            next_attempt_at: row.next_attempt_at.map(Timestamp::from_micros),
            version: mapping::unsigned(row.version),
        }
    }
}

fn of_shard(shard: ShardId) -> Select<parked::Entity> {
    parked::Entity::find().filter(parked::Column::Shard.eq(i32::from(shard.number)))
}

/// The first parked message of each entity of a shard. One whose row cannot be read holds its
/// entity all the same.
///
/// # Errors
/// When the database does not answer.
pub async fn heads(
    database: &ServiceDatabase,
    shard: ShardId,
) -> Result<Vec<ParkedHead>, StoreError> {
    let places = of_shard(shard)
        .select_only()
        .column(parked::Column::EntityId)
        .column_as(parked::Column::Place.min(), "first_place")
        .group_by(parked::Column::EntityId)
        .into_tuple::<(Uuid, i64)>()
        .all(&database.read)
        .await;
    let places = match places {
        Ok(places) => places,
        Err(error) if loading::is_of_a_row(&error) => readable_places(database, shard).await?,
        Err(error) => return Err(database.failed(error)),
    };

    let mut heads = Vec::with_capacity(places.len());
    for (entity, place) in places {
        heads.extend(head_at(database, shard, entity, place).await?);
    }
    Ok(heads)
}

/// The first place of each entity, less those rows whose entity or place cannot be read.
async fn readable_places(
    database: &ServiceDatabase,
    shard: ShardId,
) -> Result<Vec<(Uuid, i64)>, StoreError> {
    let ids: Vec<Uuid> = of_shard(shard)
        .select_only()
        .column(parked::Column::MessageId)
        .into_tuple()
        .all(&database.read)
        .await
        .map_err(|e| database.failed(e))?;
    let ids: Vec<_> = ids.into_iter().map(MessageId).collect();

    let query = async |ids: Vec<Uuid>| {
        of_shard(shard)
            .filter(parked::Column::MessageId.is_in(ids))
            .select_only()
            .column(parked::Column::MessageId)
            .column(parked::Column::EntityId)
            .column(parked::Column::Place)
            .into_tuple::<(Uuid, Uuid, i64)>()
            .all(&database.read)
            .await
    };
    let read = |(id, entity, place): (Uuid, Uuid, i64)| (MessageId(id), Ok((entity, place)));

    let mut first: HashMap<Uuid, i64> = HashMap::new();
    for (id, row) in loading::by_ids(database, &ids, "parked message", query, read).await? {
        match row {
            Ok((entity, place)) => {
                let known = first.entry(entity).or_insert(place);
                *known = Ord::min(place, *known);
            }
            Err(error) => tracing::error!(
                message.id = %id, error = %error.chain(),
                "nobody knows whose parked message this is"
            ),
        }
    }
    Ok(first.into_iter().collect())
}

/// The parked message of an entity at a place, as far as it can be read.
async fn head_at(
    database: &ServiceDatabase,
    shard: ShardId,
    entity: Uuid,
    place: i64,
) -> Result<Option<ParkedHead>, StoreError> {
    let head = of_shard(shard)
        .filter(parked::Column::EntityId.eq(entity))
        .filter(parked::Column::Place.eq(place))
        .into_model::<HeadRow>()
        .one(&database.read)
        .await;

    match head {
        Ok(head) => Ok(head.map(ParkedHead::from)),
        Err(error) if loading::is_of_a_row(&error) => {
            tracing::error!(entity.id = %entity, error = %error, "a parked message cannot be read");
            unreadable_head(database, shard, entity, place)
                .await
                .map(Some)
        }
        Err(error) => Err(database.failed(error)),
    }
}

/// What can be told of a parked message whose row cannot be read.
async fn unreadable_head(
    database: &ServiceDatabase,
    shard: ShardId,
    entity: Uuid,
    place: i64,
) -> Result<ParkedHead, StoreError> {
    let id: Option<Uuid> = of_shard(shard)
        .select_only()
        .column(parked::Column::MessageId)
        .filter(parked::Column::EntityId.eq(entity))
        .filter(parked::Column::Place.eq(place))
        .into_tuple()
        .one(&database.read)
        .await
        .map_err(|e| database.failed(e))?;

    Ok(ParkedHead {
        id: MessageId(id.unwrap_or_default()),
        entity,
        place: mapping::unsigned(place),
        // It is looked at as soon as it can be read.
        state: ParkedState::Waiting,
        attempts: 0,
        next_attempt_at: None,
        version: ParkedHead::NEVER_READ,
    })
}

/// The first message that is parked for an entity behind the place `after`.
///
/// # Errors
/// When the database does not answer.
pub async fn next_behind(
    database: &ServiceDatabase,
    shard: ShardId,
    entity: Uuid,
    after: u64,
) -> Result<Option<ParkedHead>, StoreError> {
    let place: Option<Option<i64>> = of_shard(shard)
        .select_only()
        .column_as(parked::Column::Place.min(), "next_place")
        .filter(parked::Column::EntityId.eq(entity))
        .filter(parked::Column::Place.gt(mapping::signed(after)))
        .into_tuple()
        .one(&database.read)
        .await
        .map_err(|e| database.failed(e))?;

    match place.flatten() {
        Some(place) => head_at(database, shard, entity, place).await,
        None => Ok(None),
    }
}

/// The parked messages of an entity from its first one on, at most `limit`; fewer when one of them
/// cannot be read. None when the first one is not there.
///
/// # Errors
/// When the database does not answer, or the first one cannot be read.
pub async fn from_head(
    database: &ServiceDatabase,
    shard: ShardId,
    head: &ParkedHead,
    limit: u64,
) -> Result<Vec<Parked>, StoreError> {
    let rows = of_shard(shard)
        .filter(parked::Column::EntityId.eq(head.entity))
        .filter(parked::Column::Place.gte(mapping::signed(head.place)))
        .order_by_asc(parked::Column::Place)
        .limit(limit)
        .all(&database.read)
        .await;

    let rows = match rows {
        Ok(rows) => rows,
        // One of them cannot be read; the first one may be.
        Err(error) if loading::is_of_a_row(&error) => {
            return Ok(find(database, head.id).await?.into_iter().collect());
        }
        Err(error) => return Err(database.failed(error)),
    };

    let mut queue = Vec::with_capacity(rows.len());
    for row in rows {
        let is_first = row.message_id == head.id.0;
        match from_row(database.service, row) {
            Ok(parked) if is_first || !queue.is_empty() => queue.push(parked),
            Err(error) if is_first => return Err(error),
            _ => break,
        }
    }
    Ok(queue)
}

/// The place of the message that was parked last in a shard; 0 when none is parked.
///
/// # Errors
/// When the database does not answer.
pub async fn last_place(database: &ServiceDatabase, shard: ShardId) -> Result<u64, StoreError> {
    let place: Option<Option<i64>> = of_shard(shard)
        .select_only()
        .column_as(parked::Column::Place.max(), "last_place")
        .into_tuple()
        .one(&database.read)
        .await
        .map_err(|e| database.failed(e))?;
    Ok(place.flatten().map_or(0, mapping::unsigned))
}
