//! Relays: how committed messages get from the outboxes to Kafka.
//!
//! | relay | who carries | when |
//! |---|---|---|
//! | direct | the node that commits, out of its memory | at once, as best it can |
//! | polling (`polling`) | the owner of the shard, out of the outbox | at its next look |
//! | WAL (`wal`) | one node for all shards, out of PostgreSQL's write-ahead log | at once |
//!
//! The two that read note how far they have come, in the database, and only behind events that
//! Kafka has acknowledged. So the events that they carry come at least once, whoever dies when;
//! nodes need that from no relay, because they read the outbox for what they miss, but whoever
//! follows the topics of events from outside may. Shards whose events nobody takes now wait, and no
//! others with them.
//!
//! No look passes over a row that becomes visible late. A shard's rows are numbered by its owner,
//! who commits them one batch after the other on one connection, and a new owner's epoch waits for
//! the batch that the old one is in the middle of.

mod cursor;
mod outboxes;
mod polling;
mod positions;
mod wal;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sagas::ShardId;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cluster::Assigned;
use crate::log::Message;
use crate::{ServiceDatabase, StoreError};

/// How messages get from an outbox to Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relay {
    /// The node that commits hands them over.
    Direct,
    /// Nodes look for what is new in the outboxes of their shards, after each pause of this length.
    Polling(Duration),
    /// One node follows PostgreSQL's write-ahead log, of which the server may keep so many bytes.
    Wal(u64),
}

/// Why messages may not have arrived.
pub type Undelivered = Box<dyn std::error::Error + Send + Sync>;

/// The sources of which some events cannot be taken now, while those of others can.
pub type Waits = BTreeSet<ShardId>;

/// Carries messages, and says when their events are there for good. Commands and replies are sent,
/// and may be lost: whoever they are to reads the outbox.
pub trait AcknowledgingCarrier: fmt::Debug + Send + Sync {
    /// Carries messages, those of one source in the order of their commit. What sources that wait,
    /// or all where it fails, have sent may have arrived in part, and is to be carried again.
    fn deliver(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<Waits, Undelivered>>;
}

/// The relays of a node, until it is dropped.
#[derive(Debug)]
pub struct Relaying(Vec<JoinHandle<()>>);

impl Relaying {
    /// Notes where relays are to begin, before shards open whose messages a relay is to carry.
    ///
    /// # Errors
    /// When a database does not answer.
    pub async fn prepare(relay: Relay, databases: &[ServiceDatabase]) -> Result<(), StoreError> {
        if relay != Relay::Direct {
            for database in databases {
                positions::prepare(database).await?;
            }
        }
        Ok(())
    }

    /// Begins to relay what stands in these databases, each of so many shards and by a carrier of
    /// its own, for the shards that the node is given. Must be called where a tokio runtime runs.
    #[must_use]
    pub fn begin(
        relay: Relay,
        outboxes: Vec<(ServiceDatabase, Arc<dyn AcknowledgingCarrier>)>,
        (assigned, shards): (&watch::Receiver<Assigned>, u16),
    ) -> Self {
        let mut tasks = Vec::new();
        for (database, carrier) in outboxes {
            let assigned = assigned.clone();
            if !matches!(relay, Relay::Wal(_)) {
                let database = database.clone();
                tasks.push(tokio::spawn(async move { wal::clear(&database).await }));
            }
            match relay {
                Relay::Direct => {}
                Relay::Polling(pause) => tasks.push(tokio::spawn(async move {
                    polling::run(&database, &*carrier, assigned, pause).await;
                })),
                Relay::Wal(keeps) => tasks.push(tokio::spawn(async move {
                    wal::run(&database, &*carrier, (assigned, shards), keeps).await;
                })),
            }
        }
        Relaying(tasks)
    }
}

impl Drop for Relaying {
    fn drop(&mut self) {
        // What was not noted comes again.
        self.0.iter().for_each(JoinHandle::abort);
    }
}

#[cfg(test)]
mod tests;
