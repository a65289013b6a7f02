//! The log port: what carries committed messages between shards, services and views.
//!
//! The embedded log is the outbox itself ([`embedded`]): messages are handed over in memory after
//! their commit, and whoever has missed some reads them from the outbox table. Kafka carries the
//! same messages between nodes.
//!
//! What a reader must know: a message may come twice, and messages may be lost on the way (a full
//! queue, a crash). Each message carries the sequence of the one before it from the same source to
//! the same destination, so a reader sees both, drops the one and reads the other with
//! [`Log::read`]. Order within one source and destination is kept.

pub mod cluster;
mod delivery;
pub mod embedded;
mod heads;
mod passed;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sagas::{Attempt, MessageId, ShardId, Timestamp};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::faults::Faults;
use crate::{ServiceDatabase, StoreError};
pub use heads::Heads;

pub use delivery::Delivery;
pub use passed::{PassedOver, Wants};

/// The log of a node that is alone: the outboxes of these services, each with this many shards.
#[must_use]
pub fn of_outboxes(
    databases: Vec<ServiceDatabase>,
    shards: u16,
    faults: Faults,
) -> Arc<impl Log + Publisher> {
    Arc::new(embedded::EmbeddedLog::new(databases, shards, faults))
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// To everyone who follows the events of the source: views, and services in a choreography.
    Events,
    /// To one shard: a command or a reply.
    Shard(ShardId),
}

impl Destination {
    /// The stream in which messages to it stand.
    #[must_use]
    pub const fn stream(self) -> Stream {
        match self {
            Destination::Events => Stream::Events,
            Destination::Shard(_) => Stream::Messages,
        }
    }
}

/// What a shard sends: two streams of messages, each followed on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Commands and replies, each to one shard.
    Messages,
    /// Events, to whoever follows.
    Events,
}

impl Stream {
    /// As it stands in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Stream::Messages => "messages",
            Stream::Events => "events",
        }
    }

    /// The stream of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Stream::Messages, Stream::Events]
            .into_iter()
            .find(|stream| stream.name() == name)
    }
}

/// One stream of one source: what a position in an inbox is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceStream {
    /// The shard that sends.
    pub source: ShardId,
    /// Which of what it sends.
    pub stream: Stream,
}

impl SourceStream {
    /// The commands and replies of a shard.
    #[must_use]
    pub const fn messages(source: ShardId) -> Self {
        SourceStream {
            source,
            stream: Stream::Messages,
        }
    }

    /// The events of a shard.
    #[must_use]
    pub const fn events(source: ShardId) -> Self {
        SourceStream {
            source,
            stream: Stream::Events,
        }
    }

    /// Where what a shard reads from this stream is sent.
    #[must_use]
    pub const fn destination(self, reader: ShardId) -> Destination {
        match self.stream {
            Stream::Messages => Destination::Shard(reader),
            Stream::Events => Destination::Events,
        }
    }
}

/// How far a shard has come in each stream that it follows: the sequence of the last message
/// applied, or parked.
pub type InboxPositions = BTreeMap<SourceStream, u64>;

/// One committed message of an outbox.
#[derive(Clone, Debug)]
pub struct Message {
    /// The shard in whose outbox it stands.
    pub source: ShardId,
    /// Its place in that outbox: the order of commit.
    pub sequence: u64,
    /// The sequence of the message before it from the same source to the same destination; 0 when
    /// it is the first.
    pub previous: u64,
    /// Where it goes.
    pub destination: Destination,
    /// The entity an event happened to, or the one a command or reply addresses.
    pub entity: Uuid,
    /// The entity's version after an event; 0 for commands and replies, and for notices: they are
    /// sent as events are, change nobody, and are in no history.
    pub version: u64,
    /// The wire name, for example `order.created`.
    pub name: Cow<'static, str>,
    /// The version of the wire form.
    pub type_version: u16,
    /// What this is part of: the saga's id, or the request's own.
    pub correlation_id: Uuid,
    /// The attempt of a saga's step that a command belongs to, and that a reply echoes. Absent in
    /// events, and in what release 0.1 has sent.
    pub attempt: Option<Attempt>,
    /// When it was sent.
    pub time: Timestamp,
    /// The JSON body.
    pub body: Arc<RawValue>,
}

impl Message {
    /// The name of an event that cannot be read; its body says why. Nobody knows what happened, so
    /// whoever follows its entity cannot go on.
    pub const UNREADABLE: &'static str = "unreadable";

    /// Why the message cannot be read, if it cannot.
    #[must_use]
    pub fn unreadable(&self) -> Option<&str> {
        (self.name == Self::UNREADABLE).then(|| self.body.get())
    }

    /// Whether it is sent as an event and tells of what has changed nobody. A view has no use for
    /// it.
    #[must_use]
    pub fn is_notice(&self) -> bool {
        self.destination == Destination::Events && self.version == 0
    }

    /// Its id, which names the place in the outbox that it came from.
    #[must_use]
    pub fn id(&self) -> MessageId {
        MessageId::at(self.source, self.sequence)
    }

