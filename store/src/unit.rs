//! The unit: the changes that must commit together, and what happens when they have, or have not.

use std::sync::Arc;

use sagas::{Attempt, ShardId, Timestamp, wire::Body};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::StoreError;
use crate::log::SourceStream;
use crate::row_changes::RowChange;
use crate::timers::TimerChange;

/// A unit sends at most this many messages.
pub const MAX_MESSAGES: usize = 64;

/// One step of one shard: it commits as a whole or not at all.
pub struct Unit {
    /// Whose step it is.
    pub shard: ShardId,
    /// The epoch at which the shard is held; the commit fails when it is not the current one.
    pub epoch: u64,
    /// Counts the units of the shard, so that it is known up to where they are durable.
    pub ticket: u64,
    /// What it changes, in the order in which it is written.
    pub rows: Vec<RowChange>,
    /// What it sends.
    pub outgoing: Option<Outgoing>,
    /// The position reached in one source by this unit.
    pub position: Option<(SourceStream, u64)>,
    /// When whoever goes on with this unit wants to be woken from now on.
    pub timer: Option<TimerChange>,
    /// Called once, from the journal's thread.
    pub completion: Completion,
}

/// What is called when the fate of a unit is known.
pub type Completion = Box<dyn FnOnce(Fate) + Send>;

/// What became of a unit.
#[derive(Clone, Debug)]
pub enum Fate {
    /// It is durable, and so is everything before it.
    Durable,
    /// It was not written because of another unit, or because the database failed: the shard must
    /// reload, and may then do the same work again.
    Dropped(Arc<StoreError>),
    /// Its own data are why it cannot be written.
    Culprit(Arc<StoreError>),
}

/// The messages of a unit. Their sequences follow each other from `first_sequence`, events first.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Of the first of them.
    pub first_sequence: u64,
    /// The entity the events happened to.
    pub entity: Uuid,
    /// The entity's version after the first event; 0 when the events are notices, which change
    /// nobody: then the entity is the one that they are about.
    pub first_version: u64,
    /// What they are part of: a saga, or a request.
    pub correlation_id: Uuid,
    /// When they are sent.
    pub time: Timestamp,
    /// What has happened to the entity.
    pub events: Vec<OutgoingEvent>,
    /// Commands and replies.
    pub messages: Vec<OutgoingMessage>,
}

/// Something that has happened to the entity of a unit.
#[derive(Clone, Debug)]
pub struct OutgoingEvent {
    /// Its wire name.
    pub name: &'static str,
    /// The version of its wire form.
    pub type_version: u16,
    /// JSON.
    pub body: Arc<RawValue>,
}

/// A command or a reply.
#[derive(Clone, Debug)]
pub struct OutgoingMessage {
    /// Where it goes.
    pub destination: ShardId,
    /// The entity it addresses.
    pub entity: Uuid,
    /// Its wire name.
    pub name: &'static str,
    /// The version of its wire form.
    pub type_version: u16,
    /// The attempt of a saga's step that a command belongs to, and that a reply echoes.
    pub attempt: Option<Attempt>,
    /// JSON.
    pub body: Arc<RawValue>,
}

impl Outgoing {
    /// How many messages they are.
    #[must_use]
    pub fn count(&self) -> u64 {
        u64::try_from(self.events.len() + self.messages.len()).unwrap_or(u64::MAX)
    }

    /// The version in its row, by which the history finds its events: none without events, and none
    /// of notices, which are in nobody's history.
    #[must_use]
    pub fn version_in_history(&self) -> Option<u64> {
        (self.first_version > 0 && !self.events.is_empty()).then_some(self.first_version)
    }

    /// The sequence of its last message.
    #[must_use]
    pub fn last_sequence(&self) -> u64 {
        (self.first_sequence + self.count()).saturating_sub(1)
    }
}

impl OutgoingEvent {
    /// An event by its wire name and version, and its body.
    #[must_use]
    pub fn new((name, type_version): (&'static str, u16), body: Body) -> Self {
        OutgoingEvent {
            name,
            type_version,
            body: Arc::from(body),
        }
    }
}

impl Unit {
    /// Whether there is nothing to write: such a unit only waits until everything before it is
    /// durable, because an answer that rests on it must not leave earlier.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
            && self.outgoing.is_none()
            && self.position.is_none()
            && self.timer.is_none()
    }
}
