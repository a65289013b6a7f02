//! One round: everything happens, it comes to rest, and is looked at.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use tests::{Cli, ViewStores};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::callers::{self, Task};
use crate::checks;
use crate::faults::{Director, Servers};
use crate::ledger::Ledger;
use crate::machine::Machine;
use crate::plan::Plan;
use crate::readers;
use crate::rest::{comes_to_rest, operator};
use crate::world::World;

/// When nothing goes wrong any more, every caller has its answer within this time: those who wait,
/// and those who come back with their key.
const ANSWERED_WITHIN: Duration = Duration::from_secs(90);

/// So many come again at once, so that they are no overload of their own.
pub const AT_ONCE: usize = 32;

/// A node with all it has stored, and what its callers know.
pub struct Store {
    machine: Machine,
    ledger: Arc<Mutex<Ledger>>,
    /// So many rounds have gone by on it.
    pub rounds: u64,
}

/// What has become of a round.
pub struct RoundOutcome {
    pub story: Vec<String>,
    pub violations: Vec<String>,
    pub store: Store,
}

impl Store {
    /// An empty one, as the plan of its first round has it.
    pub async fn new(plan: &Plan, servers: Option<&Arc<Servers>>) -> Self {
        let stores = match servers {
            Some(servers) => servers.own().stores(),
            None => ViewStores::Embedded,
        };
        Store {
            machine: Machine::new(stores, plan.shards, plan.settings).await,
            ledger: Arc::default(),
            rounds: 0,
        }
    }

    /// Leaves the data and the log of the node where they are; tells where.
    pub fn keep(&mut self) -> String {
        self.machine.node.keep_folder().display().to_string()
    }
}

/// Has a round happen on a store.
pub async fn run(plan: Plan, mut store: Store, servers: Option<Arc<Servers>>) -> RoundOutcome {
    let world = Arc::new(World::new(plan, Arc::clone(&store.ledger)));
    store.machine.set(world.plan.settings);
    let cli = store.machine.cli();

    let (over, is_over) = watch::channel(false);
    let (stop, stopped) = oneshot::channel();
    let director = Director::new(Arc::clone(&world), store.machine, servers);
    let director = tokio::spawn(director.direct(over, stopped));

    // On a task of its own, so that whatever panics there leaves the machine as it is.
    let course = tokio::spawn(happen(Arc::clone(&world), cli.clone(), is_over));
    if let Err(error) = course.await {
        world.violated(&format!("a check ends: {error}"));
    }

    // It may have ended by itself, and then there is no machine.
    let _ = stop.send(());
    let mut machine = director.await.expect("the director has not panicked");
    machine.end_for_good(&world).await;
    checks::invariants_hold(&world, &cli).await;

    RoundOutcome {
        story: world.story(),
        violations: world.violations(),
        store: Store {
            machine,
            ledger: store.ledger,
            rounds: store.rounds + 1,
        },
    }
}

async fn happen(world: Arc<World>, cli: Cli, mut is_over: watch::Receiver<bool>) {
    let told_since = world.ledger().shown.len();
    let mut at_work = Work::begin(&world);
    is_over
        .wait_for(|over| *over)
        .await
        .expect("the director goes on");
    world.tell("the faults are over");

    let Some(tasks) = at_work.end(&world).await else {
        return;
    };
    if !comes_to_rest(&world, &cli).await {
        return;
    }
    come_again(&world, &tasks).await;
    if !comes_to_rest(&world, &cli).await {
        return;
    }

    checks::invariants_hold(&world, &cli).await;
    if let Some(api) = world.api() {
        checks::callers_were_told_the_truth(&world, &api, told_since).await;
    }
}

/// Everybody who comes with a key comes again when all is over, and is told the same.
async fn come_again(world: &World, tasks: &[Task]) {
    for portion in tasks.chunks(AT_ONCE) {
        let again = portion
            .iter()
            .map(async |task| match task.with_sense(world) {
                Some(order) => order.comes_again(world).await,
                None => task.comes_again(world).await,
            });
        join_all(again).await;
    }
}

/// All who are at work in a round.
struct Work {
    callers: JoinSet<Option<Task>>,
    /// Those who go on for ever.
    others: JoinSet<()>,
}

impl Work {
    fn begin(world: &Arc<World>) -> Self {
        let (mut callers, mut others) = (JoinSet::new(), JoinSet::new());
        for (number, cents) in world.plan.customers.iter().enumerate() {
            let created = callers::create_customer(Arc::clone(world), number, *cents);
            callers.spawn(async move {
                created.await;
                None
            });
        }
        for act in &world.plan.acts {
            callers.spawn(callers::act(Arc::clone(world), act.clone()));
        }

        for number in 0..world.plan.readers {
            others.spawn(readers::reader(Arc::clone(world), number));
        }
        let world = Arc::clone(world);
        others.spawn(async move { operator(&world).await });
        Work { callers, others }
    }

    /// Waits until every caller has its answer; gives what they have sent.
    async fn end(&mut self, world: &World) -> Option<Vec<Task>> {
        let mut tasks = Vec::new();
        let all = async {
            while let Some(caller) = self.callers.join_next().await {
                tasks.extend(caller.expect("callers do not panic"));
            }
        };
        if tokio::time::timeout(ANSWERED_WITHIN, all).await.is_err() {
            let left = self.callers.len();
            world.violated(&format!("{left} callers have no answer for ever"));
            return None;
        }

        world.tell("every caller has its answer");
        self.others.shutdown().await;
        Some(tasks)
    }
}
