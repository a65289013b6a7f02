//! One history: it happens, it comes to rest, and is looked at.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actors::simulation::simulate;
use actors::{Node, Operator, ParkedAction, SagaAction, ShardSnapshot};
use domain::saga::DEFINITIONS;
use futures_util::future::join_all;
use sagas::SagaState;
use store::inspection::{SagaFilter, list_sagas};
use store::parking::{QuarantineFilter, list_quarantined};
use store::simulated::{MemoryDatabase, Template};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::callers::{self, Ledger};
use crate::checks;
use crate::plan::Plan;
use crate::views;
use crate::watchdog::WATCHDOG;
use crate::world::World;

/// When the faults are over, everything has come to rest within this time.
const REST_WITHIN: Duration = Duration::from_secs(900);

/// When nothing goes wrong any more, a saga has ended or waits for an operator within this time:
/// its deadline, and all attempts to compensate.
const SAGAS_END_WITHIN: Duration = Duration::from_secs(60);
/// Within this time whatever looks after something now and then has done so: what was deleted is
/// missed, and what is not needed is out of memory.
const RESTS_FOR: Duration = Duration::from_secs(10);
/// What the view shows is looked at so often.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// The invariants are looked at each so many times. What was wrong for a moment
/// stands in the histories of entities still, which each look reads whole.
const LOOK_EVERY: u64 = 45 * 4;

/// What has become of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryOutcome {
    /// What has happened, in words.
    pub story: Vec<String>,
    /// What must never happen, and has.
    pub violations: Vec<String>,
}

/// Has a history happen.
///
/// # Panics
/// When the system gives no runtime or no memory.
pub fn run(plan: &Plan, template: &Template) -> HistoryOutcome {
    looked_at(plan, template, |_| ()).0
}

/// The first difference between two histories of one plan, in what has happened or in what the
/// disks hold in the end; if there is any.
///
/// # Panics
/// As [`run`].
pub fn difference(plan: &Plan, template: &Template) -> Option<String> {
    let lines = || {
        let (outcome, disks) = looked_at(plan, template, checks::contents);
        outcome.story.into_iter().chain(disks).collect::<Vec<_>>()
    };
    let (one, two) = (lines(), lines());
    let mut pairs = one.iter().zip(&two);

    match pairs.find(|(one, two)| one != two) {
        Some((one, two)) => Some(format!("once\n{one}\nand then\n{two}")),
        None if one.len() == two.len() => None,
        None => Some("one of them goes on longer".to_owned()),
    }
}

/// A history, and what there is to see of its world in the end.
fn looked_at<T>(
    plan: &Plan,
    template: &Template,
    look: impl Fn(&World) -> T,
) -> (HistoryOutcome, T) {
    let history = async {
        let world = Rc::new(World::new(plan.clone(), template));
        let ledger = Rc::new(Ledger::default());
        happen(&world, &ledger).await;

        let outcome = HistoryOutcome {
            story: world.story(),
            violations: world.violations.take(),
        };
        world.end();
        (outcome, look(&world))
    };
    let happens = || simulate(history).expect("the system gives a runtime");
    WATCHDOG.watched(plan.seed, happens)
}

async fn happen(world: &Rc<World>, ledger: &Rc<Ledger>) {
    world.boot().await;
    let supervising = (0..world.plan.nodes).map(|number| Rc::clone(world).supervise(number));
    let supervisors: Vec<_> = supervising.map(tokio::task::spawn_local).collect();
    let coordinator = tokio::task::spawn_local(coordinate(Rc::clone(world)));
    let operating = tokio::task::spawn_local(operate_now_and_then(Rc::clone(world)));
    let watching = tokio::task::spawn_local(watch(Rc::clone(world)));

    let happens = async {
        let callers = callers(world, ledger);
        live_through(world).await;
        tokio::time::timeout(REST_WITHIN, come_to_rest(world, callers)).await
    };
    let report = tokio::select! {
        biased;
        rests = happens => rests.ok(),
        () = worn_out(world) => None,
    };
    for looks_on in supervisors
        .into_iter()
        .chain([coordinator, operating, watching])
    {
        looks_on.abort();
    }

    let Some(report) = report else {
        let open = checks::what_is_open(world).await;
        world.violated(format!("it does not come to rest: {open}"));
        return;
    };
    world.tell("everything is at rest");
    checks::check(world, ledger, &report).await;
}

/// Has all faults happen, and waits until they are over.
async fn live_through(world: &Rc<World>) {
    let faults = world.plan.faults.iter().copied();
    let faults: Vec<JoinHandle<()>> = faults
        .map(|fault| tokio::task::spawn_local(Rc::clone(world).befall(fault)))
        .collect();
    for fault in join_all(faults).await {
        fault.expect("faults do not panic");
    }
    world.tell("the faults are over");
}

