//! The cluster: this node, and its shards with what waits for them.

use store::ServiceDatabase;
use store::shards::{self, Ownership};

use super::Operations;
use super::backlogs::Backlogs;
use crate::app::history::read_error;
use crate::ports::{Cluster, ClusterState, NodeState, ReadError, ReadFuture, ShardState};

impl Operations {
    async fn shard_states(
        &self,
        database: &ServiceDatabase,
        backlogs: &Backlogs,
    ) -> Result<Vec<ShardState>, ReadError> {
        let owners = shards::owners(database).await.map_err(read_error)?;

        let state = |owned: Ownership| ShardState {
            service: owned.shard.service.name().to_owned(),
            shard: owned.shard.number,
            owner: Some(owned.owner),
            epoch: owned.epoch,
            outbox_sequence: self.log.published(owned.shard),
            outbox_backlog: backlogs.outbox.get(&owned.shard).copied().unwrap_or(0),
            inbox_backlog: backlogs.inbox.get(&owned.shard).copied().unwrap_or(0),
        };

        Ok(owners.into_iter().map(state).collect())
    }
}

impl Cluster for Operations {
    fn state(&self) -> ReadFuture<'_, ClusterState> {
        Box::pin(async move {
            let backlogs = Backlogs::count(&self.databases, &self.log).await;
            let backlogs = backlogs.map_err(read_error)?;
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
                roles: self
                    .roles
                    .iter()
                    .map(|role| role.name().to_owned())
                    .collect(),
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
