//! The form of a message on Kafka: CloudEvents 1.0 in binary mode, so that what follows the topics
//! from outside needs nothing of ours to read them.
//!
//! The record's key is the entity's id, its value the body; all else stands in headers. What
//! CloudEvents does not know are extension attributes. `traceparent` is the W3C's: its trace is
//! named by the correlation id, its span by the message's sequence.
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md>)

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use rdkafka::message::{Header, Headers, OwnedHeaders};
use sagas::{Attempt, SagaId, Service, ShardId, Timestamp};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::log::{Destination, Message};

/// The version of CloudEvents, and the prefix of its attributes.
const SPEC_VERSION: (&str, &str) = ("ce_specversion", "1.0");
const ID: &str = "ce_id";
/// The shard from which it comes, such as `orders/3`.
const SOURCE: &str = "ce_source";
const TYPE: &str = "ce_type";
const TIME: &str = "ce_time";
const CONTENT_TYPE: (&str, &str) = ("content-type", "application/json");

const TYPE_VERSION: &str = "ce_typeversion";
const SEQUENCE: &str = "ce_sequence";
const PREVIOUS: &str = "ce_previous";
/// The shard to which it goes; absent in events.
const DESTINATION: &str = "ce_destination";
/// The entity's version.
const VERSION: &str = "ce_version";
const CORRELATION: &str = "ce_correlationid";
/// These three together, or none.
const SAGA: &str = "ce_saga";
const STEP: &str = "ce_step";
const ATTEMPT: &str = "ce_attempt";
const TRACE: &str = "traceparent";

/// How many headers there are at most.
const HEADERS: usize = 16;

/// Why a record cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("it has no header {0}")]
    Missing(&'static str),
    #[error("its header {0} cannot be read")]
    Header(&'static str),
    #[error("its key is no entity's id")]
    Key,
    #[error("its value is no JSON")]
    Body,
}

/// The headers of a message's record.
pub(super) fn headers(message: &Message) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new_with_capacity(HEADERS)
        .with(SPEC_VERSION.0, SPEC_VERSION.1)
        .with(ID, &message.id().to_string())
        .with(SOURCE, &message.source.to_string())
        .with(TYPE, &message.name)
        .with(TIME, &message.time.to_string())
        .with(CONTENT_TYPE.0, CONTENT_TYPE.1)
        .with(TYPE_VERSION, &message.type_version.to_string())
        .with(SEQUENCE, &message.sequence.to_string())
        .with(PREVIOUS, &message.previous.to_string())
        .with(VERSION, &message.version.to_string())
        .with(CORRELATION, &message.correlation_id.to_string());

    if let Destination::Shard(shard) = message.destination {
        headers = headers.with(DESTINATION, &shard.to_string());
    }
    if let Some(attempt) = &message.attempt {
        headers = headers
            .with(SAGA, &attempt.saga.to_string())
            .with(STEP, &attempt.step)
            .with(ATTEMPT, &attempt.number.to_string());
    }
    if let Some(trace) = traceparent(message) {
        headers = headers.with(TRACE, &trace);
    }
    headers
}

/// Adds a header.
pub(super) trait With {
    fn with(self, key: &str, value: &str) -> Self;
}

impl With for OwnedHeaders {
    fn with(self, key: &str, value: &str) -> Self {
        self.insert(Header {
            key,
            value: Some(value),
        })
    }
}

/// `None` where the W3C has no name for it: ids of nothing but zeros are invalid.
fn traceparent(message: &Message) -> Option<String> {
    let named = !message.correlation_id.is_nil() && message.sequence != 0;
    named.then(|| {
        let trace = message.correlation_id.simple();
        format!("00-{trace}-{:016x}-01", message.sequence)
    })
}

/// The key of a message's record.
pub(super) fn key(message: &Message) -> String {
    message.entity.to_string()
}

/// Reads the message that a record carries. `service` finds services by their names.
pub(super) fn read(
    key: Option<&[u8]>,
    headers: Option<&impl Headers>,
    value: Option<&[u8]>,
    service: impl Fn(&str) -> Option<Service>,
) -> Result<Message, Unreadable> {
    let mut fields = Fields::default();
    for header in headers.into_iter().flat_map(Headers::iter) {
        let Some(value) = header.value else { continue };
        if let Some((_, field)) = fields.0.iter_mut().find(|(name, _)| *name == header.key) {
            *field = Some(value);
        }
    }

    let source = fields.shard(SOURCE, &service)?;
    let destination = match fields.text(DESTINATION)? {
        Some(_) => Destination::Shard(fields.shard(DESTINATION, &service)?),
        None => Destination::Events,
    };

    let name = fields.text(TYPE)?.ok_or(Unreadable::Missing(TYPE))?;
    let attempt = match fields.text(STEP)? {
        Some(step) => Some(Attempt {
            saga: SagaId(fields.parsed(SAGA)?),
            step: Cow::Owned(step.to_owned()),
            number: fields.parsed(ATTEMPT)?,
        }),
        None => None,
    };

    let entity = key
        .and_then(|key| Uuid::try_parse_ascii(key).ok())
        .ok_or(Unreadable::Key)?;
    let body = value
        .and_then(|value| String::from_utf8(value.to_owned()).ok())
        .and_then(|value| RawValue::from_string(value).ok())
        .ok_or(Unreadable::Body)?;

    Ok(Message {
        source,
        sequence: fields.parsed(SEQUENCE)?,
        previous: fields.parsed(PREVIOUS)?,
        destination,
        entity,
        version: fields.parsed(VERSION)?,
        name: Cow::Owned(name.to_owned()),
        type_version: fields.parsed(TYPE_VERSION)?,
        correlation_id: fields.parsed(CORRELATION)?,
        attempt,
        time: fields.parsed::<Timestamp>(TIME)?,
        body: Arc::from(body),
    })
}

/// The headers that are read, each with its value.
struct Fields<'a>([(&'static str, Option<&'a [u8]>); 12]);

impl Default for Fields<'_> {
    fn default() -> Self {
        let names = [
            SOURCE,
            TYPE,
            TIME,
            TYPE_VERSION,
            SEQUENCE,
            PREVIOUS,
            DESTINATION,
            VERSION,
            CORRELATION,
            SAGA,
            STEP,
            ATTEMPT,
        ];
        Fields(names.map(|name| (name, None)))
    }
}

impl<'a> Fields<'a> {
    fn text(&self, name: &'static str) -> Result<Option<&'a str>, Unreadable> {
        let field = self.0.iter().find(|(field, _)| *field == name);
        let value = field.and_then(|(_, value)| *value);
        value
            .map(|value| std::str::from_utf8(value).map_err(|_| Unreadable::Header(name)))
            .transpose()
    }

    fn parsed<T: FromStr>(&self, name: &'static str) -> Result<T, Unreadable> {
        let text = self.text(name)?.ok_or(Unreadable::Missing(name))?;
        text.parse().map_err(|_| Unreadable::Header(name))
    }

    fn shard(
        &self,
        name: &'static str,
        service: impl Fn(&str) -> Option<Service>,
    ) -> Result<ShardId, Unreadable> {
        let text = self.text(name)?.ok_or(Unreadable::Missing(name))?;
        shard(text, service).ok_or(Unreadable::Header(name))
    }
}

/// Reads a shard as it is displayed: `orders/3`.
pub(super) fn shard(text: &str, service: impl Fn(&str) -> Option<Service>) -> Option<ShardId> {
    let (name, number) = text.rsplit_once('/')?;
    Some(ShardId::new(service(name)?, number.parse().ok()?))
}

#[cfg(test)]
mod tests;
