//! The form of messages in the outbox table: a unit's messages in one row, as JSON.

use std::borrow::Cow;
use std::sync::Arc;

use sagas::{Attempt, SagaId, Service, ShardId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::StoreError;
use crate::log::{Destination, Message};
use crate::tables::outbox;
use crate::unit::Outgoing;

#[derive(Serialize, Deserialize)]
struct StoredEvent<'a> {
    #[serde(rename = "type", borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "v")]
    type_version: u16,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
struct StoredMessage<'a> {
    #[serde(rename = "type", borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "v")]
    type_version: u16,
    to: Service,
    shard: u16,
    entity: Uuid,
    /// The attempt's saga, when it is not what the row's messages are part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    saga: Option<SagaId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<Cow<'static, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl StoredMessage<'_> {
    /// Absent in what release 0.1 has written.
    fn attempt(&self, correlation_id: Uuid) -> Option<Attempt> {
        Some(Attempt {
            saga: self.saga.unwrap_or(SagaId(correlation_id)),
            step: self.step.clone()?,
            number: self.attempt?,
        })
    }
}

/// The JSON of a unit's events, and of its commands and replies; absent when there are none.
pub(crate) fn to_columns(
    outgoing: &Outgoing,
) -> Result<(Option<String>, Option<String>), serde_json::Error> {
    let events: Vec<_> = outgoing
        .events
        .iter()
        .map(|event| StoredEvent {
            name: Cow::Borrowed(event.name),
            type_version: event.type_version,
            data: &event.body,
        })
        .collect();

    let messages: Vec<_> = outgoing
        .messages
        .iter()
        .map(|message| StoredMessage {
            name: Cow::Borrowed(message.name),
            type_version: message.type_version,
            to: message.destination.service,
            shard: message.destination.number,
            entity: message.entity,
            saga: message
                .attempt
                .as_ref()
                .map(|attempt| attempt.saga)
                .filter(|saga| saga.0 != outgoing.correlation_id),
            step: message.attempt.as_ref().map(|attempt| attempt.step.clone()),
            attempt: message.attempt.as_ref().map(|attempt| attempt.number),
            data: &message.body,
        })
        .collect();

    let events = if events.is_empty() {
        None
    } else {
        Some(serde_json::to_string(&events)?)
    };

    let messages = if messages.is_empty() {
        None
    } else {
        Some(serde_json::to_string(&messages)?)
    };

    Ok((events, messages))
}

/// The versions of events that follow each other; of notices, which have none.
fn versions(first: u64) -> impl Iterator<Item = u64> {
    let step = u64::from(first > 0);
    std::iter::successors(Some(first), move |version| Some(version + step))
}

/// The messages of a unit that has just been committed. `previous` is set by the log.
pub(crate) fn from_outgoing(source: ShardId, outgoing: Outgoing) -> impl Iterator<Item = Message> {
    let Outgoing {
        first_sequence,
        entity,
        first_version,
        correlation_id,
        time,
        events,
        messages,
    } = outgoing;

    let events = events
        .into_iter()
        .zip(versions(first_version))
        .map(move |(event, version)| {
            (
                Destination::Events,
                entity,
                version,
                Cow::Borrowed(event.name),
                event.type_version,
                None,
                event.body,
            )
        });

    let messages = messages.into_iter().map(|message| {
        let name = Cow::Borrowed(message.name);
        (
            Destination::Shard(message.destination),
            message.entity,
            0,
            name,
            message.type_version,
            message.attempt,
            message.body,
        )
    });

    events
        .chain(messages)
        .zip(first_sequence..)
        .map(move |(message, sequence)| {
            let (destination, entity, version, name, type_version, attempt, body) = message;
            Message {
                source,
                sequence,
                previous: 0,
                destination,
                entity,
                version,
                name,
                type_version,
                correlation_id,
                attempt,
                time,
                body,
            }
        })
}

/// The messages of a stored row, with their own sequences. `previous` is left at 0.
pub(crate) fn from_row(service: Service, row: &outbox::Model) -> Result<Vec<Message>, StoreError> {
    let corrupt = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Corrupt {
        what: format!(
            "outbox row {} of shard {service}/{}",
            row.sequence, row.shard
        ),
        source,
    };
    let shard = u16::try_from(row.shard).map_err(|e| corrupt(e.into()))?;
    let first = u64::try_from(row.sequence).map_err(|e| corrupt(e.into()))?;
    let count = u64::try_from(row.count).map_err(|e| corrupt(e.into()))?;
    let first_version = u64::try_from(row.version.unwrap_or(0)).map_err(|e| corrupt(e.into()))?;

    let events: Vec<StoredEvent<'_>> = match &row.events {
        Some(json) => serde_json::from_str(json).map_err(|e| corrupt(e.into()))?,
        None => Vec::new(),
    };

    let messages: Vec<StoredMessage<'_>> = match &row.messages {
        Some(json) => serde_json::from_str(json).map_err(|e| corrupt(e.into()))?,
        None => Vec::new(),
    };

    let template = Message {
        source: ShardId::new(service, shard),
        sequence: 0,
        previous: 0,
        destination: Destination::Events,
        entity: row.entity_id,
        version: 0,
        name: Cow::Borrowed(""),
        type_version: 0,
        correlation_id: row.correlation_id,
        attempt: None,
        time: Timestamp::from_micros(row.time),
        body: Arc::from(RawValue::NULL.to_owned()),
    };

    let events = events
        .into_iter()
        .zip(versions(first_version))
        .zip(first..)
        .map(|((event, version), sequence)| Message {
            sequence,
            version,
            name: Cow::Owned(event.name.into_owned()),
            type_version: event.type_version,
            body: Arc::from(event.data.to_owned()),
            ..template.clone()
        });
    // The row was written with `count` messages, of which the commands and replies are the last.
    let first_message = (first + count).saturating_sub(u64::try_from(messages.len()).unwrap_or(0));

    let messages = messages
        .into_iter()
        .zip(first_message..)
        .map(|(message, sequence)| Message {
            sequence,
            destination: Destination::Shard(ShardId::new(message.to, message.shard)),
            entity: message.entity,
            attempt: message.attempt(row.correlation_id),
            name: Cow::Owned(message.name.into_owned()),
            type_version: message.type_version,
            body: Arc::from(message.data.to_owned()),
            ..template.clone()
        });

    Ok(events.chain(messages).collect())
}

#[cfg(test)]
mod tests;
