//! The views of a history: fed by the production projector, kept in memory, and read by callers
//! that carry what they have seen.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::OrderId;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use projections::generations::BuildFrom;
use projections::projection::EntityFold as _;
use projections::projector::{CommitPolicy, ViewDefinition};
use projections::simulated::{MemoryViews, Trace, TraceFold, Traces};
use projections::views::{AnyView as _, View, ViewState, ViewStatus};
use projections::{
    ConsistencyToken, EntityRanges, EntityRows, Registration, ServiceRanges, ViewError, Views,
    ViewsConfig,
};
use sagas::Service;
use store::log::embedded::EmbeddedLog;
use store::simulated::NoThreads;
use store::snapshot::IdRange;
use store::{Clock, Destination, Log, Positions, ServiceDatabase, StoreError};
use tests::Seen;
use tokio::time::Instant;
use uuid::Uuid;

use crate::callers::short;
use crate::world::World;

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

/// How long a reader waits for its view.
const PATIENCE: Duration = Duration::from_secs(5);
/// Nobody waits longer than that and a little.
const A_LITTLE: Duration = Duration::from_millis(200);
/// Rows are a moment old when they arrive.
const READING_TAKES: Duration = Duration::from_millis(100);
/// How long a generation is kept that has answered before.
const KEEP: Duration = Duration::from_secs(30);

/// The deployment of all histories.
const DEPLOYMENT: Uuid = Uuid::from_u128(0x51);

/// The views of a node that runs.
pub struct NodeViews {
    // Without it the view ends.
    _views: Views,
    pub view: Arc<View<Traces>>,
}

