//! Housekeeping: removes received commands and replies when their retention time is over.
//!
//! It prunes a source up to where everything is published *and* received. It must know both: it
//! leaves alone a source that nobody has taken over yet, and what is meant for a receiver whose
//! position cannot be read. A receiver that has fallen behind keeps what it still needs, however
//! old that is.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sagas::mistakes::{Mistake, makes};
use sagas::{ShardId, Timestamp};
use store::{
    Clock, Destination, InboxPositions, Journal, Log, ServiceDatabase, SourceStream, StoreError,
    shards,
};
use tokio_util::sync::CancellationToken;

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

pub(super) fn start(config: &NodeConfig, parts: &NodeParts, stop: CancellationToken) {
    let housekeeper = Housekeeper::new(config, parts);

    actix_rt::spawn(async move {
        loop {
            let round = async {
                tokio::time::sleep(EVERY).await;
                housekeeper.prune().await;
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = round => {}
            }
        }
    });
}

impl Housekeeper {
    fn new(config: &NodeConfig, parts: &NodeParts) -> Self {
        Housekeeper {
            shards: config.shards,
            retention: config.retention,
            databases: parts.databases.clone(),
            journals: parts.journals.clone(),
            log: Arc::clone(&parts.log),
            clock: parts.clock.clone(),
        }
    }

    /// Prunes until nothing is left to prune. The sources take turns, with a bounded number of rows
    /// at once; between two turns the journal commits what waits.
    async fn prune(&self) {
        let positions = self.positions().await;
        let before = self.old_before();

        let mut turns: VecDeque<(&Journal, ShardId, u64)> = VecDeque::new();
        for journal in &self.journals {
            let sources = ShardId::all_of(journal.service(), self.shards);
            let prunable = |source| Some((journal, source, self.received(source, &positions)?));
            turns.extend(sources.filter_map(prunable));
        }

        while let Some((journal, source, up_to)) = turns.pop_front() {
            match journal.prune(source, up_to, before).await {
                Ok(pruned) if pruned.more => turns.push_back((journal, source, up_to)),
                Ok(_) => {}
                // The next round tries again. Others report a store that stands still.
                Err(error) => {
                    tracing::debug!(
                        shard = %source, error = %error,
                        "an outbox cannot be pruned now"
                    );
                }
            }
        }
    }

    fn old_before(&self) -> Timestamp {
        let retention = i64::try_from(self.retention.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.clock.now().micros().saturating_sub(retention))
    }

    /// The positions of all receivers whose positions can be read.
    async fn positions(&self) -> HashMap<ShardId, InboxPositions> {
        let mut positions = HashMap::new();
        let mut unknown: Option<(ShardId, StoreError)> = None;

        for database in &self.databases {
            for receiver in ShardId::all_of(database.service, self.shards) {
                match shards::positions(database, receiver).await {
                    Ok(reached) => drop(positions.insert(receiver, reached)),
                    Err(error) => unknown = Some((receiver, error)),
                }
            }
        }

        if let Some((shard, error)) = unknown {
            tracing::warn!(
                shard = %shard, error = %error,
                "what was sent to this shard is kept: it is not known what it has received"
            );
        }

        positions
    }

    /// The sequence up to which everything that a source has sent is published and received; `None`
    /// when that is not known.
    fn received(
        &self,
        source: ShardId,
        positions: &HashMap<ShardId, InboxPositions>,
    ) -> Option<u64> {
        // The positions were read before the heads. Both only grow, so whoever is level with its
        // head has received everything that is published.
        let heads = self.log.heads(source)?;
        if heads.has_unknown_receivers() {
            return None;
        }
        let mut up_to = heads.published();
        if makes(Mistake::PrunedUnreceived) {
            return Some(up_to);
        }

        for receiver in heads.receivers() {
            let reached = positions.get(&receiver)?;
            let stream = SourceStream::messages(source);
            let position = reached.get(&stream).copied().unwrap_or(0);
            if position < self.log.head(source, Destination::Shard(receiver)) {
                up_to = up_to.min(position);
            }
        }

        Some(up_to)
    }
}

#[cfg(all(test, feature = "shop"))]
mod tests;
