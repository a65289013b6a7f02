//! The view of a history: fed by the production projector, kept in memory, and read by callers that
//! carry what they have seen.

mod on_node;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::OrderId;
use projections::generations::BuildFrom;
use projections::simulated::{Trace, Traces, ViewTrouble as _};
use projections::views::{AnyView as _, View, ViewState, ViewStatus};
use projections::{ConsistencyToken, ViewError};
use store::Positions;
use tests::Seen;
use tokio::time::Instant;
use uuid::Uuid;

use crate::callers::short;
use crate::events::Events;
use crate::world::World;

pub use on_node::{NodeViews, VIEW, traces};

/// How long a reader waits for its view.
const PATIENCE: Duration = Duration::from_secs(5);
/// Nobody waits longer than that and a little.
const A_LITTLE: Duration = Duration::from_millis(200);
/// What a read takes where the view is on a server.
const READING_AFAR_TAKES: Duration = Duration::from_millis(5);

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
        let takes = reading_takes(world);

        let asked = Instant::now();
        let awaited = view.await_token(&token, PATIENCE).await;
        if asked.elapsed() > PATIENCE + A_LITTLE {
            let took = asked.elapsed();
            world.violated(format!("a reader has waited for {took:?}"));
        }

        let answered = match awaited {
            Ok(awaited) => match awaited.outcome {
                Ok(()) => {
                    let reading = async |shelf: Arc<_>| {
                        takes.await;
                        shown(&shelf, order)
                    };
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

/// What is read from a server may be deleted on the way.
async fn reading_takes(world: &World) {
    if world.plan.shares_views {
        tokio::time::sleep(READING_AFAR_TAKES + world.trouble.takes()).await;
    }
}

fn shown(
    shelf: &projections::simulated::Shelf,
    order: OrderId,
) -> Result<(u64, Positions), ViewError> {
    let (trace, positions) = shelf.shown(order.0)?;
    Ok((trace.map_or(0, |trace| trace.version), positions))
}

/// An operator builds the view anew, or goes back, at the node that can.
pub async fn rebuild(world: &World, from: Option<BuildFrom>) {
    for view in world.views() {
        if rebuild_at(world, &view, from).await {
            return;
        }
    }
}

/// False when that node cannot.
async fn rebuild_at(world: &World, view: &View<Traces>, from: Option<BuildFrom>) -> bool {
    let outcome = match from {
        Some(from) => view.rebuild(from, None).await.map(|number| {
            world.tell(&format!("the operator rebuilds the view: {number}"));
        }),
        None => view.revert(PATIENCE, None).await.map(|reverted| {
            world.tell(&format!("the operator goes back: {reverted:?}"));
        }),
    };
    let failed = outcome.err();
    if let Some(error) = &failed {
        world.tell(&format!("the operator: {error}"));
    }
    !matches!(failed, Some(ViewError::Unavailable { .. }))
}

/// An operator takes out of quarantine what the view has there.
pub async fn operate(world: &World) {
    for view in world.views() {
        operate_at(world, &view).await;
    }
}

async fn operate_at(world: &World, view: &View<Traces>) {
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
        rebuild_at(world, view, Some(BuildFrom::History)).await;
    }
}

/// Whether the view answers at each node that has it, and has all that there is.
pub async fn is_level(world: &World) -> bool {
    let views = world.views();
    for view in &views {
        if !is_at_rest(&view.status().await) {
            return false;
        }
    }
    !views.is_empty()
}

fn is_at_rest(status: &ViewStatus) -> bool {
    let is_level = status.lag.as_ref().is_some_and(|lag| lag.events == 0);
    let is_whole = status.quarantined.is_empty() && status.progress.is_none();
    status.state == ViewState::Live && is_level && is_whole
}

/// Whoever reads without a token sees no less than somebody has seen before at the same node;
/// unless what answers was deleted or is damaged, when what has answered before it answers again.
pub fn goes_on(world: &World) {
    for host in &world.hosts {
        let Some(generation) = host.view().and_then(|view| view.current().ok()) else {
            continue;
        };
        let shown = generation.reader().positions();
        for (source, before) in &*host.shown.borrow() {
            let position = shown.get(source).copied().unwrap_or(0);
            if position < *before && world.plan.views_are_whole() {
                world.violated(format!(
                    "the view has shown {source} up to {before}, and shows it up to {position}"
                ));
            }
        }
        host.shown.replace(shown);
    }
}

/// How it is, in words.
pub async fn what_is_open(world: &World) -> String {
    let mut words = Vec::new();
    for view in world.views() {
        words.push(format!("{:?}", view.status().await));
    }
    match words.is_empty() {
        true => "no view".to_owned(),
        false => words.join(", "),
    }
}

/// The view shows what the histories have, and nothing else.
pub fn shows_all(world: &World, events: &Events) {
    let of = |service| traces(events.of(service)).expect("all events can be read");
    let mut all = of(domain::CUSTOMERS);
    all.extend(of(domain::ORDERS));

    for view in world.views() {
        shows_all_at(world, &view, &all);
    }
}

fn shows_all_at(world: &World, view: &View<Traces>, all: &BTreeMap<Uuid, Trace>) {
    let generation = view.current().expect("it answers");
    let shelf = generation.reader();

    let mut shown = shelf.traces();
    for (entity, trace) in all {
        match shown.remove(entity) {
            Some(shown) if shown == *trace => {}
            shown => world.violated(format!(
                "the view shows {shown:?}, where the history has {trace:?}"
            )),
        }
    }
    for entity in shown.keys() {
        world.violated(format!("the view shows {entity}, which has no history"));
    }
}