impl NodeViews {
    /// Starts them, when the shards are `opened`. Call it on the node's machine.
    pub fn start(
        store: MemoryViews,
        databases: &[ServiceDatabase],
        clock: Clock,
        opened: impl Future<Output = ()> + Send + 'static,
        log: Arc<dyn Log>,
    ) -> Self {
        let config = ViewsConfig {
            keep: KEEP,
            deployment: DEPLOYMENT,
            origin: DEPLOYMENT,
        };
        let rows = HistoryRows {
            ranges: ServiceRanges::new(databases),
            log: Arc::clone(&log),
        };
        let mut views = Views::run_by(Arc::new(NoThreads), clock, opened, config, log);
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
pub async fn folded(log: &dyn Log, service: Service) -> Result<BTreeMap<Uuid, Trace>, StoreError> {
    let mut folds: BTreeMap<Uuid, TraceFold> = BTreeMap::new();
    let sources = log.sources().into_iter();

    for source in sources.filter(|source| source.service == service) {
        let events = log.read(source, Destination::Events, 0, usize::MAX >> 1);
        for event in events.await?.iter().filter(|event| !event.is_notice()) {
            let fold = folds.entry(event.entity).or_default();
            let taken = fold.take(event);
            taken.map_err(|_| StoreError::Injected("an event that cannot be read"))?;
        }
    }

    let traces = folds.into_iter();
    Ok(traces
        .filter_map(|(id, fold)| Some((id, fold.into_entity()?)))
        .collect())
}

/// A reader, who sends what it has seen with each question.
#[derive(Default)]
pub struct Reader {
    token: RefCell<ConsistencyToken>,
    seen: RefCell<Seen>,
    positions: RefCell<Positions>,
}

impl Reader {
    /// It was told of this version.
    pub fn sees(&self, order: OrderId, version: u64) {
        let mut token = self.token.borrow_mut();
        token.see_entity(domain::ORDERS, order.0, version);
        self.seen.borrow_mut().see(order.0, version);
    }

    /// Asks the view for an order. It must show no less than what was seen, and in time.
    pub async fn read(&self, world: &World, order: OrderId) {
        let Some(view) = world.view() else {
            return;
        };
        let token = self.token.borrow().clone();

        let asked = Instant::now();
        let awaited = view.await_token(&token, PATIENCE).await;
        if asked.elapsed() > PATIENCE + A_LITTLE {
            let took = asked.elapsed();
            world.violated(format!("a reader has waited for {took:?}"));
        }

        let answered = match awaited {
            Ok(awaited) => match awaited.outcome {
                Ok(()) => {
                    let reading = async |shelf: Arc<_>| shown(&shelf, order);
                    awaited.generation.read(reading).await
                }
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        match answered {
            Ok((version, positions)) => self.is_no_less(world, order, version, positions),
            Err(error) => world.tell(&format!("a reader of {}: {error}", short(order))),
        }
    }

    fn is_no_less(&self, world: &World, order: OrderId, version: u64, positions: Positions) {
        let name = short(order);
        world.tell(&format!("a reader sees order {name} at version {version}"));
        let shown = BTreeMap::from([(order.0, version)]);
        for missing in self.seen.borrow().missing([order.0], &shown) {
            world.violated(format!("a read shows too little: {missing}"));
        }
        for (source, position) in &*self.positions.borrow() {
            if positions.get(source).copied().unwrap_or(0) < *position {
                world.violated(format!(
                    "a reader that has seen {source} up to {position} is shown less"
                ));
            }
        }

        self.sees(order, version);
        self.token.borrow_mut().see_positions(&positions);
        self.positions.replace(positions);
    }
}

fn shown(
    shelf: &projections::simulated::Shelf,
    order: OrderId,
) -> Result<(u64, Positions), ViewError> {
    let (trace, positions) = shelf.shown(order.0)?;
    Ok((trace.map_or(0, |trace| trace.version), positions))
}

/// An operator builds the view anew, or goes back.
pub async fn rebuild(world: &World, from: Option<BuildFrom>) {
    let Some(view) = world.view() else {
        return;
    };
    let outcome = match from {
        Some(from) => view.rebuild(from, None).await.map(|number| {
            world.tell(&format!("the operator rebuilds the view: {number}"));
        }),
        None => view.revert(PATIENCE, None).await.map(|reverted| {
            world.tell(&format!("the operator goes back: {reverted:?}"));
        }),
    };
    if let Err(error) = outcome {
        world.tell(&format!("the operator: {error}"));
    }
}

/// An operator takes out of quarantine what the view has there.
pub async fn operate(world: &World) {
    let Some(view) = world.view() else {
        return;
    };
    let status = view.status().await;
    for quarantined in &status.quarantined {
        world.tell("the operator has the view take an entity in again");
        if let Ok(generation) = view.current() {
            let service = quarantined.source.service;
            let _ = generation.replay(service, quarantined.entity).await;
        }
    }
    if status.progress.is_some_and(|progress| progress.stopped) {
        if world.plan.views_are_whole() {
            world.violated("a generation that is built would lose something".to_owned());
        }
        rebuild(world, Some(BuildFrom::History)).await;
    }
}

/// Whether the view answers, and has all that there is.
pub async fn is_level(world: &World) -> bool {
    match world.view() {
        Some(view) => is_at_rest(&view.status().await),
        None => false,
    }
}

fn is_at_rest(status: &ViewStatus) -> bool {
    let is_level = status.lag.as_ref().is_some_and(|lag| lag.events == 0);
    let is_whole = status.quarantined.is_empty() && status.progress.is_none();
    status.state == ViewState::Live && is_level && is_whole
}

/// Whoever reads without a token sees no less than somebody has seen before; unless what answers
/// was deleted or is damaged, when what has answered before it answers again.
pub fn goes_on(world: &World) {
    let Some(generation) = world.view().and_then(|view| view.current().ok()) else {
        return;
    };
    let shown = generation.reader().positions();
    for (source, before) in &*world.shown.borrow() {
        let position = shown.get(source).copied().unwrap_or(0);
        if position < *before && world.plan.views_are_whole() {
            world.violated(format!(
                "the view has shown {source} up to {before}, and shows it up to {position}"
            ));
        }
    }
    world.shown.replace(shown);
}

/// How it is, in words.
pub async fn what_is_open(world: &World) -> String {
    match world.view() {
        Some(view) => format!("{:?}", view.status().await),
        None => "no view".to_owned(),
    }
}

/// The view shows what the histories have, and nothing else.
pub async fn shows_all(world: &World, log: &EmbeddedLog) {
    let Some(view) = world.view() else {
        return;
    };
    let generation = view.current().expect("it answers");
    let shelf = generation.reader();

    let mut shown = shelf.traces();
    for service in [domain::CUSTOMERS, domain::ORDERS] {
        let folded = folded(log, service).await.expect("it answers");
        for (entity, trace) in folded {
            match shown.remove(&entity) {
                Some(shown) if shown == trace => {}
                shown => world.violated(format!(
                    "the view shows {shown:?}, where the history has {trace:?}"
                )),
            }
        }
    }
    for entity in shown.keys() {
        world.violated(format!("the view shows {entity}, which has no history"));
    }
}
