//! What must hold when everything is at rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actors::ShardSnapshot;
use domain::saga::DEFINITIONS;
use domain::{Order, OrderState, RejectionReason, Service};
use sagas::{SagaState, ShardId};
use serde_json::Value;
use store::inspection::{SagaFilter, list_sagas};
use store::simulated::{MemoryDatabase, NoTrouble, Trouble};
use store::{Clock, Destination, Message, ServiceDatabase, SourceStream};
use tests::{CreditModel, second_effects};
use uuid::Uuid;

use crate::callers::{self, Ledger, short};
use crate::events::Events;
use crate::plan::Deed;
use crate::reactions;
use crate::sent::Sent;
use crate::views;
use crate::world::World;

/// As many actors of one kind stay in memory, shard by shard: entities, and sagas.
pub const LIVE_ACTORS: usize = 1;
const KINDS_OF_ACTORS: usize = 2;

/// For whoever looks from outside.
pub fn no_trouble() -> Arc<dyn Trouble> {
    Arc::new(NoTrouble)
}

fn disk(world: &World, service: Service) -> &MemoryDatabase {
    let disk = world.disks.iter().find(|disk| disk.service() == service);
    disk.expect("each service has a disk")
}

fn database(world: &World, service: Service) -> ServiceDatabase {
    disk(world, service)
        .opened(no_trouble())
        .expect("it is known")
}

/// The orders, from outside.
pub fn orders(world: &World) -> ServiceDatabase {
    database(world, domain::ORDERS)
}

async fn audited(world: &World) -> audit::Report {
    let now = Clock::of(Arc::new(world.clock())).now();
    let customers = database(world, domain::CUSTOMERS);
    let audited = audit::run_on(customers, orders(world), now).await;
    audited.expect("the stores can be read")
}

/// What the auditor finds, when no message is on its way.
pub async fn audited_at_rest(world: &World) -> Option<audit::Report> {
    let report = audited(world).await;
    let rests = report.work_in_flight == audit::WorkInFlight::default();
    (rests && all_events_are_heard(world).await).then_some(report)
}

/// Whether each service has heard what has happened in the other, as far as it is written.
async fn all_events_are_heard(world: &World) -> bool {
    for (hears, of) in [
        (domain::CUSTOMERS, domain::ORDERS),
        (domain::ORDERS, domain::CUSTOMERS),
    ] {
        let heard = store::shards::heard(&database(world, hears)).await;
        let heard = heard.expect("it answers");

        for source in ShardId::all_of(of, world.plan.shards) {
            let position = heard.get(&SourceStream::events(source)).copied();
            let later = disk(world, of).outbox(source.number, position.unwrap_or(0));
            if later
                .iter()
                .any(|message| message.destination == Destination::Events)
            {
                return false;
            }
        }
    }
    true
}

/// What keeps the world from coming to rest.
pub async fn what_is_open(world: &World) -> String {
    let work = audited(world).await.work_in_flight;
    let nodes = world.nodes().into_iter();
    let troubles: Vec<_> = nodes
        .map(|node| (node.open_shards(), node.troubles()))
        .collect();
    let view = views::what_is_open(world).await;
    format!("{work:?}, {troubles:?}, {view}")
}

/// What holds at any moment.
pub async fn invariants_hold(world: &World) {
    holds(world, &audited(world).await);
}

fn holds(world: &World, report: &audit::Report) {
    for (invariant, finding) in &report.invariants {
        for example in &finding.examples {
            world.violated(format!("{invariant:?}: {example}"));
        }
    }
}

/// Memory is back to where it was; and no shard was read anew without a reason.
fn nothing_is_kept(world: &World) {
    for ShardSnapshot {
        shard,
        live_actors,
        reloads,
        ..
    } in world.nodes().iter().flat_map(|node| node.snapshot())
    {
        if live_actors > KINDS_OF_ACTORS * LIVE_ACTORS {
            world.violated(format!("{live_actors} actors of {shard} stay in memory"));
        }
        // Among several nodes one may be told late that a shard is another's.
        let is_alone = world.plan.nodes == 1;
        if reloads > 0 && is_alone && world.plan.only_deliveries_suffer() {
            world.violated(format!("{shard} was read anew, where nothing has failed"));
        }
    }
    for view in world.views() {
        let waiting = view.current().map_or(0, |shown| shown.waiting_readers());
        if waiting > 0 {
            world.violated(format!("{waiting} readers wait for ever"));
        }
    }
}

/// Whether any saga has not ended: cheaper to ask than which.
pub fn has_open_sagas(world: &World) -> bool {
    disk(world, domain::ORDERS).count("SELECT count(*) FROM sagas WHERE ended_at IS NULL") > 0
}

/// The sagas that have not ended and wait for no operator, in words.
pub async fn sagas_that_go_on(world: &World) -> Vec<String> {
    if !has_open_sagas(world) {
        return Vec::new();
    }
    let mut going_on = Vec::new();
    for state in [SagaState::Running, SagaState::Compensating] {
        let filter = SagaFilter {
            state: Some(state),
            ..SagaFilter::default()
        };
        let open = list_sagas(&orders(world), &DEFINITIONS, filter, 100).await;
        let open = open.expect("it answers").into_iter();
        going_on.extend(open.map(|saga| format!("saga {} is {}", saga.id, state.name())));
    }
    going_on
}

