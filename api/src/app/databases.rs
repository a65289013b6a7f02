//! The services' databases: the one place where their backends are chosen.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actors::{Embedded, Neighbour, NodeParts};
use anyhow::Context;
use domain::Service;
use store::cluster::Membership;
use store::faults::Faults;
use store::kafka::{Kafka, KafkaError, KafkaSettings};
use store::log::cluster::ClusterLog;
use store::relay::{Relay, Relaying};
use store::services::{customers, orders};
use store::{
    Deployment, Home, Lease, Log, Occupancy, ServiceDatabase, ServiceSchema, StoreError, Striving,
};
use tokio::task::JoinSet;

use super::io::IoRuntime;
use crate::config::{Config, LogBackend, Role};

/// A server that does not answer is tried again after this long.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// What a node works with, and how it is connected to others.
pub(super) struct Opened {
    /// Databases and journals, by service, and the rest of what a node is built from.
    pub parts: NodeParts,
    /// The deployment that the databases belong to.
    pub deployment: Deployment,
    /// What carries committed messages.
    pub log: Arc<dyn Log>,
    /// Absent on a node that is alone.
    pub neighbours: Option<Neighbours>,
}

/// The way to other nodes.
pub(super) struct Neighbours {
    /// The node's clients of Kafka.
    pub kafka: Arc<Kafka>,
    /// The log, into which comes what other nodes send.
    pub log: Arc<ClusterLog>,
    /// What carries what the node's shards commit, where it is not the node itself.
    pub relaying: Relaying,
}

/// Opens the databases that the configuration names, and starts their journals. A server that is
/// not there is waited for: whoever starts all at once need not start one before the other. What no
/// waiting mends ends the start. Connections belong to the runtime of `io`. With what keeps other
/// nodes out that do not go with this one.
pub(super) async fn open(
    config: &Config,
    faults: Faults,
    io: &IoRuntime,
) -> anyhow::Result<(Opened, Vec<Occupancy>)> {
    let (homes, shards) = (homes(config), config.shards);
    let (kafka, relay) = (kafka(config), config.relay());
    let owned = config.owned_services();
    // A start that is given up drops this, and opens nothing any more.
    let mut opening = JoinSet::new();
    opening.spawn_on(
        async move {
            let wanted = Wanted {
                homes,
                shards,
                alone: kafka.is_none(),
                owned,
            };
            let (deployment, occupancies) = wanted.when_there().await?;
            let opened = match kafka {
                None => alone(deployment, shards, faults).await,
                Some(kafka) => among_others(deployment, kafka, relay, faults).await,
            };
            Ok((opened?, occupancies))
        },
        io.handle(),
    );
    let opened = opening.join_next().await;
    opened.context("no task has opened the databases")??
}

/// What the configuration says of Kafka, if that is the log.
pub(super) fn kafka(config: &Config) -> Option<KafkaSettings> {
    match &config.log_url {
        LogBackend::Embedded => None,
        LogBackend::Kafka(brokers) => Some(KafkaSettings {
            brokers: brokers.clone(),
            namespace: config.namespace.clone(),
            partitions: config.kafka_partitions,
            shards: config.shards,
            services: domain::SERVICES.to_vec(),
            owns: config.owned_services().into_iter().collect(),
            node: config.node_id.clone(),
            carries: config.relay() == Relay::Direct,
        }),
    }
}

async fn alone(deployment: Deployment, shards: u16, faults: Faults) -> anyhow::Result<Opened> {
    let Embedded {
        parts,
        deployment,
        log,
    } = NodeParts::on(deployment, shards, faults).await?;
    Ok(Opened {
        parts,
        deployment,
        log,
        neighbours: None,
    })
}

