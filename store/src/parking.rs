//! Parked messages: those that wait for a retry or, in quarantine, for an operator, with all later
//! ones of the same entity. They are rows of the same unit that advances the position, so nothing
//! is lost and nothing comes twice.

use std::borrow::Cow;
use std::sync::Arc;

use domain::{MessageId, Service, ShardId, Timestamp};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde_json::value::RawValue;
use uuid::Uuid;

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
        message_id: message.id().0,
        shard: i32::from(shard.number),
        entity_id: message.entity,
        place: mapping::signed(parked.place),
        source_service: message.source.service.name().to_owned(),
        source_shard: i32::from(message.source.number),
        source_sequence: mapping::signed(message.sequence),
        name: message.name.clone().into_owned(),
        type_version: i32::from(message.type_version),
        correlation_id: message.correlation_id,
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

    Ok(Parked {
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

/// The parked messages of a shard, in the order they were parked.
///
/// # Errors
/// When the database does not answer, or a row cannot be read.
pub async fn of_shard(
    database: &ServiceDatabase,
    shard: ShardId,
) -> Result<Vec<Parked>, StoreError> {
    let rows = parked::Entity::find()
        .filter(parked::Column::Shard.eq(i32::from(shard.number)))
        .order_by_asc(parked::Column::Place)
        .all(&database.read)
        .await
        .map_err(|e| database.failed(e))?;
    rows.into_iter()
        .map(|row| from_row(database.service, row))
        .collect()
}

/// One parked message.
///
/// # Errors
/// When the database does not answer, or the row cannot be read.
pub async fn find(database: &ServiceDatabase, id: MessageId) -> Result<Option<Parked>, StoreError> {
    let row = parked::Entity::find_by_id(id.0)
        .one(&database.read)
        .await
        .map_err(|e| database.failed(e))?;
    row.map(|row| from_row(database.service, row)).transpose()
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
    let mut query =
        parked::Entity::find().filter(parked::Column::State.eq(ParkedState::Quarantined.name()));

    if let Some((time, id)) = after {
        let later = parked::Column::ParkedAt
            .gt(time.micros())
            .or(parked::Column::ParkedAt
                .eq(time.micros())
                .and(parked::Column::MessageId.gt(id)));
        query = query.filter(later);
    }

    let rows = query
        .order_by_asc(parked::Column::ParkedAt)
        .order_by_asc(parked::Column::MessageId)
        .limit(u64::try_from(limit).unwrap_or(u64::MAX))
        .all(&database.read)
        .await
        .map_err(|e| database.failed(e))?;

    rows.into_iter()
        .map(|row| from_row(database.service, row))
        .collect()
}
