//! What waits between the shards: messages that stand in an outbox and that their receivers have
//! not applied yet.

use std::collections::HashMap;
use std::sync::Arc;

use domain::ShardId;
use store::shards;
use store::{Destination, Log, Positions, ServiceDatabase, SourceStream, StoreError};

/// How many messages wait, by the shard that has sent them and by the one that is to apply them. A
/// shard without any is left out; of a long backlog not all is counted.
#[derive(Debug, Default)]
pub struct Backlogs {
    /// In the outbox of a shard, for whatever receiver.
    pub outbox: HashMap<ShardId, u64>,
    /// For a shard, from whatever outbox.
    pub inbox: HashMap<ShardId, u64>,
}

impl Backlogs {
    /// Counts them. Asks only the outboxes that some shard has not read to the end.
    ///
    /// # Errors
    /// When a database does not answer.
    pub async fn count(
        databases: &[ServiceDatabase],
        log: &Arc<dyn Log>,
    ) -> Result<Backlogs, StoreError> {
        let mut backlogs = Backlogs::default();

        for (source, positions) in behind(databases, log).await? {
            for (receiver, count) in log.backlog(source, &positions).await? {
                *backlogs.outbox.entry(source).or_insert(0) += count;
                *backlogs.inbox.entry(receiver).or_insert(0) += count;
            }
        }

        Ok(backlogs)
    }
}

/// The outboxes that hold something new, each with the position of the receivers that lack it.
async fn behind(
    databases: &[ServiceDatabase],
    log: &Arc<dyn Log>,
) -> Result<HashMap<ShardId, Positions>, StoreError> {
    let mut behind: HashMap<ShardId, Positions> = HashMap::new();

    for database in databases {
        for owned in shards::owners(database).await? {
            let receiver = owned.shard;
            let reached = shards::positions(database, receiver).await?;

            for source in log.sources() {
                let stream = SourceStream::messages(source);
                let position = reached.get(&stream).copied().unwrap_or(0);
                if position < log.head(source, Destination::Shard(receiver)) {
                    behind.entry(source).or_default().insert(receiver, position);
                }
            }
        }
    }

    Ok(behind)
}
