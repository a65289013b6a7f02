//! What can still be had of an outbox row that cannot be read: it was changed by hand, damaged on
//! its disk, or written by a release that knows more. It must stop nobody but the entities it
//! concerns.
//!
//! An event that cannot be read stands in its place as an *unreadable* one, under the name
//! [`Message::UNREADABLE`]: a reader that follows its entity stops there, and knows why. Of a
//! command or a reply not even the receiver is known, so it is left out; the saga that waits for it
//! ends by its deadline. The log and a metric tell of either once.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::counter;
use sagas::{ShardId, Timestamp};
use sea_orm::{DbErr, FromQueryResult, QueryResult};
use uuid::Uuid;

use crate::log::{Destination, Message};
use crate::tables::outbox::Model;
use crate::{StoreError, metric_names, outbox};

/// Remembers at most this many rows that the log has named.
const TOLD: usize = 10_000;

/// A row as the database gives it, with columns that may not hold what they should.
pub(crate) struct Stored {
    /// Without it the row has no place.
    pub sequence: Option<i64>,
    pub row: Result<Model, Box<dyn std::error::Error + Send + Sync>>,
    pub entity: Option<Uuid>,
    pub version: Option<i64>,
    pub time: Option<i64>,
}

/// What can be had of a row.
#[derive(Debug)]
pub(crate) struct Salvaged {
    /// In order; `previous` is left at 0.
    pub messages: Vec<Message>,
    /// Whether something is left out, or cannot be read.
    pub damaged: bool,
}

impl FromQueryResult for Stored {
    fn from_query_result(result: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(match Model::from_query_result(result, prefix) {
            Ok(row) => Stored {
                sequence: Some(row.sequence),
                entity: Some(row.entity_id),
                version: row.version,
                time: Some(row.time),
                row: Ok(row),
            },
            Err(error) => Stored {
                sequence: result.try_get(prefix, "sequence").ok(),
                entity: result.try_get(prefix, "entity_id").ok(),
                version: result.try_get(prefix, "version").ok().flatten(),
                time: result.try_get(prefix, "time").ok(),
                row: Err(error.into()),
            },
        })
    }
}

impl Stored {
    /// The messages of the row, or what is left of them.
    pub(crate) fn salvage(self, source: ShardId) -> Salvaged {
        let row = match self.row {
            Ok(row) => row,
            Err(error) => {
                let Some(sequence) = self.sequence else {
                    return Salvaged::nothing();
                };
                let error = corrupt(source, sequence, error);
                tell(source, sequence, &error);
                let event = self.entity.map(|entity| {
                    let (version, time) = (self.version.unwrap_or(0), self.time.unwrap_or(0));
                    unreadable(source, (sequence, entity, version, time), &error)
                });
                return Salvaged {
                    messages: event.into_iter().collect(),
                    damaged: true,
                };
            }
        };

        match outbox::from_row(source.service, &row) {
            Ok(messages) => Salvaged {
                messages,
                damaged: false,
            },
            Err(error) => {
                tell(source, row.sequence, &error);
                salvage_parts(source, &row, &error)
            }
        }
    }
}

impl Salvaged {
    fn nothing() -> Self {
        Salvaged {
            messages: Vec::new(),
            damaged: true,
        }
    }
}

/// Events and commands stand in columns of their own, so the one may be whole where the other is
/// not.
fn salvage_parts(source: ShardId, row: &Model, error: &StoreError) -> Salvaged {
    let without_events = Model {
        events: None,
        ..row.clone()
    };
    let without_commands = Model {
        messages: None,
        ..row.clone()
    };

    let commands = outbox::from_row(source.service, &without_events);
    let mut messages = outbox::from_row(source.service, &without_commands).unwrap_or_else(|_| {
        // When the commands are whole, the other messages were events; of one it is sure.
        let count = usize::try_from(row.count).unwrap_or(0);
        let events = match &commands {
            Ok(commands) => count.saturating_sub(commands.len()),
            Err(_) => 1,
        };
        let event = |(sequence, version)| {
            unreadable(source, (sequence, row.entity_id, version, row.time), error)
        };
        let places = (row.sequence..).zip(row.version.unwrap_or(0)..);
        places.take(events.max(1)).map(event).collect()
    });

    messages.extend(commands.unwrap_or_default());

    Salvaged {
        messages,
        damaged: true,
    }
}

fn unreadable(
    source: ShardId,
    (sequence, entity, version, time): (i64, Uuid, i64, i64),
    error: &StoreError,
) -> Message {
    let cause = serde_json::value::to_raw_value(&error.chain());
    let cause = cause.unwrap_or_else(|_| serde_json::value::RawValue::NULL.to_owned());

    Message {
        source,
        sequence: u64::try_from(sequence).unwrap_or(0),
        previous: 0,
        destination: Destination::Events,
        entity,
        version: u64::try_from(version).unwrap_or(0),
        name: Cow::Borrowed(Message::UNREADABLE),
        type_version: 0,
        correlation_id: Uuid::nil(),
        attempt: None,
        time: Timestamp::from_micros(time),
        body: Arc::from(cause),
    }
}

fn corrupt(
    source: ShardId,
    sequence: i64,
    error: Box<dyn std::error::Error + Send + Sync>,
) -> StoreError {
    StoreError::Corrupt {
        what: format!("outbox row {sequence} of shard {source}"),
        source: error,
    }
}

/// Tells of a row, once in the life of the process.
fn tell(source: ShardId, sequence: i64, error: &StoreError) {
    static ROWS: Mutex<Option<HashSet<(ShardId, i64)>>> = Mutex::new(None);

    let is_new = {
        let mut rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = rows.get_or_insert_default();
        rows.len() < TOLD && rows.insert((source, sequence))
    };

    if is_new {
        counter!(metric_names::OUTBOX_UNREADABLE, "service" => source.service.name()).increment(1);
        tracing::error!(
            shard = %source, sequence, error = %error.chain(),
            "a row of the outbox cannot be read: its entities stop there, and its commands are lost"
        );
    }
}

#[cfg(test)]
mod tests;
