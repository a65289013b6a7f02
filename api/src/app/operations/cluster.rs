//! The cluster: this node, and its shards with what waits for them.

use std::collections::HashMap;

use domain::ShardId;
use store::shards::{self, Ownership};
use store::{Destination, Positions, ServiceDatabase};

use super::Operations;
use crate::app::history::read_error;
use crate::ports::{Cluster, ClusterState, NodeState, ReadError, ReadFuture, ShardState};

impl Operations {
    async fn shard_states(
        &self,
        database: &ServiceDatabase,
        backlogs: &HashMap<ShardId, u64>,
    ) -> Result<Vec<ShardState>, ReadError> {
        let owners = shards::owners(database).await.map_err(read_error)?;

        let state = |owned: Ownership| ShardState {
            service: owned.shard.service.name().to_owned(),
            shard: owned.shard.number,
            owner: Some(owned.owner),
            epoch: owned.epoch,
            outbox_sequence: self.log.published(owned.shard),
            // The embedded log is the outbox itself: what is committed is published.
            outbox_backlog: 0,
            inbox_backlog: backlogs.get(&owned.shard).copied().unwrap_or(0),
        };

        Ok(owners.into_iter().map(state).collect())
    }

    /// How many messages wait for each shard. Asks only sources that some shard has not read to the
    /// end.
    async fn inbox_backlogs(&self) -> Result<HashMap<ShardId, u64>, ReadError> {
        let mut behind: HashMap<ShardId, Positions> = HashMap::new();

        for database in self.databases.iter() {
            for owned in shards::owners(database).await.map_err(read_error)? {
                let receiver = owned.shard;
                let reached = shards::positions(database, receiver).await;
                let reached = reached.map_err(read_error)?;
                for source in self.log.sources() {
                    let stream = store::SourceStream::messages(source);
                    let position = reached.get(&stream).copied().unwrap_or(0);
                    if position < self.log.head(source, Destination::Shard(receiver)) {
                        behind.entry(source).or_default().insert(receiver, position);
                    }
                }
            }
        }

        let mut backlogs = HashMap::new();

        for (source, positions) in behind {
            let waiting = self.log.backlog(source, &positions).await;
            for (receiver, count) in waiting.map_err(read_error)? {
                *backlogs.entry(receiver).or_insert(0) += count;
            }
        }

        Ok(backlogs)
    }
}

impl Cluster for Operations {
    fn state(&self) -> ReadFuture<'_, ClusterState> {
        Box::pin(async move {
            let backlogs = self.inbox_backlogs().await?;
            let mut shards = Vec::new();
            for database in self.databases.iter() {
                shards.extend(self.shard_states(database, &backlogs).await?);
            }

            let actors: usize = self
                .node
                .snapshot()
                .iter()
                .map(|shard| shard.live_actors)
                .sum();

            let node = NodeState {
                node_id: self.node_id.clone(),
                roles: self.roles.clone(),
                services: self.services.clone(),
                started_at: self.started_at,
                actors: u64::try_from(actors).unwrap_or(u64::MAX),
            };

            Ok(ClusterState {
                node_id: self.node_id.clone(),
                nodes: vec![node],
                shards,
            })
        })
    }
}
