//! Parked messages: those that wait for a retry or, in quarantine, for an operator, with all later
//! ones of the same entity. They are rows of the same unit that advances the position, so nothing
//! is lost and nothing comes twice.

mod heads;
mod quarantine;

use std::borrow::Cow;
use std::num::TryFromIntError;
use std::sync::Arc;

use sagas::{Attempt, MessageId, SagaId, Service, ShardId, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};
use serde_json::value::RawValue;
use uuid::Uuid;

pub use heads::{ParkedHead, from_head, heads, last_place, next_behind};
pub use quarantine::{CauseCount, QuarantineFilter, causes, list_quarantined, outline};

use crate::loading::{self, Found};
use crate::log::{Destination, Message};
use crate::tables::parked;
use crate::{ServiceDatabase, StoreError, mapping};

/// Who looks for messages that are alike sees at most this many.
const A_FEW: u64 = 8;

/// What a parked message waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParkedState {
    /// For its next attempt, or for a message before it.
    Waiting,
    /// For an operator.
    Quarantined,
}

impl ParkedState {
    /// As it stands in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ParkedState::Waiting => "WAITING",
            ParkedState::Quarantined => "QUARANTINED",
        }
    }

    /// The state of this name.
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
    /// What was sent.
    pub message: Message,
    /// The order in which the shard parked its messages.
    pub place: u64,
    /// What it waits for.
    pub state: ParkedState,
    /// How often it has been tried.
    pub attempts: u32,
    /// Why the last attempt failed; absent when it waits for another message.
    pub cause: Option<String>,
    /// When it is tried next; absent when it waits for another message, or for an operator.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was parked.
    pub parked_at: Timestamp,
    /// Of its row: raised by each change.
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

/// Reads a row back. `service` has parked it.
///
/// # Errors
/// When something of it cannot be read: then its entity waits, and nobody else.
pub fn from_row(service: Service, row: parked::Model) -> Result<Parked, StoreError> {
    let id = row.message_id;

    let what = || format!("parked message {id}");
    let corrupt = |column| move |e: TryFromIntError| mapping::in_column(what(), column, e);
    let shard = u16::try_from(row.shard).map_err(corrupt("shard"))?;
    let shard = ShardId::new(service, shard);

    let source = ShardId::new(
        mapping::named(
            Service::from_name(&row.source_service),
            &row.source_service,
            what,
        )?,
        u16::try_from(row.source_shard).map_err(corrupt("source_shard"))?,
    );

    let body = RawValue::from_string(row.body);
    let body = body.map_err(|e| mapping::in_column(what(), "body", e))?;

    let attempt = match (row.saga_id, row.saga_step, row.saga_attempt) {
        (Some(saga), Some(step), Some(number)) => Some(Attempt {
            saga: SagaId(saga),
            step: Cow::Owned(step),
            number: u32::try_from(number).map_err(corrupt("saga_attempt"))?,
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
            type_version: u16::try_from(row.type_version).map_err(corrupt("type_version"))?,
            correlation_id: row.correlation_id,
            attempt,
            time: Timestamp::from_micros(row.time),
            body: Arc::from(body),
        },
        place: mapping::unsigned(row.place),
        state: mapping::named(ParkedState::from_name(&row.state), &row.state, what)?,
        attempts: u32::try_from(row.attempts).map_err(corrupt("attempts"))?,
        cause: row.cause,
        next_attempt_at: row.next_attempt_at.map(Timestamp::from_micros),
        parked_at: Timestamp::from_micros(row.parked_at),
        version: mapping::unsigned(row.version),
    })
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

/// Messages to an entity that wait in a shard and ask for the same in the same words, a few at
/// most. One whose id cannot be read is none of them.
///
/// # Errors
/// When the database does not answer.
pub async fn alike(
    database: &ServiceDatabase,
    shard: ShardId,
    message: &Message,
) -> Result<Vec<MessageId>, StoreError> {
    let found: Result<Vec<Uuid>, _> = parked::Entity::find()
        .filter(parked::Column::Shard.eq(i32::from(shard.number)))
        .filter(parked::Column::EntityId.eq(message.entity))
        .filter(parked::Column::CorrelationId.eq(message.correlation_id))
        .filter(parked::Column::Name.eq(message.name.as_ref()))
        .filter(parked::Column::Body.eq(message.body.get()))
        .select_only()
        .column(parked::Column::MessageId)
        .limit(A_FEW)
        .into_tuple()
        .all(&database.read)
        .await;
    match found {
        Ok(ids) => Ok(ids.into_iter().map(MessageId).collect()),
        Err(error) if loading::is_of_a_row(&error) => Ok(Vec::new()),
        Err(error) => Err(database.failed(error)),
    }
}

/// Whether a message of this saga is parked.
///
/// # Errors
/// When the database does not answer.
pub async fn has_of_saga(database: &ServiceDatabase, saga: SagaId) -> Result<bool, StoreError> {
    let found = parked::Entity::find()
        .filter(parked::Column::SagaId.eq(saga.0))
        .count(&database.read)
        .await
        .map_err(|e| database.failed(e))?;
    Ok(found > 0)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{BOOKINGS, ROOMS, register};

    #[test]
    fn a_parked_message_keeps_its_attempt_for_the_reply() {
        register();
        let shard = ShardId::new(ROOMS, 3);
        let attempt = Attempt {
            saga: SagaId(Uuid::from_u128(1)),
            step: "reserve-credit".into(),
            number: 7,
        };

        for attempt in [Some(attempt), None] {
            let parked = Parked {
                id: MessageId(Uuid::from_u128(6)),
                message: Message {
                    source: ShardId::new(BOOKINGS, 2),
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