/// Looks at the invariants while everything goes on: they hold at any moment.
async fn watch(world: Rc<World>) {
    for look in 1.. {
        tokio::time::sleep(WATCH_EVERY).await;
        views::goes_on(&world);
        if look % LOOK_EVERY == 0 && !world.plan.has_unreadable_rows() {
            checks::invariants_hold(&world).await;
        }
    }
}

/// An operator does not wait until everything else goes well.
async fn operate_now_and_then(world: Rc<World>) {
    while let Some(pause) = world.plan.operates_every {
        tokio::time::sleep(pause).await;
        operate(&world).await;
    }
}

/// Shards are given to the nodes that are there.
async fn coordinate(world: Rc<World>) {
    if let Some(network) = &world.network {
        network.coordinate().await;
    }
}

async fn worn_out(world: &World) {
    while !world.trouble.is_worn_out() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn callers(world: &Rc<World>, ledger: &Rc<Ledger>) -> Vec<JoinHandle<()>> {
    let customers = world.plan.customers.iter().enumerate();
    let customers = customers.map(|(number, cents)| {
        tokio::task::spawn_local(callers::create_customer(Rc::clone(world), number, *cents))
    });
    let acts = world.plan.acts.iter().map(|act| {
        let (world, ledger) = (Rc::clone(world), Rc::clone(ledger));
        tokio::task::spawn_local(callers::act(world, ledger, act.clone()))
    });
    customers.chain(acts).collect()
}

/// An operator looks after what the faults have left, until nothing is open; what the auditor finds
/// then.
async fn come_to_rest(world: &Rc<World>, callers: Vec<JoinHandle<()>>) -> audit::Report {
    for caller in callers {
        caller.await.expect("callers do not panic");
    }
    world.tell("every caller has its answer");
    sagas_end(world).await;

    loop {
        views::operate(world).await;
        operate(world).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        if seems_at_rest(world).await {
            tokio::time::sleep(RESTS_FOR).await;
            if seems_at_rest(world).await
                && let Some(report) = checks::audited_at_rest(world).await
            {
                return report;
            }
        }
    }
}

/// Waits until no saga goes on, as long as that may take.
async fn sagas_end(world: &World) {
    let latest = Instant::now() + SAGAS_END_WITHIN;
    while Instant::now() < latest {
        if checks::sagas_that_go_on(world).await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for saga in checks::sagas_that_go_on(world).await {
        world.violated(format!("{saga} for ever"));
    }
}

/// Retries what is stuck, and replays or discards what is in quarantine.
async fn operate(world: &World) {
    let Some(gateway) = world.gateway() else {
        return;
    };

    let has_parked =
        |disk: &&MemoryDatabase| disk.count("SELECT count(*) FROM parked_messages") > 0;
    for disk in world.disks.iter().filter(has_parked) {
        let database = disk.opened(checks::no_trouble()).expect("it is known");
        for parked in list_quarantined(&database, &QuarantineFilter::default(), 100)
            .await
            .expect("it answers")
        {
            let (id, name) = (parked.message.id(), &parked.message.name);
            // If that fails, another round comes.
            if world.operator_discards() {
                world.tell(&format!("the operator discards {name}"));
                let _ = gateway
                    .operate_parked(id, ParkedAction::Discard, Operator::anonymous(), None)
                    .await;
            } else {
                world.tell(&format!("the operator replays {name}"));
                let _ = gateway
                    .operate_parked(id, ParkedAction::Replay, Operator::anonymous(), None)
                    .await;
            }
        }
    }

    if !checks::has_open_sagas(world) {
        return;
    }
    let filter = SagaFilter {
        state: Some(SagaState::Stuck),
        ..SagaFilter::default()
    };
    let orders = checks::orders(world);
    let stuck = list_sagas(&orders, &DEFINITIONS, filter, 100).await;
    for saga in stuck.expect("it answers") {
        // What is discarded may be the last word of a saga that was given up.
        let gives_up = saga.id.0.as_u128() % 3 == 0 && world.plan.discards == 0;
        let action = if gives_up {
            SagaAction::Abandon
        } else {
            SagaAction::Retry
        };
        world.tell(&format!("the operator has a saga {}", action.name()));
        let _ = gateway
            .operate_saga(saga.id, action, Operator::anonymous(), None)
            .await;
    }
}

/// Nothing is under way, as far as the nodes know.
async fn seems_at_rest(world: &World) -> bool {
    let nodes = world.nodes();
    let opens = |node: &Arc<Node>| {
        let (open, assigned) = node.open_shards();
        let shards = node.snapshot();
        let is_quiet = |shard: &ShardSnapshot| shard.timers == 0 && shard.parked == 0;
        (open == assigned && shards.iter().all(is_quiet)).then_some(open)
    };

    let open: Option<usize> = nodes.iter().map(opens).sum();
    let all = world.disks.len() * usize::from(world.plan.shards);
    open == Some(all) && views::is_level(world).await
}
