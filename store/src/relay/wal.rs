//! The relay that follows PostgreSQL's write-ahead log, by logical replication.
//!
//! One node at a time has the slot of a service's database and carries what all shards of it
//! commit: the server tells each row of the outbox as soon as it is durable, and keeps its log
//! until the row is acknowledged. The others wait for the slot; while nobody can have it, nodes
//! poll the outboxes of their own shards.
//!
//! The server tells of a commit *before* other sessions see it: it may still wait for a standby,
//! and be lost with the server. So nothing is carried before others see it.
//!
//! A row that follows on none that was carried shows that something was missed: then the outbox is
//! read.

mod follower;
mod pgoutput;
mod slot;

use std::time::Duration;

use sagas::ShardId;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::AcknowledgingCarrier;
use super::outboxes::{Outboxes, RelayError};
use super::polling::{self, shards_of};
use crate::ServiceDatabase;
use crate::cluster::Assigned;
use crate::database::Location;
use crate::error::chain;
use follower::Follower;
use slot::Slot;

/// Whoever waits for the slot looks this often whether it is free.
const LOOKS_EVERY: Duration = Duration::from_millis(500);
/// What fails is tried again after this long.
const TRY_EVERY: Duration = Duration::from_secs(1);
/// A server that does not answer for so long is asked on another connection.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// A slot that nobody follows any more is looked for this often.
const CLEARS_EVERY: Duration = Duration::from_secs(60);

/// Why a database's log is not followed now.
#[derive(Debug, thiserror::Error)]
enum NotFollowed {
    #[error("another node follows it")]
    Held,
    #[error("another node is making its slot")]
    BeingMade,
    #[error("transactions run for which its slot would have to wait")]
    Older,
    #[error("the server has ended the session, or does not answer")]
    Silent,
    #[error("the server does not do what it is asked for")]
    Sql(#[from] sea_orm::sqlx::Error),
    #[error("the write-ahead log of the server cannot be followed")]
    Replication(#[from] pgwire_replication::PgWireError),
    #[error("its address asks for TLS, which this relay cannot do")]
    Tls,
    #[error("what the server has told is not to be seen: it may wait for a standby")]
    NotSeen,
    #[error("what the server tells cannot be read: {0}")]
    Malformed(&'static str),
    #[error("its slot keeps more of the server's log than {0} bytes and is given up")]
    KeepsTooMuch(u64),
    #[error(transparent)]
    Relay(#[from] RelayError),
}

/// Follows the log of a database for as long as it is let. `keeps_at_most` are the bytes of its log
/// that the server may keep for this.
pub(super) async fn run(
    database: &ServiceDatabase,
    carrier: &dyn AcknowledgingCarrier,
    (assigned, shards): (watch::Receiver<Assigned>, u16),
    keeps_at_most: u64,
) {
    let Location::Postgres(address) = &database.location else {
        return polling::run(database, carrier, assigned, TRY_EVERY).await;
    };
    let all: Vec<_> = ShardId::all_of(database.service, shards).collect();
    let slot = Slot::new(database.service, address, keeps_at_most);
    let mut told = String::new();

    loop {
        let mut follower = Follower::new(database, carrier, &slot);
        let Err(reason) = follower.follow(&all).await;
        if matches!(reason, NotFollowed::Held) {
            told.clear();
            sleep(LOOKS_EVERY).await;
            continue;
        }

        let cause = chain(&reason);
        if cause != told {
            tracing::warn!(
                service = %database.service, cause,
                "the database's log is not followed now: nodes poll the outboxes of their shards"
            );
        }
        told = cause;
        let given_up = within(slot.give_up_if_it_keeps_too_much()).await;
        let is_given_up = given_up.unwrap_or_else(|error| {
            tracing::debug!(service = %database.service, %error, "the slot cannot be looked at");
            false
        });
        // A new slot would keep as much, while nothing can be carried.
        while !poll(database, carrier, &assigned).await && is_given_up {
            sleep(TRY_EVERY).await;
        }
        sleep(TRY_EVERY).await;
    }
}

/// Carries what is there now of the node's own shards; false when that fails.
async fn poll(
    database: &ServiceDatabase,
    carrier: &dyn AcknowledgingCarrier,
    assigned: &watch::Receiver<Assigned>,
) -> bool {
    let mut outboxes = Outboxes::of(database, carrier);
    let polled = async {
        outboxes.keep(&shards_of(database, assigned)).await?;
        while outboxes.relay().await? {}
        outboxes.note().await
    };
    let polled: Result<(), RelayError> = polled.await;
    if let Err(error) = &polled {
        tracing::debug!(%error, "the outboxes cannot be polled");
    }
    polled.is_ok()
}

/// Gives up the slot of a database as soon as nobody follows it: where nodes relay in another way,
/// the server would keep its log for it for ever.
pub(super) async fn clear(database: &ServiceDatabase) {
    let Location::Postgres(address) = &database.location else {
        return;
    };
    let slot = Slot::new(database.service, address, 0);
    loop {
        match within(slot.clear(&database.read)).await {
            Ok(()) => {}
            Err(error) => tracing::warn!(
                service = %database.service, cause = %error,
                "it is not known whether the server keeps its log for a relay that is no more"
            ),
        }
        sleep(CLEARS_EVERY).await;
    }
}

/// Does not wait for a server for ever that stands still, or is cut off.
async fn within<T, E>(answer: impl Future<Output = Result<T, E>>) -> Result<T, NotFollowed>
where
    NotFollowed: From<E>,
{
    let answered = timeout(ANSWERS_WITHIN, answer).await;
    Ok(answered.map_err(|_| NotFollowed::Silent)??)
}
