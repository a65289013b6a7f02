//! Housekeeping: removes commands and replies that have been received and whose retention time is
//! over.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::ShardId;
use store::{Clock, Destination, Journal, Log, ServiceDatabase, StoreError, shards};
use tokio::sync::watch;

use super::{NodeConfig, NodeParts};

const EVERY: Duration = Duration::from_secs(5);

struct Housekeeper {
    shards: u16,
    retention: Duration,
    databases: Vec<ServiceDatabase>,
    journals: Vec<Journal>,
    log: Arc<dyn Log>,
    clock: Clock,
}

pub(super) fn start(config: &NodeConfig, parts: &NodeParts, mut stop: watch::Receiver<bool>) {
    let housekeeper = Housekeeper {
        shards: config.shards,
        retention: config.retention,
        databases: parts.databases.clone(),
        journals: parts.journals.clone(),
        log: Arc::clone(&parts.log),
        clock: parts.clock.clone(),
    };
    actix_rt::spawn(async move {
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            if let Err(error) = housekeeper.prune().await {
                tracing::warn!(error = %error, "the outboxes cannot be pruned now");
            }
        }
    });
}

impl Housekeeper {
    async fn prune(&self) -> Result<(), StoreError> {
        let before = domain::Timestamp::from_micros(
            self.clock
                .now()
                .micros()
                .saturating_sub(i64::try_from(self.retention.as_micros()).unwrap_or(i64::MAX)),
        );

        let received = self.received().await?;

        for (database, journal) in self.databases.iter().zip(&self.journals) {
            for number in 0..self.shards {
                let source = ShardId::new(database.service, number);
                let up_to = received.get(&source).copied().unwrap_or(u64::MAX);
                journal
                    .prune(source, up_to.min(i64::MAX.unsigned_abs()), before)
                    .await?;
            }
        }

        Ok(())
    }

    /// Per source, the sequence up to which every message has been received by its shard.
    async fn received(&self) -> Result<HashMap<ShardId, u64>, StoreError> {
        let mut received: HashMap<ShardId, u64> = HashMap::new();

        for database in &self.databases {
            for number in 0..self.shards {
                let receiver = ShardId::new(database.service, number);
                let positions = shards::positions(database, receiver).await?;
                for source in self.log.sources() {
                    let position = positions.get(&source).copied().unwrap_or(0);
                    if position < self.log.head(source, Destination::Shard(receiver)) {
                        let up_to = received.entry(source).or_insert(u64::MAX);
                        *up_to = position.min(*up_to);
                    }
                }
            }
        }

        Ok(received)
    }
}
