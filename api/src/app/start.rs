//! Starting a node, part by part.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use actors::cluster::NodeArrivals;
use actors::{Gateway, Node, NodeConfig, gateway};
use anyhow::{Context, anyhow};
use domain::saga::SagaPolicy;
use projections::{StoredRows, ViewStores, Views, ViewsConfig};
use store::faults::{FaultPlan, Faults};
use store::journal::Standing;
use store::{Deployment, Lease, Log, Occupancy, ServiceDatabase, Striving};
use tokio::task::JoinHandle;

use super::bulk::BulkOperations;
use super::databases::{Neighbours, Opened};
use super::history::StoredHistory;
use super::io::IoRuntime;
use super::observer::Observer;
use super::operated_views::OperatedViews;
use super::operations::Operations;
use super::quarantine_causes::Seen;
use super::queries::ViewQueries;
use super::shown::ShownViews;
use super::stores::view_stores;
use super::{Running, auditing, databases, folder};
use crate::config::{Config, Role};
use crate::files;
use crate::http::{self, Api, Listening};
use crate::ports::{CommandPorts, Ports, ReadPorts};
use crate::shutdown::Shutdown;
use crate::telemetry::{self, Telemetry, Traces};

/// How long a start waits for the shards to open. Beyond that a store stands still, or holds what
/// cannot be read: the node listens, says why it is not ready, and opens them when it can.
const OPEN_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked whether other nodes have opened theirs.
const OPENS_SOON: Duration = Duration::from_millis(20);
/// A start waits at most this long for the views to answer, so that the first queries find them.
/// Beyond that a store is down, or a first generation is being built; queries say so.
const VIEWS_SETTLE_WITHIN: Duration = Duration::from_secs(3);

/// What a node is made of, besides its HTTP server.
pub(super) struct Parts {
    node: Arc<Node>,
    views: Arc<Views>,
    view_stores: ViewStores,
    deployment: Deployment,
    neighbours: Option<Neighbours>,
    /// For the views that several nodes share.
    striving: Option<Striving>,
    /// Keep other nodes out that do not go with this one.
    occupancies: Vec<Occupancy>,
    /// Shards may be the node's, so that it writes to their databases.
    owns: bool,
    /// Keep the metrics up to date, and audit.
    upkeep: Vec<JoinHandle<()>>,
    traces: Option<Traces>,
    /// Ends last: views and their stores run on it.
    _io: IoRuntime,
    /// Held as long as the node runs: the data folder is its own.
    _lock: File,
}

impl Parts {
    pub(super) fn release_waiting(&self) {
        self.node.release_waiting();
    }

    pub(super) async fn failed(&self) -> anyhow::Error {
        let (service, Standing { cause, .. }) = self.node.failed().await;
        anyhow!(
            "the journal of {service} has ended: {cause}; \
             what is durable is safe, start the node again"
        )
    }

    /// Ends shards and journals, then the views, which take in the last commits now or at the next
    /// start, then the databases.
    pub(super) async fn end(self) {
        self.upkeep.iter().for_each(JoinHandle::abort);
        self.node.stop().await;
        // What was submitted is durable: the next owners may have the shards.
        if let Some(Neighbours { kafka, .. }) = self.neighbours {
            kafka.leave().await;
        }
        self.views.stop().await;
        // Another node may feed the views now.
        drop(self.striving);
        self.view_stores.close().await;
        // The last spans are those of what the views have taken in now.
        let flushing = self.traces.map(Traces::end);

        if self.owns {
            note_seen(&self.deployment).await;
        }

        for database in self.deployment.databases {
            database.close().await;
        }
        drop(self.occupancies);
        if let Some(flushing) = flushing {
            flushing.await;
        }
        tracing::info!("the node has ended");
    }
}

async fn note_seen(deployment: &Deployment) {
    if let Err(error) = deployment.note_seen().await {
        tracing::warn!(
            error = %error,
            "what the databases have seen of each other is not noted"
        );
    }
}

