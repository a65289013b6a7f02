//! Starting a node, part by part.

mod notices;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use actors::{Gateway, Node, NodeConfig, gateway};
use anyhow::{Context, anyhow};
use domain::saga::SagaPolicy;
use projections::{StoredRows, ViewStores, Views, ViewsConfig};
use store::cluster::Participation;
use store::faults::Faults;
use store::journal::Standing;
use store::kafka::Kafka;
use store::{Clock, Deployment, Lease, Log, Occupancy, ServiceDatabase, Striving};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::announcing::Identity;
use super::bulk::BulkOperations;
use super::company::{Company, Feeding};
use super::databases::{Neighbours, Opened};
use super::handing_over::HandingOver;
use super::history::StoredHistory;
use super::io::IoRuntime;
use super::observer::Observer;
use super::operated_views::OperatedViews;
use super::operations::Operations;
use super::quarantine_causes::Needed;
use super::queries::ViewQueries;
use super::recorded_views::RecordedViews;
use super::shown::ShownViews;
use super::stores::view_stores;
use super::view_deeds::ViewDeeds;
use super::{Running, auditing, company, databases, folder};
use crate::config::{Config, Role};
use crate::files;
use crate::http::{self, Api};
use crate::ports::{CommandPorts, Ports, ReadPorts};
use crate::shutdown::Shutdown;
use crate::telemetry::{self, Telemetry, Traces};

