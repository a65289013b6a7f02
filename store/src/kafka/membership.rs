//! What a node hears of its shards, from the groups that it is in and from what it tells itself.

use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sagas::ShardId;
use tokio::sync::watch;
use tokio::time::timeout;

use super::ownership::Ownership;
use super::{CONFIRM, Kafka};
use crate::cluster::roll::SILENT_FOR;
use crate::cluster::{Assigned, Membership, Participation};

impl Kafka {
    /// Whether what the node tells all nodes has come back to itself lately.
    fn is_heard(&self) -> bool {
        self.reader.roll().has(&self.settings.node)
    }

    /// Whether it has been telling for long enough to be heard.
    fn has_told(&self) -> bool {
        let first = self.tells_since.get();
        first.is_some_and(|first: &Instant| first.elapsed() >= SILENT_FOR)
    }
}

impl Membership for Kafka {
    fn assigned(&self) -> watch::Receiver<Assigned> {
        self.assignments.watch()
    }

    fn confirm(&self, shard: ShardId) -> BoxFuture<'_, bool> {
        let partition = self.topics.of_shard(shard);
        let ownership = self
            .ownerships
            .iter()
            .find(|ownership| ownership.service() == shard.service);
        let answer = ownership.map(|ownership| ownership.confirm(partition));

        async move {
            let Some(answer) = answer else { return false };
            matches!(timeout(CONFIRM, answer).await, Ok(Ok(true)))
        }
        .boxed()
    }

    fn participation(&self) -> Participation {
        let of_each = self.ownerships.iter().map(Ownership::participation);
        match of_each.max() {
            // A group whose brokers stand still while this node joins, or has no shard in it,
            // loses the node without a word.
            Some(Participation::Full) if self.has_told() && !self.is_heard() => {
                Participation::Unheard
            }
            Some(of_groups) => of_groups,
            // Whoever takes part in no group is in touch when what it tells comes back.
            None if self.is_heard() => Participation::Full,
            None => Participation::OutOfTouch,
        }
    }

    fn not_begun(&self) -> usize {
        self.ownerships.iter().map(Ownership::not_begun).sum()
    }
}
