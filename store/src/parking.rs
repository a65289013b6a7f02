//! Parked messages: those that wait for a retry or, in quarantine, for an operator, with all later
//! ones of the same entity. They are rows of the same unit that advances the position, so nothing
//! is lost and nothing comes twice.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use ::sagas::Attempt;
use domain::{MessageId, SagaId, Service, ShardId, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Select,
};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::loading::{self, Found};
use crate::log::{Destination, Message};
use crate::tables::parked;
use crate::{ServiceDatabase, StoreError, mapping};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParkedState {
    /// For its next attempt, or for a message before it.
    Waiting,
    /// For an operator.
    Quarantined,
}

impl ParkedState {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ParkedState::Waiting => "WAITING",
            ParkedState::Quarantined => "QUARANTINED",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [ParkedState::Waiting, ParkedState::Quarantined]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// A parked message.
#[derive(Clone, Debug)]
pub struct Parked {
    /// The message's own.
    pub id: MessageId,
    pub message: Message,
    /// The order in which the shard parked its messages.
    pub place: u64,
    pub state: ParkedState,
    pub attempts: u32,
    /// Why the last attempt failed; absent when it waits for another message.
    pub cause: Option<String>,
    pub next_attempt_at: Option<Timestamp>,
    pub parked_at: Timestamp,
    pub version: u64,
}

/// The row of a parked message.
#[must_use]
pub fn to_row(parked: &Parked, shard: ShardId) -> parked::Model {
    let message = &parked.message;
    parked::Model {
        message_id: parked.id.0,
        shard: i32::from(shard.number),
        entity_id: message.entity,
        place: mapping::signed(parked.place),
        source_service: message.source.service.name().to_owned(),
        source_shard: i32::from(message.source.number),
        source_sequence: mapping::signed(message.sequence),
        name: message.name.clone().into_owned(),
        type_version: i32::from(message.type_version),
        correlation_id: message.correlation_id,
        saga_id: message.attempt.as_ref().map(|attempt| attempt.saga.0),
        saga_step: message
            .attempt
            .as_ref()
            .map(|attempt| attempt.step.clone().into_owned()),
        saga_attempt: message
            .attempt
            .as_ref()
            .map(|attempt| i64::from(attempt.number)),
        time: message.time.micros(),
        body: message.body.get().to_owned(),
        attempts: i32::try_from(parked.attempts).unwrap_or(i32::MAX),
        state: parked.state.name().to_owned(),
        cause: parked.cause.clone(),
        next_attempt_at: parked.next_attempt_at.map(Timestamp::micros),
        parked_at: parked.parked_at.micros(),
        version: mapping::signed(parked.version),
    }
}

fn from_row(service: Service, row: parked::Model) -> Result<Parked, StoreError> {
    let id = row.message_id;

    let what = || format!("parked message {id}");
    let corrupt = |e: std::num::TryFromIntError| StoreError::Corrupt {
        what: what(),
        source: Box::new(e),
    };
    let shard = ShardId::new(service, u16::try_from(row.shard).map_err(corrupt)?);

    let source = ShardId::new(
        mapping::named(
            Service::from_name(&row.source_service),
            &row.source_service,
            what,
        )?,
        u16::try_from(row.source_shard).map_err(corrupt)?,
    );

    let body = RawValue::from_string(row.body).map_err(|e| StoreError::Corrupt {
        what: what(),
        source: Box::new(e),
    })?;

    let attempt = match (row.saga_id, row.saga_step, row.saga_attempt) {
        (Some(saga), Some(step), Some(number)) => Some(Attempt {
            saga: SagaId(saga),
            step: Cow::Owned(step),
            number: u32::try_from(number).map_err(corrupt)?,
        }),
        _ => None,
    };

    Ok(Parked {
        id: MessageId(id),
        message: Message {
            source,
            sequence: mapping::unsigned(row.source_sequence),
            previous: 0,
            destination: Destination::Shard(shard),
            entity: row.entity_id,
            version: 0,
            name: Cow::Owned(row.name),
            type_version: u16::try_from(row.type_version).map_err(corrupt)?,
            correlation_id: row.correlation_id,
            attempt,
            time: Timestamp::from_micros(row.time),
            body: Arc::from(body),
        },
        place: mapping::unsigned(row.place),
        state: mapping::named(ParkedState::from_name(&row.state), &row.state, what)?,
        attempts: u32::try_from(row.attempts).map_err(corrupt)?,
        cause: row.cause,
        next_attempt_at: row.next_attempt_at.map(Timestamp::from_micros),
        parked_at: Timestamp::from_micros(row.parked_at),
        version: mapping::unsigned(row.version),
    })
}

/// The first of an entity's parked messages, without the message itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParkedHead {
    /// The message's own id.
    pub id: MessageId,
    /// Whose later messages wait behind it.
    pub entity: Uuid,
    /// The order in which the shard parked its messages.
    pub place: u64,
    /// What it waits for; an operator, when its row cannot be read.
    pub state: ParkedState,
    /// How often it has been tried.
    pub attempts: u32,
    /// When it is tried again.
    pub next_attempt_at: Option<Timestamp>,
    /// Counts the row's changes.
    pub version: u64,
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
        state: ParkedState::Quarantined,
        attempts: 0,
        next_attempt_at: None,
        version: 0,
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

/// The parked messages among `ids` that exist.
///
/// # Errors
/// When the database does not answer.
pub async fn load(
    database: &ServiceDatabase,
    ids: &[MessageId],
) -> Result<Found<MessageId, Parked>, StoreError> {
    let query = async |ids: Vec<Uuid>| {
        parked::Entity::find()
            .filter(parked::Column::MessageId.is_in(ids))
            .all(&database.read)
            .await
    };

    let read = |row: parked::Model| (MessageId(row.message_id), from_row(database.service, row));
    loading::by_ids(database, ids, "parked message", query, read).await
}

/// One parked message.
///
/// # Errors
/// When the database does not answer, or the row cannot be read.
pub async fn find(database: &ServiceDatabase, id: MessageId) -> Result<Option<Parked>, StoreError> {
    load(database, &[id]).await?.remove(&id).transpose()
}

/// The shard in which a message is parked, whether the rest of its row can be read or not.
///
/// # Errors
/// When the database does not answer.
pub async fn shard_of(
    database: &ServiceDatabase,
    id: MessageId,
) -> Result<Option<ShardId>, StoreError> {
    let number: Option<i32> = parked::Entity::find_by_id(id.0)
        .select_only()
        .column(parked::Column::Shard)
        .into_tuple()
        .one(&database.read)
        .await
        .map_err(|e| database.failed(e))?;

    let number = number.and_then(|number| u16::try_from(number).ok());
    Ok(number.map(|number| ShardId::new(database.service, number)))
}

/// How many messages are parked for an entity.
///
/// # Errors
/// When the database does not answer.
pub async fn count_of(database: &ServiceDatabase, entity: Uuid) -> Result<u64, StoreError> {
    parked::Entity::find()
        .filter(parked::Column::EntityId.eq(entity))
        .count(&database.read)
        .await
        .map_err(|e| database.failed(e))
}

/// The quarantined messages of a service, oldest first, at most `limit`, after the message `after`
/// (time parked and id).
///
/// # Errors
/// When the database does not answer, or a row cannot be read.
pub async fn list_quarantined(
    database: &ServiceDatabase,
    after: Option<(Timestamp, Uuid)>,
    limit: usize,
) -> Result<Vec<Parked>, StoreError> {
    let mut query = parked::Entity::find()
        .select_only()
        .column(parked::Column::MessageId)
        // What this release cannot read waits for an operator, too.
        .filter(parked::Column::State.ne(ParkedState::Waiting.name()));

    if let Some((time, id)) = after {
        let later = parked::Column::ParkedAt
            .gt(time.micros())
            .or(parked::Column::ParkedAt
                .eq(time.micros())
                .and(parked::Column::MessageId.gt(id)));
        query = query.filter(later);
    }

    let ids: Vec<Uuid> = query
        .order_by_asc(parked::Column::ParkedAt)
        .order_by_asc(parked::Column::MessageId)
        .limit(u64::try_from(limit).unwrap_or(u64::MAX))
        .into_tuple()
        .all(&database.read)
        .await
        .map_err(|e| database.failed(e))?;

    let ids: Vec<_> = ids.into_iter().map(MessageId).collect();
    let mut found = load(database, &ids).await?;
    let mut listed = Vec::with_capacity(ids.len());
    for id in ids {
        match found.remove(&id) {
            Some(Ok(parked)) => listed.push(parked),
            Some(Err(error)) => listed.extend(outline(database, id, &error).await?),
            None => {}
        }
    }

    let beyond =
        |parked: &Parked| after.is_none_or(|after| after < (parked.parked_at, parked.id.0));
    let unreadable = unreadable_while_waiting(database).await?;
    listed.extend(unreadable.into_iter().filter(beyond));
    listed.sort_by_key(|parked| (parked.parked_at, parked.id));
    listed.truncate(limit);
    Ok(listed)
}

/// So many entities whose messages wait are looked through for one that cannot be read.
const LOOKED_THROUGH: u64 = 500;

/// The first messages of entities that should be tried again and cannot be read.
async fn unreadable_while_waiting(database: &ServiceDatabase) -> Result<Vec<Parked>, StoreError> {
    let is_first = "NOT EXISTS (SELECT 1 FROM parked_messages before \
        WHERE before.shard = parked_messages.shard \
        AND before.entity_id = parked_messages.entity_id \
        AND before.place < parked_messages.place)";
    let ids: Vec<Uuid> = parked::Entity::find()
        .select_only()
        .column(parked::Column::MessageId)
        .filter(parked::Column::State.eq(ParkedState::Waiting.name()))
        .filter(Expr::cust(is_first))
        .order_by_asc(parked::Column::ParkedAt)
        .limit(LOOKED_THROUGH)
        .into_tuple()
        .all(&database.read)
        .await
        .map_err(|e| database.failed(e))?;

    let ids: Vec<_> = ids.into_iter().map(MessageId).collect();
    let mut unreadable = Vec::new();
    for (id, loaded) in load(database, &ids).await? {
        if let Err(error) = loaded {
            unreadable.extend(outline(database, id, &error).await?);
        }
    }
    Ok(unreadable)
}

/// What can be told of a parked message that cannot be read.
async fn outline(
    database: &ServiceDatabase,
    id: MessageId,
    error: &StoreError,
) -> Result<Option<Parked>, StoreError> {
    let row: Result<Option<(i32, Uuid, i64)>, _> = parked::Entity::find_by_id(id.0)
        .select_only()
        .column(parked::Column::Shard)
        .column(parked::Column::EntityId)
        .column(parked::Column::ParkedAt)
        .into_tuple()
        .one(&database.read)
        .await;

    let (shard, entity, parked_at) = match row {
        Ok(Some(row)) => row,
        Ok(None) => return Ok(None),
        Err(error) if loading::is_of_a_row(&error) => (0, Uuid::nil(), 0),
        Err(error) => return Err(database.failed(error)),
    };

    let shard = ShardId::new(database.service, u16::try_from(shard).unwrap_or(0));
    let parked_at = Timestamp::from_micros(parked_at);
    Ok(Some(Parked {
        id,
        message: Message {
            source: shard,
            sequence: 0,
            previous: 0,
            destination: Destination::Shard(shard),
            entity,
            version: 0,
            name: Cow::Borrowed("unreadable"),
            type_version: 0,
            correlation_id: Uuid::nil(),
            attempt: None,
            time: parked_at,
            body: Arc::from(RawValue::NULL.to_owned()),
        },
        place: 0,
        state: ParkedState::Quarantined,
        attempts: 0,
        cause: Some(error.chain()),
        next_attempt_at: None,
        parked_at,
        version: 0,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parked_message_keeps_its_attempt_for_the_reply() {
        domain::ids::register();
        let shard = ShardId::new(domain::CUSTOMERS, 3);
        let attempt = Attempt {
            saga: SagaId(Uuid::from_u128(1)),
            step: "reserve-credit".into(),
            number: 7,
        };

        for attempt in [Some(attempt), None] {
            let parked = Parked {
                id: MessageId(Uuid::from_u128(6)),
                message: Message {
                    source: ShardId::new(domain::ORDERS, 2),
                    sequence: 9,
                    previous: 0,
                    destination: Destination::Shard(shard),
                    entity: Uuid::from_u128(2),
                    version: 0,
                    name: "test.do".into(),
                    type_version: 1,
                    correlation_id: Uuid::from_u128(3),
                    attempt: attempt.clone(),
                    time: Timestamp::from_micros(4),
                    body: Arc::from(RawValue::from_string("{}".to_owned()).unwrap()),
                },
                place: 1,
                state: ParkedState::Waiting,
                attempts: 1,
                cause: None,
                next_attempt_at: None,
                parked_at: Timestamp::from_micros(5),
                version: 1,
            };

            let read = from_row(shard.service, to_row(&parked, shard)).unwrap();
            assert_eq!(read.message.attempt, attempt);
        }
    }
}
