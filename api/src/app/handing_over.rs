//! How a node that is told to end hands its shards over: it goes on answering meanwhile, and asks
//! their next owners, so that no caller meets a shard that is nobody's.

use std::sync::Arc;
use std::time::Duration;

use actors::Node;
use domain::Service;
use store::cluster::Participation;
use store::kafka::Kafka;
use store::{ServiceDatabase, StoreError, shards};

use super::announcing::{Identity, Note};

/// Shards that nobody has taken over by then wait no longer: most often they are within a second.
const WITHIN: Duration = Duration::from_secs(5);
/// How much of that shards may take to end what they have begun, and groups to be left.
const CLOSES_WITHIN: Duration = Duration::from_millis(2500);
const LEAVES_WITHIN: Duration = Duration::from_secs(2);
/// How often it is looked who has them.
const LOOKS_EVERY: Duration = Duration::from_millis(50);

/// What a node hands over, and to whom.
pub(super) struct HandingOver {
    /// Tells others that this node ends.
    pub identity: Arc<Identity>,
    /// Has the shards.
    pub node: Arc<Node>,
    /// Gives them up, and lets others have them.
    pub kafka: Arc<Kafka>,
    /// Of the services whose shards it may own.
    pub databases: Vec<ServiceDatabase>,
}

impl HandingOver {
    /// Gives the shards up and waits until others have them, but not for long; if there are others.
    pub(super) async fn run(&self) {
        self.identity.tell_of_end(&self.kafka);
        let is_in_touch = self.node.participation() != Participation::OutOfTouch;
        let mut databases = self.databases.iter();
        if !is_in_touch || !databases.any(|database| self.is_awaited(database.service)) {
            // Nobody would answer what this node gave up; it answers what it has taken itself.
            return;
        }

        let handed_over = tokio::time::timeout(WITHIN, async {
            self.kafka.give_up();
            // What is on its way still is refused by the next owner's epoch.
            let _ = tokio::time::timeout(CLOSES_WITHIN, self.node.closed()).await;
            self.kafka.leave_groups(LEAVES_WITHIN).await;
            self.taken_over().await;
        });
        match handed_over.await {
            Ok(()) => tracing::info!("no shard is this node's any more"),
            Err(_) => tracing::warn!("the node ends, and nobody has taken over all its shards"),
        }
    }

    async fn taken_over(&self) {
        for database in &self.databases {
            while self.is_awaited(database.service) {
                match self.has_any_of(database).await {
                    Ok(false) => break,
                    Ok(true) => {}
                    Err(error) => tracing::debug!(
                        service = %database.service, error = %error.chain(),
                        "who has the shards is not known now"
                    ),
                }
                tokio::time::sleep(LOOKS_EVERY).await;
            }
        }
    }

    /// Whether another node is there that will have the shards of a service.
    fn is_awaited(&self, service: Service) -> bool {
        let nodes = self.kafka.roll().nodes();
        let others = nodes.iter().filter(|heard| heard.is_present());
        let mut others = others.filter(|heard| heard.node != self.identity.node_id);
        others.any(|heard| {
            let note = serde_json::from_slice::<Note>(&heard.note);
            note.is_ok_and(|note| note.owns(service.name()))
        })
    }

    async fn has_any_of(&self, database: &ServiceDatabase) -> Result<bool, StoreError> {
        let owners = shards::owners(database).await?;
        let mut owners = owners.iter();
        Ok(owners.any(|owned| owned.owner == self.identity.node_id))
    }
}