/// How long a start waits for the shards to open. Beyond that a store stands still, or holds what
/// cannot be read: the node listens, says why it is not ready, and opens them when it can.
const OPEN_WITHIN: Duration = Duration::from_secs(5);
/// How long a node that ends may take to leave the others: what ends behind it needs some time,
/// too.
const LEAVES_WITHIN: Duration = Duration::from_secs(4);
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
    handing_over: Option<HandingOver>,
    /// For the views that several nodes share.
    striving: Option<Arc<Striving>>,
    /// Keep other nodes out that do not go with this one.
    occupancies: Vec<Occupancy>,
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

    /// Hands the shards over, while the node goes on answering.
    pub(super) async fn hand_over(&self) {
        if let Some(handing_over) = &self.handing_over {
            handing_over.run().await;
        }
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
    ///
    /// What other servers are asked for ends with the deadline.
    pub(super) async fn end(self, deadline: Instant) {
        self.upkeep.iter().for_each(JoinHandle::abort);
        self.node.stop().await;
        if let Some(Neighbours {
            kafka, relaying, ..
        }) = self.neighbours
        {
            drop(relaying);
            let left = deadline.saturating_duration_since(Instant::now());
            kafka.leave(left.min(LEAVES_WITHIN)).await;
        }
        self.views.stop().await;
        // Another node may feed the views now.
        drop(self.striving);
        self.view_stores.close().await;
        // The last spans are those of what the views have taken in now.
        let flushing = self.traces.map(Traces::end);

        if let Err(error) = self.deployment.note_seen().await {
            tracing::warn!(
                error = %error,
                "what the databases have seen of each other is not noted"
            );
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

/// Starts a node. Must be called inside an actix system. From the moment at which it may be given
/// shards, `joined` knows what it leaves when its start is broken off.
///
/// # Errors
/// What keeps the node from starting: one line that names the setting, where a setting is the
/// reason.
pub(super) async fn start(
    config: Config,
    shutdown: Shutdown,
    joined: &OnceCell<Arc<Kafka>>,
) -> anyhow::Result<Running> {
    files::raise_limit();
    // What may keep the node from starting comes before anything is opened or started.
    let bound = http::bind(&config)?;
    let address = bound.address()?;
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
    if let Some(others) = &neighbours {
        // Nobody else has set it.
        let _ = joined.set(Arc::clone(&others.kafka));
    }
    let others = neighbours.as_ref();
    let others = others.map(|others| (others, company::receive(&config, &node, others)));
    let opened = || opens(Arc::clone(&node), Arc::clone(&log));
    let first = async {
        is_in_touch(&config, &node).await;
        opened().await;
    };
    let open = tokio::time::timeout(OPEN_WITHIN, first).await.is_ok();
    let view_stores = view_stores(&config, io.handle()).await?;
    let stores = view_stores.clone();
    let (striving, lease) = {
        let _entered = io.handle().enter();
        databases::strive(&config, opened())
    };
    let striving = striving.map(Arc::new);
    let begins = (opened(), lease.clone());
    let (views, shown) = start_views(&config, stores, &io, &deployment, log.clone(), begins)?;
    if open {
        views.settled(VIEWS_SETTLE_WITHIN).await;
    }

    let needed = Arc::new(Needed::default());
    let observer = Observer {
        node: Arc::clone(&node),
        views: Arc::clone(&views),
        databases: databases.clone(),
        log: log.clone(),
        data_dir: config.data_dir.clone(),
        needed: Arc::clone(&needed),
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
    let identity = Arc::new(Identity::new(&config, address, &node, lease.clone()));
    let handing_over = neighbours.as_ref().map(|others| HandingOver {
        identity: Arc::clone(&identity),
        node: Arc::clone(&node),
        kafka: Arc::clone(&others.kafka),
        databases: owned(&config, &databases),
    });
    let mut company = others.map(|others| {
        let striving = striving.clone();
        let feeding = Feeding { lease, striving };
        let identity = (&config, &identity);
        Company::begin(identity, others, (&views, &view_stores), feeding, &io)
    });
    if let Some(company) = &mut company {
        upkeep.append(&mut company.upkeep);
    }
    if let Some(others) = &neighbours {
        let looking = look_at_events(Arc::clone(&others.kafka), databases.clone());
        upkeep.push(io.handle().spawn(looking));
    }
    let roll = company.as_ref().map(|company| Arc::clone(&company.roll));
    let operations = Operations::new(
        (&config, &identity),
        (&node, roll),
        &views,
        &databases,
        log,
        needed,
    );
    let deeds: Arc<dyn ViewDeeds> = match company {
        Some(company) => company.views,
        None => Arc::new(OperatedViews::new(Arc::clone(&views))),
    };
    let operated = RecordedViews::new(deeds, Arc::new(gateway.clone()));
    let shown = (shown, Arc::new(operated));
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
        handing_over,
        striving,
        occupancies,
        upkeep,
        traces,
        _io: io,
        _lock: lock,
    };

    let api = Data::new(Api::new(ports, &config, telemetry, shutdown.clone()));
    let listening = http::listen(api, bound, &config, shutdown)?;
    // A start that fails tells one line: why.
    notices::warn_of_dangers(&config);
    notices::say_where(&listening, &config, open)?;

    Ok(Running {
        parts,
        serving: actix_rt::spawn(listening.server),
    })
}

/// Says what the topics of events lack. Views here do not need them.
async fn look_at_events(kafka: Arc<Kafka>, databases: Vec<ServiceDatabase>) {
    for database in &databases {
        kafka.look_at_events(database, Clock::system().now()).await;
    }
}

/// The databases of the services whose shards the node may own.
fn owned(config: &Config, databases: &[ServiceDatabase]) -> Vec<ServiceDatabase> {
    let owned = config.owned_services();
    let of = |database: &&ServiceDatabase| owned.contains(&database.service);
    databases.iter().filter(of).cloned().collect()
}

fn start_traces(config: &Config, io: &IoRuntime) -> anyhow::Result<Option<Traces>> {
    let start = |collector| Traces::start(collector, &config.node_id, io.handle());
    config.otlp_endpoint.as_ref().map(start).transpose()
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

/// Waits until a node that may own shards hears which are its own. Before that it can take no
/// command: callers do better at another one.
async fn is_in_touch(config: &Config, node: &Node) {
    while !config.owned_services().is_empty() && node.participation() == Participation::OutOfTouch {
        tokio::time::sleep(OPENS_SOON).await;
    }
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
    (gateway, (shown, operated)): (Gateway, (ShownViews, Arc<RecordedViews>)),
    operations: Operations,
    views: &Arc<Views>,
    databases: &[ServiceDatabase],
) -> Ports {
    let operations = Arc::new(operations);
    let operated_views = Arc::new(OperatedViews::new(Arc::clone(views)));

    let bulk = BulkOperations::new(gateway.clone(), operations.clone(), operated.clone());

    Ports {
        commands: CommandPorts {
            commands: Arc::new(gateway),
            bulk: Arc::new(bulk),
            views: operated,
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
