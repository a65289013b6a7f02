//! The ports between the nodes of a cluster: what carries messages, questions and answers from one
//! to another, and what gives shards to nodes.
//!
//! Nothing rests on them. What is lost on the way is read from the outbox by whoever misses it
//! ([`crate::log`]); a caller without an answer repeats with its key; and who owns a shard is
//! decided by its epoch in the database, whatever a node has been told. So each of these ports may
//! lose, repeat and delay, and may tell two nodes for a while that a shard is theirs.

pub mod roll;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use sagas::{Service, ShardId};
use tokio::sync::watch;

use crate::log::Message;

/// Carries committed messages to the nodes that own their receivers, or follow events.
pub trait Carrier: fmt::Debug + Send + Sync {
    /// Hands over committed messages, those of one source in the order of their commit. Does not
    /// wait. What cannot be sent is left out: its receiver sees the gap.
    fn carry(&self, messages: Vec<Arc<Message>>);
}

/// Carries questions and answers between nodes.
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends a question to whichever node owns the shard; false when it surely cannot arrive.
    fn ask(&self, shard: ShardId, question: Vec<u8>) -> bool;

    /// Sends a node the answer to its question to this service, as best it can.
    fn answer(&self, node: &str, service: Service, answer: Vec<u8>);
}

/// Where a node takes in what others have sent.
pub trait Arrivals: fmt::Debug + Send + Sync {
    /// Messages have arrived, those of one source in the order in which they were sent.
    fn arrived(&self, messages: Vec<Message>);

    /// Another node asks a shard of this node, in this of its tenures, which may not have begun
    /// here yet.
    fn asked(&self, shard: ShardId, tenure: u64, question: &[u8]);

    /// Another node has asked a shard before this tenure. Its owner of that time may have answered,
    /// or may be about to; whoever still waits when the tenure has begun is to ask again.
    fn asked_before(&self, shard: ShardId, tenure: u64, question: &[u8]);

    /// Another node answers a question to this service.
    fn answered(&self, service: Service, answer: &[u8]);

    /// Another node tells this one something that is about no shard.
    fn told(&self, word: &[u8]);
}

/// Which shards a node is to own, each with the number of its tenure. A shard that went away and
/// came back has another number than before, so that nobody who looks late takes it for one that
/// stayed: somebody else may have had it in the meantime.
pub type Assigned = Arc<BTreeMap<ShardId, u64>>;

/// Gives each shard to one of the nodes that are there.
pub trait Membership: fmt::Debug + Send + Sync {
    /// What is assigned to this node. It may be out of date: a node that was stopped hears late
    /// that others took it for dead.
    fn assigned(&self) -> watch::Receiver<Assigned>;

    /// Asks whoever assigns whether this shard is still this node's. False as well when there is
    /// no answer within a few seconds.
    fn confirm(&self, shard: ShardId) -> BoxFuture<'_, bool>;

    /// Whether this node takes part, as far as it knows.
    fn participation(&self) -> Participation;

    /// How many shards this node has been given without being able to begin with them: they are
    /// nobody's for so long.
    fn not_begun(&self) -> usize {
        0
    }
}

/// How far a node takes part in giving shards to nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Participation {
    /// It hears which shards are its own.
    Full,
    /// The same, as far as it knows; but what it tells all nodes does not come back to it.
    Unheard,
    /// It hears nothing, and goes on with the shards that it has.
    OutOfTouch,
}

/// The membership of a node that is alone: all shards are its own for as long as it runs.
#[derive(Debug)]
pub struct Alone(watch::Sender<Assigned>);

impl Alone {
    /// Owns all shards of these services, each of which has so many.
    #[must_use]
    pub fn with(services: impl IntoIterator<Item = Service>, shards: u16) -> Self {
        let of = |service| ShardId::all_of(service, shards);
        let all = services.into_iter().flat_map(of);
        let all: BTreeMap<_, _> = all.map(|shard| (shard, 1)).collect();
        Alone(watch::channel(Arc::new(all)).0)
    }
}

impl Membership for Alone {
    fn assigned(&self) -> watch::Receiver<Assigned> {
        self.0.subscribe()
    }

    fn confirm(&self, _shard: ShardId) -> BoxFuture<'_, bool> {
        ready(true).boxed()
    }

    fn participation(&self) -> Participation {
        Participation::Full
    }
}
