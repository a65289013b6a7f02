//! How messages and shards come to a node: to one that is alone, and to one that has others beside
//! it.

use std::sync::Arc;

use store::cluster::{Alone, Carrier, Membership, Transport};
use store::faults::Faults;
use store::log::cluster::ClusterLog;
use store::{Log, Publisher, ServiceDatabase, log};

/// What a node hands its messages to, takes them from, and is given its shards by.
pub(crate) struct Way {
    pub publisher: Arc<dyn Publisher>,
    pub log: Arc<dyn Log>,
    pub membership: Arc<dyn Membership>,
    pub transport: Option<Arc<dyn Transport>>,
}

impl Way {
    /// Everything is in the outboxes, and all shards are the node's.
    pub fn alone(databases: &[ServiceDatabase], shards: u16, faults: Faults) -> Self {
        let services = databases.iter().map(|database| database.service);
        let log = log::of_outboxes(databases.to_vec(), shards, faults);
        Way {
            publisher: log.clone(),
            log,
            membership: Arc::new(Alone::with(services, shards)),
            transport: None,
        }
    }

    /// The same outboxes, with the way to others; and the log that takes in what these send.
    pub fn among<N>(
        databases: &[ServiceDatabase],
        shards: u16,
        faults: Faults,
        others: Arc<N>,
    ) -> (Self, Arc<ClusterLog>)
    where
        N: Carrier + Transport + Membership + 'static,
    {
        let log = ClusterLog::new(databases.to_vec(), shards, faults, others.clone());
        let way = Way {
            publisher: log.clone(),
            log: log.clone(),
            membership: others.clone(),
            transport: Some(others),
        };
        (way, log)
    }
}
