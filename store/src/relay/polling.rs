//! The polling publisher: the owner of a shard looks for what is new in its outbox.
//!
//! It asks nothing of the database but SQL. Each look costs a read by the primary key for each of
//! the node's shards, whether there is something new or not; and what is new waits for the next
//! look.

use std::time::Duration;

use sagas::ShardId;
use tokio::sync::watch;
use tokio::time::sleep;

use super::AcknowledgingCarrier;
use super::outboxes::{Outboxes, RelayError};
use crate::ServiceDatabase;
use crate::cluster::Assigned;

/// What fails is tried again after this long.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Relays what stands in the outboxes of the shards that are assigned, for as long as it is let.
pub(super) async fn run(
    database: &ServiceDatabase,
    carrier: &dyn AcknowledgingCarrier,
    assigned: watch::Receiver<Assigned>,
    pause: Duration,
) {
    let mut outboxes = Outboxes::of(database, carrier);
    let mut told = String::new();
    loop {
        let shards = shards_of(database, &assigned);
        let relayed = look(&mut outboxes, &shards).await;

        let pause = match relayed {
            Ok(has_more) => {
                told.clear();
                if has_more { Duration::ZERO } else { pause }
            }
            Err(error) => {
                let cause = error.to_string();
                if cause != told {
                    tracing::warn!(
                        service = %database.service, cause,
                        "the outboxes are not relayed now; nodes read them themselves"
                    );
                }
                told = cause;
                // The database may be one that has not come as far: what is noted there counts.
                outboxes = Outboxes::of(database, carrier);
                TRY_EVERY
            }
        };
        sleep(pause).await;
    }
}

async fn look(outboxes: &mut Outboxes<'_>, shards: &[ShardId]) -> Result<bool, RelayError> {
    outboxes.keep(shards).await?;
    outboxes.relay().await
}

pub(super) fn shards_of(
    database: &ServiceDatabase,
    assigned: &watch::Receiver<Assigned>,
) -> Vec<ShardId> {
    let assigned = assigned.borrow();
    let of_service = |shard: &&ShardId| shard.service == database.service;
    assigned.keys().filter(of_service).copied().collect()
}
