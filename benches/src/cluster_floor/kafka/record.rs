//! A message as a record: CloudEvents headers in binary mode, as many as the product's, the
//! entity's id as the key, the body as the value.

use anyhow::Context;
use rdkafka::message::{BorrowedMessage, Header, Headers, Message as _, OwnedHeaders};
use uuid::Uuid;

use crate::cluster_floor::messages::{Body, Delivery};

const SOURCE: &str = "ce_source";
const SEQUENCE: &str = "ce_sequence";
const PREVIOUS: &str = "ce_previous";
const DESTINATION: &str = "ce_destination";
const CORRELATION: &str = "ce_correlationid";

/// The headers of a message.
pub fn headers<B: Body>(message: &Delivery<B>) -> OwnedHeaders {
    let (sender, receiver) = B::BETWEEN;
    let (source, saga) = (message.source, message.body.about().saga);

    let all = [
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", format!("{sender}/{source}/{}", message.sequence)),
        (SOURCE, format!("{sender}/{source}")),
        ("ce_type", message.body.kind().to_owned()),
        ("ce_time", jiff::Timestamp::now().to_string()),
        ("content-type", "application/json".to_owned()),
        ("ce_typeversion", "1".to_owned()),
        (SEQUENCE, message.sequence.to_string()),
        (PREVIOUS, message.previous.to_string()),
        (DESTINATION, format!("{receiver}/{}", message.destination)),
        (CORRELATION, saga.to_string()),
        ("ce_saga", saga.to_string()),
        ("ce_step", "reserve-credit".to_owned()),
        ("ce_attempt", "1".to_owned()),
        (
            "traceparent",
            format!("00-{}-{:016x}-01", saga.simple(), message.sequence),
        ),
    ];

    let none = OwnedHeaders::new_with_capacity(all.len());
    all.iter().fold(none, |headers, (key, value)| {
        headers.insert(Header {
            key,
            value: Some(value),
        })
    })
}

/// Reads a message.
///
/// # Errors
/// When the record is not one of ours.
pub fn read<B: Body>(record: &BorrowedMessage<'_>) -> anyhow::Result<Delivery<B>> {
    let headers = record.headers().context("a record without headers")?;
    let text = |name: &'static str| {
        let header = headers.iter().find(|header| header.key == name);
        let value = header.and_then(|header| header.value);
        let value = value.with_context(|| format!("a record without {name}"))?;
        std::str::from_utf8(value).with_context(|| format!("a record whose {name} is no text"))
    };
    let shard = |name| -> anyhow::Result<u8> {
        let (_, number) = text(name)?.split_once('/').context("no shard")?;
        Ok(number.parse()?)
    };

    let saga: Uuid = text(CORRELATION)?.parse()?;
    Ok(Delivery {
        source: shard(SOURCE)?,
        destination: shard(DESTINATION)?,
        sequence: text(SEQUENCE)?.parse()?,
        previous: text(PREVIOUS)?.parse()?,
        body: B::decode(saga, record.payload().unwrap_or_default())?,
    })
}