    /// The stream it stands in.
    #[must_use]
    pub const fn source_stream(&self) -> SourceStream {
        SourceStream {
            source: self.source,
            stream: self.destination.stream(),
        }
    }
}

/// How far a reader has come in each source, or each receiver in one: the sequence of the last
/// message applied.
pub type Positions = BTreeMap<ShardId, u64>;

/// Live messages. Bounded in deliveries and in bytes: when the subscriber does not keep up,
/// deliveries are left out, and it sees a gap.
pub struct Subscription {
    /// What arrives, until the log is dropped.
    pub deliveries: mpsc::Receiver<Delivery>,
    /// Events that its subscriber has no use for, and that do not arrive.
    pub passed: Arc<PassedOver>,
}

impl Subscription {
    /// One to which everything arrives.
    #[must_use]
    pub fn whole(deliveries: mpsc::Receiver<Delivery>) -> Self {
        let passed = Arc::default();
        Subscription { deliveries, passed }
    }
}

/// The writing side of the log, for the journal: what has been committed is handed over here.
///
/// A crash between a commit and its publication loses nothing: the next owner of the shard restores
/// what is noted as published, and what was committed after that is published anew. So messages may
/// come twice, but none is left out.
pub trait Publisher: Send + Sync + fmt::Debug {
    /// A shard has been taken over. Its outbox is noted as published up to `published`; what it
    /// holds beyond that, up to `heads`, may not have been, and is published by the log itself.
    fn restore(&self, source: ShardId, published: u64, heads: &Heads);

    /// Hands over messages that have been committed, in the order of their commit. Does not wait.
    fn publish(&self, messages: Vec<Message>);

    /// The heads of a source as of the last sequence below which *everything* is acknowledged:
    /// their [`published`](Heads::published). A reader of the log finds all of that, whatever
    /// crashes. `None` for a shard that was not restored here.
    fn acknowledged(&self, source: ShardId) -> Option<Heads>;

    /// Whether somebody elsewhere goes by what is noted in the database of how far an outbox has
    /// come. Then it is noted also when nothing more is committed.
    fn is_followed_elsewhere(&self) -> bool {
        false
    }
}

/// Carries committed messages.
pub trait Log: Send + Sync + fmt::Debug {
    /// Live messages to `destination` from all sources, from now on.
    fn subscribe(&self, destination: Destination) -> Subscription;

    /// Live messages to a shard from all sources, and those events of these sources that it wants,
    /// from now on.
    fn listen(&self, shard: ShardId, events_of: &[ShardId], wants: Wants) -> Subscription;

    /// Messages from `source` to `destination` after the sequence `after`, oldest first, at most
    /// `limit`, and fewer only when there are no more. Only committed ones, and nothing is left out
    /// between them, but what is damaged: an event that cannot be read comes as an unreadable one,
    /// commands and replies whose receiver is not known do not come. Their
    /// `previous` is set as seen from `after`.
    fn read(
        &self,
        source: ShardId,
        destination: Destination,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Message>, StoreError>>;

    /// The heads of a source whose outbox has been taken over by somebody of whom this log hears.
    /// `None` for any other: nothing is known of it, which is not the same as that it is empty.
    fn heads(&self, source: ShardId) -> Option<Heads>;

    /// The sequence of the newest committed message from `source` to `destination`; 0 when there is
    /// none, or the source is not known yet. A reader whose position is lower has missed something,
    /// or will hear of it soon.
    fn head(&self, source: ShardId, destination: Destination) -> u64;

    /// When the newest committed event of `source` happened, if the log has that at hand; otherwise
    /// it can be read.
    fn head_time(&self, source: ShardId) -> Option<Timestamp>;

    /// The sequence up to which everything that `source` has committed has been handed to the log.
    fn published(&self, source: ShardId) -> u64;

    /// The events of one entity from `from_version` on, oldest first, at most `limit`: its history,
    /// with unreadable ones where it is damaged.
    fn history(
        &self,
        source: ShardId,
        entity: Uuid,
        from_version: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Message>, StoreError>>;

    /// How many messages of `source` each receiver has not applied yet, which has come as far as
    /// `positions` says. It is for people to look at: of a long backlog not all is counted, and
    /// receivers without any are left out.
    fn backlog<'a>(
        &'a self,
        source: ShardId,
        positions: &'a Positions,
    ) -> BoxFuture<'a, Result<BTreeMap<ShardId, u64>, StoreError>>;

    /// All shards that messages come from.
    fn sources(&self) -> Vec<ShardId>;

    /// Whether a head is known to the last message that was committed, and not only to what its
    /// owner has told so far.
    fn has_exact_heads(&self) -> bool {
        true
    }

    /// Whether the heads of all sources are known.
    fn knows_all_heads(&self) -> bool {
        let sources = self.sources().into_iter();
        sources
            .map(|source| self.heads(source))
            .all(|heads| heads.is_some())
    }
}

#[cfg(any(test, feature = "testing"))]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]
pub mod contract;
