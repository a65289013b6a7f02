//! What a node tells all others of itself, and who it is.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actors::Node;
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use store::cluster::roll::TELLS_EVERY;
use store::kafka::Kafka;
use store::{Clock, Lease};

use super::reaching::Reach;
use crate::config::{Config, Role};

/// Who this node is.
pub(super) struct Identity {
    /// Unique in the cluster.
    pub node_id: String,
    note: Note,
    node: Arc<Node>,
    /// For the views that several nodes share, when it may feed them.
    feeds: Option<Lease>,
    reach: Arc<Reach>,
    ends: AtomicBool,
}

/// What a node tells of itself. Releases that know of less leave the rest out, in both directions.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Note {
    /// The version of its binary.
    pub release: String,
    /// What it does, by the names of its roles.
    pub roles: Vec<String>,
    /// The services whose shards it may own.
    pub services: Vec<String>,
    /// Where it listens; absent when that is every address of its machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// When it started.
    pub started_at: Timestamp,
    /// Entity actors in memory.
    #[serde(default)]
    pub actors: u64,
    /// Whether it feeds the views that several nodes share.
    #[serde(default)]
    pub feeds_views: bool,
    /// The views on servers that it does not reach.
    #[serde(default)]
    pub unreached: BTreeSet<String>,
    /// Whether it is about to end, and owns nothing any more.
    #[serde(default)]
    pub ends: bool,
}

impl Note {
    /// Whether the node does this.
    pub(super) fn has(&self, role: Role) -> bool {
        self.roles.iter().any(|named| named == role.name())
    }

    /// Whether the node may own shards of this service.
    pub(super) fn owns(&self, service: &str) -> bool {
        !self.ends && self.has(Role::Actors) && self.services.iter().any(|named| named == service)
    }
}

impl Identity {
    /// A node that listens there, starting now.
    pub(super) fn new(
        config: &Config,
        address: SocketAddr,
        node: &Arc<Node>,
        lease: Lease,
    ) -> Self {
        let may_feed = config.has(Role::Projections) && config.has_views_on_servers();
        let services = config.services.iter();
        // An address that means every one of a machine tells nobody where that is.
        let address = (!address.ip().is_unspecified()).then(|| address.to_string());
        Identity {
            node_id: config.node_id.clone(),
            note: Note {
                release: env!("CARGO_PKG_VERSION").to_owned(),
                roles: config
                    .roles
                    .iter()
                    .map(|role| role.name().to_owned())
                    .collect(),
                services: services.map(|service| service.name().to_owned()).collect(),
                address,
                started_at: Clock::system().now(),
                actors: 0,
                feeds_views: false,
                unreached: BTreeSet::new(),
                ends: false,
            },
            node: Arc::clone(node),
            feeds: may_feed.then_some(lease),
            reach: Arc::default(),
            ends: AtomicBool::new(false),
        }
    }

    /// What there is to tell now.
    pub(super) fn note(&self) -> Note {
        let shards = self.node.snapshot();
        let actors: usize = shards.iter().map(|shard| shard.live_actors).sum();
        Note {
            actors: u64::try_from(actors).unwrap_or(u64::MAX),
            feeds_views: self.feeds.as_ref().is_some_and(Lease::is_held),
            unreached: self.reach.unreached(),
            ends: self.ends.load(Ordering::Relaxed),
            ..self.note.clone()
        }
    }

    /// What it reaches, as it was seen last.
    pub(super) fn reach(&self) -> Arc<Reach> {
        Arc::clone(&self.reach)
    }

    /// Tells all nodes of this one again and again, until it is dropped.
    pub(super) async fn keep_telling(self: Arc<Self>, kafka: Arc<Kafka>) {
        loop {
            self.tell_all(&kafka);
            tokio::time::sleep(TELLS_EVERY).await;
        }
    }

    /// Tells all nodes that this one is about to end.
    pub(super) fn tell_of_end(&self, kafka: &Kafka) {
        self.ends.store(true, Ordering::Relaxed);
        self.tell_all(kafka);
    }

    fn tell_all(&self, kafka: &Kafka) {
        match serde_json::to_vec(&self.note()) {
            Ok(note) => kafka.tell_all(&note),
            Err(error) => tracing::error!(error = %error, "a note has no JSON form"),
        }
    }
}