/// Everything that holds at rest, whatever has happened. The auditor has just looked.
pub async fn check(world: &World, ledger: &Ledger, report: &audit::Report) {
    holds(world, report);
    let events = Events::read(world);
    let stored = stored_orders(world, &events).await;

    let sent = Sent::read(world);
    if world.plan.shows_what_is_sent() {
        sent.each_command_has_its_reply(world);
    }
    if world.plan.events_are_heard() {
        reactions::each_event_became_its_command(world, &sent.reactions, &events);
    }
    nothing_is_kept(world);
    what_was_told_is_true(world, ledger, &stored);
    credit_is_a_sequence(world, &events, &stored);
    views::shows_all(world, &events);
    what_was_refused_has_left_nothing(world, ledger, &events);
    keys_have_had_one_effect(world, ledger);
}

/// All orders that have a history.
async fn stored_orders(world: &World, events: &Events) -> BTreeMap<Uuid, Order> {
    let ids: Vec<Uuid> = events.entities(domain::ORDERS).into_iter().collect();
    let found = store::services::orders::load(&orders(world), &ids).await;
    let found = found.expect("it answers").into_iter();
    found
        .filter_map(|(id, stored)| Some((id, stored.ok()?.entity)))
        .collect()
}

/// What a caller was told exists, is no older, and every order has come to an end.
fn what_was_told_is_true(world: &World, ledger: &Ledger, stored: &BTreeMap<Uuid, Order>) {
    let told = ledger.told.borrow().clone();
    for untrue in told.untrue(|id| stored.get(&id).map(|order| order.version)) {
        world.violated(format!("order {untrue}"));
    }

    let told = told.newest().into_keys();
    for order in told.filter_map(|id| stored.get(&id)) {
        let (id, state) = (short(order.id), order.state);
        let is_late = order.rejection_reason == Some(RejectionReason::TimedOut);
        if is_late && world.plan.only_deliveries_suffer() {
            world.violated(format!("order {id} has waited too long"));
        }
        if matches!(state, OrderState::Pending | OrderState::CancelPending) {
            world.violated(format!("order {id} is {state:?} for ever"));
        }
    }
}

/// Each customer's credit is what a sequence of decisions leads to, and what was refused for lack
/// of it was refused by one of them.
fn credit_is_a_sequence(world: &World, events: &Events, stored: &BTreeMap<Uuid, Order>) {
    let mut histories: BTreeMap<Uuid, Vec<&Message>> = BTreeMap::new();
    let events = events.of(domain::CUSTOMERS).iter();
    for event in events.filter(|event| !event.is_notice()) {
        histories.entry(event.entity).or_default().push(event);
    }

    let mut models = BTreeMap::new();
    for (customer, history) in histories {
        let data: Vec<Value> = history.iter().map(|event| data(event)).collect();
        let names = history.iter().map(|event| &*event.name);
        match CreditModel::of(names.zip(&data)) {
            Ok(model) => drop(models.insert(customer, model)),
            Err(what) => world.violated(format!("customer {customer}: {what}")),
        }
    }

    let rejected =
        |order: &&Order| order.rejection_reason == Some(RejectionReason::InsufficientCredit);
    for order in stored.values().filter(rejected) {
        let cents = order.total.cents();
        let model = models.get(&order.customer_id.0);
        if model.is_some_and(|model| !model.may_have_refused(cents)) {
            let id = short(order.id);
            world.violated(format!("there was always credit for order {id}"));
        }
    }
}

fn data(event: &Message) -> Value {
    serde_json::from_str(event.body.get()).expect("it was JSON when it was written")
}

/// Each order is one that somebody was told of, or asked for with a key, or may have made without
/// hearing of it.
fn what_was_refused_has_left_nothing(world: &World, ledger: &Ledger, events: &Events) {
    let told = ledger.told.borrow().newest();
    let mut known: BTreeSet<Uuid> = told.into_keys().collect();
    let creations = world.plan.acts.iter();
    known.extend(creations.filter_map(|act| {
        let binding = callers::binding_of(act.number, &act.what, act.manner)?;
        matches!(act.what, Deed::Order { .. }).then_some(binding.key.as_uuid())
    }));

    let orders = events.entities(domain::ORDERS);
    let unknown = orders.difference(&known).count();
    let in_doubt = ledger.in_doubt.get();
    if unknown > in_doubt {
        world.violated(format!(
            "{unknown} orders are there that nobody was told of, and {in_doubt} callers are in doubt"
        ));
    }
}

/// A key has one effect: what was told under it is of one order, once as new; and who comes back
/// with it hears of that.
fn keys_have_had_one_effect(world: &World, ledger: &Ledger) {
    let answers = ledger.told.borrow();
    for (number, told) in answers.all() {
        let Some(act) = world.plan.act(number) else {
            continue;
        };
        let Deed::Order { .. } = act.what else {
            continue;
        };
        let Some(binding) = callers::binding_of(number, &act.what, act.manner) else {
            continue;
        };
        for wrong in second_effects(binding.key.as_uuid(), told) {
            world.violated(format!("caller {number}: {wrong}"));
        }
    }
}

/// All rows of all disks, as text.
pub fn contents(world: &World) -> Vec<String> {
    world
        .disks
        .iter()
        .flat_map(MemoryDatabase::contents)
        .collect()
}
