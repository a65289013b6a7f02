//! The cluster: its nodes, as they have told of themselves, and the shards with what waits for
//! them.

use std::collections::BTreeMap;

use store::shards::{self, Ownership};
use store::{Clock, ServiceDatabase};

use super::Operations;
use super::backlogs::Backlogs;
use crate::app::announcing::Note;
use crate::app::history::read_error;
use crate::ports::{
    Cluster, ClusterState, NodePresence, NodeState, ReadError, ReadFuture, ShardState,
};

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
            owner: owned.owner,
            epoch: owned.epoch,
            outbox_sequence: self.log.published(owned.shard),
            outbox_backlog: backlogs.outbox.get(&owned.shard).copied().unwrap_or(0),
            inbox_backlog: backlogs.inbox.get(&owned.shard).copied().unwrap_or(0),
        };

        Ok(owners.into_iter().map(state).collect())
    }

    /// All nodes that are there, or were not long ago, in the order of their names.
    fn node_states(&self, shards: &[ShardState]) -> Vec<NodeState> {
        let now = Clock::system().now();
        let mut nodes = BTreeMap::new();

        for heard in self.roll.iter().flat_map(|roll| roll.nodes()) {
            let presence = match heard.is_present() {
                true => NodePresence::Present,
                false => NodePresence::Absent,
            };
            match serde_json::from_slice::<Note>(&heard.note) {
                Ok(note) => {
                    let seen = now.before(heard.age());
                    let state = node_state(&heard.node, note, (presence, seen), shards);
                    nodes.insert(heard.node, state);
                }
                Err(error) => {
                    tracing::debug!(node = heard.node, error = %error, "a note cannot be read");
                }
            }
        }

        // Whoever answers is there, whatever it hears of itself.
        let own = (NodePresence::Present, now);
        let node_id = &self.identity.node_id;
        let state = node_state(node_id, self.identity.note(), own, shards);
        nodes.insert(node_id.clone(), state);
        nodes.into_values().collect()
    }
}

fn node_state(
    node_id: &str,
    note: Note,
    (state, last_seen_at): (NodePresence, domain::Timestamp),
    shards: &[ShardState],
) -> NodeState {
    let owned = || {
        let owner = |shard: &&ShardState| shard.owner == node_id;
        shards.iter().filter(owner)
    };
    NodeState {
        node_id: node_id.to_owned(),
        state,
        release: note.release,
        roles: note.roles,
        services: note.services,
        address: note.address,
        started_at: note.started_at,
        last_seen_at,
        actors: note.actors,
        feeds_views: note.feeds_views,
        shards: u64::try_from(owned().count()).unwrap_or(u64::MAX),
        outbox_backlog: owned().map(|shard| shard.outbox_backlog).sum(),
        inbox_backlog: owned().map(|shard| shard.inbox_backlog).sum(),
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

            Ok(ClusterState {
                node_id: self.identity.node_id.clone(),
                nodes: self.node_states(&shards),
                shards,
            })
        })
    }
}
