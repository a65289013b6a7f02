//! The view as a node runs it: what is simulated of it stands behind its ports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actors::{Node, NodeParts};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use projections::projection::EntityFold as _;
use projections::projector::{CommitPolicy, ViewDefinition};
use projections::simulated::{MemoryViews, Trace, TraceFold, Traces};
use projections::views::View;
use projections::{EntityRanges, EntityRows, Registration, ServiceRanges, Views, ViewsConfig};
use sagas::Service;
use store::simulated::NoThreads;
use store::snapshot::IdRange;
use store::{Destination, Lease, Log, Message, StoreError};
use uuid::Uuid;

/// How the view is named.
pub const VIEW: &str = "traces";

const DEFINITION: ViewDefinition = ViewDefinition {
    name: VIEW,
    number: 1,
    uses: &[domain::CUSTOMERS, domain::ORDERS],
    commit: CommitPolicy {
        linger: Duration::from_millis(200),
        rush: None,
        max_events: 20,
    },
};

/// Rows are a moment old when they arrive.
const READING_TAKES: Duration = Duration::from_millis(100);
/// How often a node looks whether it knows how far all outboxes have come.
const OPENS_SOON: Duration = Duration::from_millis(50);

/// The deployment of all histories.
const DEPLOYMENT: Uuid = Uuid::from_u128(0x51);

/// The views of a node that runs.
pub struct NodeViews {
    // Without it the view ends.
    _views: Views,
    pub view: Arc<View<Traces>>,
}

impl NodeViews {
    /// Starts them, when the shards are open; where several nodes share them, whoever has the lease
    /// feeds them. Call it on the node's machine.
    pub fn start(
        (node, parts): (&Arc<Node>, &NodeParts),
        store: MemoryViews,
        keep: Duration,
        striven: Option<(impl Future<Output = ()> + Send + 'static, Lease)>,
    ) -> Self {
        let (clock, log) = (parts.clock.clone(), parts.log.clone());
        let config = ViewsConfig {
            keep,
            deployment: DEPLOYMENT,
            origin: DEPLOYMENT,
        };
        let rows = HistoryRows {
            ranges: ServiceRanges::new(&parts.databases),
            log: Arc::clone(&log),
        };
        let begins = (Arc::clone(node), Arc::clone(&log));
        let opened = opens(begins.clone(), striven.is_some());
        let views = Views::run_by(Arc::new(NoThreads), clock, opened, config, log);
        let mut views = match striven {
            None => views,
            Some((strives, lease)) => {
                tokio::task::spawn_local(async move {
                    opens(begins, true).await;
                    strives.await;
                });
                views.led_by(lease)
            }
        };
        let registered = views.add(Registration {
            definition: DEFINITION,
            store: Arc::new(store),
            rows: Arc::new(rows),
        });
        NodeViews {
            view: registered.expect("it is the only view"),
            _views: views,
        }
    }
}

/// Waits until the node's shards are open and, where others feed its views, too, it is known how
/// far all outboxes have come.
async fn opens((node, log): (Arc<Node>, Arc<dyn Log>), knows_all: bool) {
    loop {
        node.opened().await;
        if !knows_all || log.knows_all_heads() {
            return;
        }
        tokio::time::sleep(OPENS_SOON).await;
    }
}

/// Entities as their histories have them, in the place of their rows.
#[derive(Debug)]
struct HistoryRows {
    ranges: ServiceRanges,
    log: Arc<dyn Log>,
}

impl EntityRanges for HistoryRows {
    fn count(&self, service: Service) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.ranges.count(service)
    }

    fn next_range(
        &self,
        service: Service,
        after: Option<Uuid>,
        limit: u64,
    ) -> BoxFuture<'_, Result<IdRange, StoreError>> {
        self.ranges.next_range(service, after, limit)
    }
}

impl EntityRows<Trace> for HistoryRows {
    fn entities(
        &self,
        service: Service,
        range: IdRange,
    ) -> BoxFuture<'_, Result<Vec<Trace>, StoreError>> {
        async move {
            let traces = folded(&*self.log, service).await?;
            tokio::time::sleep(READING_TAKES).await;
            let traces = traces.into_values();
            Ok(traces
                .filter(|trace| range.contains(trace.entity))
                .collect())
        }
        .boxed()
    }
}

/// What the events of a service leave, entity by entity.
async fn folded(log: &dyn Log, service: Service) -> Result<BTreeMap<Uuid, Trace>, StoreError> {
    let sources = log.sources().into_iter();
    let mut all = Vec::new();

    for source in sources.filter(|source| source.service == service) {
        let events = log.read(source, Destination::Events, 0, usize::MAX >> 1);
        all.extend(events.await?);
    }
    traces(&all).map_err(|_| StoreError::Injected("an event that cannot be read"))
}

/// What events leave, entity by entity.
///
/// # Errors
/// When one cannot be read.
pub fn traces(events: &[Message]) -> Result<BTreeMap<Uuid, Trace>, String> {
    let mut folds: BTreeMap<Uuid, TraceFold> = BTreeMap::new();
    for event in events.iter().filter(|event| !event.is_notice()) {
        folds.entry(event.entity).or_default().take(event)?;
    }

    let traces = folds.into_iter();
    Ok(traces
        .filter_map(|(id, fold)| Some((id, fold.into_entity()?)))
        .collect())
}