/// Starts a node. Must be called inside an actix system.
///
/// # Errors
/// What keeps the node from starting: one line that names the setting, where a setting is the
/// reason.
pub(super) async fn start(config: Config, shutdown: Shutdown) -> anyhow::Result<Running> {
    files::raise_limit();
    // What may keep the node from starting comes before anything is opened or started.
    let bound = http::bind(&config)?;
    let lock = folder::take(&config.data_dir)?;
    let io = IoRuntime::start().context("the threads for views cannot be started")?;
    let prometheus = telemetry::install()?;
    let traces = start_traces(&config, &io)?;
    if let Some(traces) = &traces {
        telemetry::below::follow(traces.tracer());
    }
    let faults = Faults::new(config.faults.clone());

    let (opened, occupancies) = databases::open(&config, faults, &io).await?;
    let Opened {
        parts,
        deployment,
        log,
        neighbours,
    } = opened;
    tracing::info!(deployment = %deployment.id, "the databases belong together");
    let databases = deployment.databases.clone();

    let (node, gateway) = gateway::start(&node_config(&config), &parts)?;
    let gateway = gateway.coordinated_by(config.coordination);
    let node = Arc::new(node);
    if let Some(Neighbours { kafka, log }) = &neighbours {
        let arrivals = NodeArrivals {
            log: Arc::clone(log),
            doors: node.doors(),
            transport: kafka.clone(),
        };
        let follows_events = config.has(Role::Actors) || config.has(Role::Projections);
        kafka.begin(Arc::new(arrivals), follows_events);
    }
    let opened = || opens(Arc::clone(&node), Arc::clone(&log));
    let open = tokio::time::timeout(OPEN_WITHIN, opened()).await.is_ok();
    let view_stores = view_stores(&config, io.handle()).await?;
    let stores = view_stores.clone();
    let (striving, lease) = {
        let _entered = io.handle().enter();
        databases::strive(&config, opened())
    };
    let begins = (opened(), lease);
    let (views, shown) = start_views(&config, stores, &io, &deployment, log.clone(), begins)?;
    if open {
        views.settled(VIEWS_SETTLE_WITHIN).await;
    }

    let quarantined = Arc::new(Seen::default());
    let observer = Observer {
        node: Arc::clone(&node),
        databases: databases.clone(),
        log: log.clone(),
        data_dir: config.data_dir.clone(),
        quarantined: Arc::clone(&quarantined),
    };
    let mut upkeep = vec![
        actix_rt::spawn(telemetry::keep_up(prometheus.clone())),
        actix_rt::spawn(observer.run()),
    ];
    auditing::show_none();
    if let Some(interval) = config.audit_interval {
        let audited = auditing::of(&config, view_stores.clone());
        upkeep.push(io.handle().spawn(auditing::run(interval, audited)));
    }
    let operations = Operations::new(&config, &node, &views, &databases, log, quarantined);
    let ports = ports(&config, (gateway, shown), operations, &views, &databases);

    let telemetry = Telemetry {
        prometheus: Some(prometheus),
        tracer: traces.as_ref().map(Traces::tracer),
    };
    let parts = Parts {
        node,
        views,
        view_stores,
        deployment,
        neighbours,
        striving,
        occupancies,
        owns: config.has(Role::Actors),
        upkeep,
        traces,
        _io: io,
        _lock: lock,
    };

    let api = Data::new(Api::new(ports, &config, telemetry, shutdown.clone()));
    let listening = http::listen(api, bound, &config, shutdown)?;
    // A start that fails tells one line: why.
    warn_of_dangers(&config);
    say_where(&listening, &config, open)?;

    Ok(Running {
        parts,
        serving: actix_rt::spawn(listening.server),
    })
}

fn start_traces(config: &Config, io: &IoRuntime) -> anyhow::Result<Option<Traces>> {
    let start = |collector| Traces::start(collector, &config.node_id, io.handle());
    config.otlp_endpoint.as_ref().map(start).transpose()
}