async fn among_others(
    deployment: Deployment,
    settings: KafkaSettings,
    relay: Relay,
    faults: Faults,
) -> anyhow::Result<Opened> {
    let (shards, owned) = (settings.shards, settings.owns.clone());
    let kafka = when_kafka_is_there(settings).await?;
    let of_owned = |database: &&ServiceDatabase| owned.contains(&database.service);
    let databases: Vec<_> = deployment
        .databases
        .iter()
        .filter(of_owned)
        .cloned()
        .collect();
    Relaying::prepare(relay, &databases).await?;
    let others = Arc::clone(&kafka);
    let Neighbour {
        parts,
        deployment,
        log,
    } = NodeParts::among(deployment, shards, faults, others).await?;

    let mut outboxes = Vec::new();
    for database in databases {
        outboxes.push((database, kafka.acknowledging()?));
    }
    let relaying = Relaying::begin(relay, outboxes, (&kafka.assigned(), shards));
    Ok(Opened {
        parts,
        deployment,
        log: log.clone(),
        neighbours: Some(Neighbours {
            kafka,
            log,
            relaying,
        }),
    })
}

/// Strives for the views on servers, which one of several nodes feeds: in a database that all of
/// them have, once this one can feed them. Who has no such views strives for nothing, and who feeds
/// none leaves it to others.
pub(super) fn strive(
    config: &Config,
    begins: impl Future<Output = ()> + Send + 'static,
) -> (Option<Striving>, Lease) {
    if !config.has(Role::Projections) {
        return (None, Lease::never());
    }
    let is_alone = config.log_url == LogBackend::Embedded;
    if is_alone || !config.has_views_on_servers() {
        return (None, Lease::for_ever());
    }

    let on_server = |(schema, home): (ServiceSchema, Home)| match home {
        Home::Postgres(address) => Some((schema.service, address)),
        Home::Folder(_) => None,
    };
    let Some((service, address)) = homes(config).into_iter().find_map(on_server) else {
        return (None, Lease::for_ever());
    };
    let (striving, lease) = address.strive(service, begins);
    (Some(striving), lease)
}

/// As a database, a broker that is not there is waited for.
async fn when_kafka_is_there(settings: KafkaSettings) -> Result<Arc<Kafka>, KafkaError> {
    loop {
        match Kafka::connect(settings.clone()).await {
            Err(error) if error.is_transient() => {
                tracing::error!(error = %error, "the node waits for Kafka before it starts");
            }
            connected => return connected,
        }
        tokio::time::sleep(TRY_EVERY).await;
    }
}

/// Where the services keep what is theirs.
pub(super) fn homes(config: &Config) -> Vec<(ServiceSchema, Home)> {
    let home = |schema, database: &crate::config::DatabaseBackend| {
        (schema, database.home(&config.data_dir))
    };
    vec![
        home(customers::SCHEMA, &config.customers_database_url),
        home(orders::SCHEMA, &config.orders_database_url),
    ]
}

/// The databases that a node is to have.
struct Wanted {
    homes: Vec<(ServiceSchema, Home)>,
    shards: u16,
    /// It has no others beside it.
    alone: bool,
    /// Services whose shards it may own. It writes to no other's database.
    owned: BTreeSet<Service>,
}

impl Wanted {
    async fn when_there(&self) -> Result<(Deployment, Vec<Occupancy>), StoreError> {
        let mut told = String::new();
        loop {
            let error = match self.taken().await {
                Err(error @ (StoreError::Unreachable { .. } | StoreError::Database { .. })) => {
                    error
                }
                opened => return opened,
            };

            let cause = error.chain();
            if cause != told {
                tracing::error!(cause, "the node waits for a database before it starts");
                told = cause;
            }
            tokio::time::sleep(TRY_EVERY).await;
        }
    }

    /// The databases, taken for this node before it brings anything up to date in them.
    async fn taken(&self) -> Result<(Deployment, Vec<Occupancy>), StoreError> {
        let occupancies = self.occupy().await?;
        let deployment = match self.owned.len() == self.homes.len() {
            true => Deployment::open(&self.homes, self.shards).await?,
            false => Deployment::open_owning(&self.owned, &self.homes, self.shards).await?,
        };
        Ok((deployment, occupancies))
    }

    /// Takes the databases on servers for this node and those that know of it.
    async fn occupy(&self) -> Result<Vec<Occupancy>, StoreError> {
        let mut occupancies = Vec::new();
        for (schema, home) in &self.homes {
            if let Home::Postgres(address) = home {
                occupancies.push(address.occupy(schema.service, self.alone).await?);
            }
        }
        Ok(occupancies)
    }
}
