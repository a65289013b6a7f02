//! The parts of a node: of one that is alone, its log in the outboxes of its stores, which are in a
//! folder and need nothing else, or on servers; and of one that has others beside it.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sagas::SagaPolicy;
use store::cluster::{Carrier, Membership, Transport};
use store::faults::Faults;
use store::log::cluster::ClusterLog;
use store::{Clock, Deployment, Journal, Log, ServiceDatabase, ServiceSchema, StoreError};

use super::way::Way;
use super::{NodeConfig, NodeParts};

impl NodeParts {
    /// Opens the stores of these services in a folder, and creates what is missing. No other
    /// process may use the folder at the same time.
    ///
    /// # Errors
    /// When a store cannot be opened, or they do not belong together.
    pub async fn embedded(
        schemas: &[ServiceSchema],
        folder: &Path,
        shards: u16,
    ) -> Result<Embedded, StoreError> {
        NodeParts::embedded_with_faults(schemas, folder, shards, Faults::default()).await
    }

    /// The same, with faults that a test asks for.
    ///
    /// # Errors
    /// As [`embedded`](NodeParts::embedded).
    pub async fn embedded_with_faults(
        schemas: &[ServiceSchema],
        folder: &Path,
        shards: u16,
        faults: Faults,
    ) -> Result<Embedded, StoreError> {
        let deployment = Deployment::open_embedded(schemas, folder, shards).await?;
        NodeParts::on(deployment, shards, faults).await
    }

    /// The same on stores that are open, wherever they are. No other process may write to them.
    ///
    /// # Errors
    /// When a journal cannot be started.
    pub async fn on(
        deployment: Deployment,
        shards: u16,
        faults: Faults,
    ) -> Result<Embedded, StoreError> {
        let databases = &deployment.databases;
        let way = Way::alone(databases, shards, faults.clone());
        let log = Arc::clone(&way.log);

        let parts = parts(way, &deployment, shards, faults).await?;
        Ok(Embedded {
            parts,
            deployment,
            log,
        })
    }

    /// The parts of a node that has others beside it, on the same stores. It writes to those of the
    /// services whose shards it may own.
    ///
    /// # Errors
    /// When a journal cannot be started.
    pub async fn among<N>(
        deployment: Deployment,
        shards: u16,
        faults: Faults,
        others: Arc<N>,
    ) -> Result<Neighbour, StoreError>
    where
        N: Carrier + Transport + Membership + 'static,
    {
        let databases = &deployment.databases;
        let (way, log) = Way::among(databases, shards, faults.clone(), others);

        let parts = parts(way, &deployment, shards, faults).await?;
        Ok(Neighbour {
            parts,
            deployment,
            log,
        })
    }
}

async fn parts(
    way: Way,
    deployment: &Deployment,
    shards: u16,
    faults: Faults,
) -> Result<NodeParts, StoreError> {
    let owned = |database: &&ServiceDatabase| deployment.owned.contains(&database.service);
    let mut journals = Vec::new();
    for database in deployment.databases.iter().filter(owned) {
        let publisher = Arc::clone(&way.publisher);
        let journal = Journal::start(database, publisher, faults.clone(), shards);
        journals.push(journal.await?);
    }

    Ok(NodeParts {
        databases: deployment.databases.clone(),
        journals,
        log: way.log,
        membership: way.membership,
        transport: way.transport,
        clock: Clock::system(),
        faults,
    })
}

/// What a node without a broker has.
pub struct Embedded {
    /// What the command side works with.
    pub parts: NodeParts,
    /// The stores, which know that they belong together.
    pub deployment: Deployment,
    /// The log, for whoever follows events.
    pub log: Arc<dyn Log>,
}

/// What a node has that has others beside it.
pub struct Neighbour {
    /// What the command side works with.
    pub parts: NodeParts,
    /// The stores, which know that they belong together.
    pub deployment: Deployment,
    /// The log, which takes in what the others send.
    pub log: Arc<ClusterLog>,
}

impl Default for NodeConfig {
    fn default() -> Self {
        NodeConfig {
            name: "node-1".to_owned(),
            shards: 16,
            arbiters: cores(),
            live_actors: 100_000,
            sagas: SagaPolicy::default(),
            retention: Duration::from_secs(24 * 3600),
            loading: BTreeMap::new(),
        }
    }
}

/// Looked at once: the system reads files to tell.
fn cores() -> usize {
    static CORES: LazyLock<usize> =
        LazyLock::new(|| std::thread::available_parallelism().map_or(1, NonZero::get));
    *CORES
}