/// Logs where the node listens, and whether its shards are open.
fn say_where(listening: &Listening, config: &Config, open: bool) -> anyhow::Result<()> {
    let address = *listening
        .addresses
        .first()
        .ok_or_else(|| anyhow!("the server listens nowhere"))?;
    let folder = config.data_dir.display();

    if open {
        tracing::info!(address = %address, data_dir = %folder, "counterfoil is ready");
    } else {
        tracing::error!(
            address = %address, data_dir = %folder,
            "counterfoil listens and is not ready; /health/ready tells why"
        );
    }
    Ok(())
}

/// Logs what must not be so where others reach the node, or its machine.
fn warn_of_dangers(config: &Config) {
    folder::warn_of_others(&config.data_dir);
    if !config.listen.ip().is_loopback() {
        tracing::warn!(
            address = %config.listen, allowed_hosts = ?config.allowed_hosts,
            "other machines reach this node, and it asks nobody who he is: let only those reach it \
             who may do everything, or put a proxy in front that asks; name the hosts it is called \
             by in allowed_hosts, so that no web page can pretend to be one of them"
        );
    }

    if config.faults != FaultPlan::default() {
        tracing::warn!(
            faults = ?config.faults,
            "faults are injected, as a test may want it; nobody else should"
        );
    }
}

/// Starts the views, which begin when the shards are open: only then does the log know its heads. A
/// view whose store does not answer tries again; commands do not wait for it.
fn start_views(
    config: &Config,
    stores: ViewStores,
    io: &IoRuntime,
    deployment: &Deployment,
    log: Arc<dyn Log>,
    (opened, lease): (impl Future<Output = ()> + Send + 'static, Lease),
) -> anyhow::Result<(Arc<Views>, ShownViews)> {
    let rows = Arc::new(StoredRows::new(&deployment.databases));

    let views_config = ViewsConfig {
        keep: config.view_keep,
        deployment: deployment.id,
        origin: deployment.origin,
    };

    let _entered = io.handle().enter();
    let mut views = Views::when(opened, views_config, log).led_by(lease);
    let shown = ShownViews::register(config, &mut views, stores, rows)?;
    Ok((Arc::new(views), shown))
}

/// Waits until the shards of this node are open, and it is known how far all outboxes have come.
async fn opens(node: Arc<Node>, log: Arc<dyn Log>) {
    loop {
        node.opened().await;
        if log.knows_all_heads() {
            return;
        }
        tokio::time::sleep(OPENS_SOON).await;
    }
}

fn node_config(config: &Config) -> NodeConfig {
    NodeConfig {
        name: config.node_id.clone(),
        shards: config.shards,
        arbiters: match config.has(Role::Actors) {
            true => config.arbiters,
            false => 0,
        },
        live_actors: config.max_actors,
        sagas: SagaPolicy {
            deadline: config.saga_deadline,
            first_retry: config.saga_retry,
            attempts: config.saga_attempts,
        },
        retention: config.retention,
        loading: BTreeMap::from([
            (domain::CUSTOMERS, config.customers_loading),
            (domain::ORDERS, config.orders_loading),
        ]),
    }
}

fn ports(
    config: &Config,
    (gateway, shown): (Gateway, ShownViews),
    operations: Operations,
    views: &Arc<Views>,
    databases: &[ServiceDatabase],
) -> Ports {
    let operations = Arc::new(operations);
    let operated_views = Arc::new(OperatedViews::new(Arc::clone(views)));

    let bulk = BulkOperations::new(gateway.clone(), operations.clone());

    Ports {
        commands: CommandPorts {
            commands: Arc::new(gateway),
            bulk: Arc::new(bulk),
            views: operated_views.clone(),
        },
        reads: ReadPorts {
            queries: Arc::new(ViewQueries::new(Arc::clone(views), shown)),
            history: Arc::new(StoredHistory::new(databases, config.shards)),
            sagas: operations.clone(),
            actions: operations.clone(),
            quarantine: operations.clone(),
            cluster: operations.clone(),
            views: operated_views,
            health: operations,
        },
    }
}
