//! A node without a broker: its log in the outboxes of its stores, which are in a folder and need
//! nothing else, or on servers.

use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sagas::SagaPolicy;
use store::cluster::Alone;
use store::faults::Faults;
use store::log::embedded::EmbeddedLog;
use store::{Clock, Deployment, Journal, ServiceSchema, StoreError};

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
        let databases = deployment.databases.clone();
        let log = Arc::new(EmbeddedLog::new(databases.clone(), shards, faults.clone()));

        let mut journals = Vec::new();
        for database in &databases {
            let journal = Journal::start(database, log.clone(), faults.clone(), shards);
            journals.push(journal.await?);
        }

        let parts = NodeParts {
            membership: Arc::new(Alone::with(
                databases.iter().map(|database| database.service),
                shards,
            )),
            databases,
            journals,
            log: log.clone(),
            transport: None,
            clock: Clock::system(),
            faults,
        };
        Ok(Embedded {
            parts,
            deployment,
            log,
        })
    }
}

/// What a node without a broker has.
pub struct Embedded {
    /// What the command side works with.
    pub parts: NodeParts,
    /// The stores, which know that they belong together.
    pub deployment: Deployment,
    /// The log, for whoever follows events.
    pub log: Arc<EmbeddedLog>,
}

impl Default for NodeConfig {
    fn default() -> Self {
        NodeConfig {
            name: "node-1".to_owned(),
            shards: 16,
            arbiters: std::thread::available_parallelism().map_or(1, NonZero::get),
            live_actors: 100_000,
            sagas: SagaPolicy::default(),
            retention: Duration::from_secs(24 * 3600),
        }
    }
}
