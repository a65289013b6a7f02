//! The world of a history: one node on its machine, its disks, its clock, and what befalls them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actors::simulation::{self, Machine};
use actors::{Gateway, Node, NodeConfig, gateway};
use projections::simulated::{MemoryViews, Traces};
use projections::views::View;
use sagas::testing::Chance;
use sagas::{SagaPolicy, Timestamp};
use store::faults::{FaultPlan, Faults};
use store::simulated::{MemoryDatabase, SimulatedClock, Template};
use store::{Clock, Positions};
use tokio::time::Instant;

use crate::checks;
use crate::plan::{Fault, Plan, Table, Wrong};
use crate::trouble::Plagued;
use crate::views::{self, NodeViews};

/// When every history begins: 2026-01-01, midnight.
const BEGINNING: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// How often it is looked whether a node has ended by itself.
const SUPERVISES_EVERY: Duration = Duration::from_secs(1);

/// How long a supervisor waits before it starts a node again: what systemd does unless told.
const STARTS_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// A history under way.
pub struct World {
    pub plan: Plan,
    pub disks: Vec<MemoryDatabase>,
    pub kept_views: MemoryViews,
    pub clock: SimulatedClock,
    pub trouble: Arc<Plagued>,
    began: Instant,
    running: RefCell<Option<Running>>,
    /// What is at work that a node must be started with.
    panics: RefCell<FaultPlan>,
    starts: Cell<u64>,
    /// How many faults keep the node from running.
    down: Cell<u32>,
    story: RefCell<Vec<String>>,
    pub violations: RefCell<Vec<String>>,
    /// What an operator decides by.
    operator: RefCell<Chance>,
    /// Up to where the view has shown its sources.
    pub shown: RefCell<Positions>,
}

struct Running {
    machine: Machine,
    node: Arc<Node>,
    gateway: Gateway,
    views: NodeViews,
}

impl World {
    /// A world in which nothing has happened.
    ///
    /// # Panics
    /// When there is no memory for it.
    pub fn new(plan: Plan, template: &Template) -> Self {
        let trouble = Arc::new(Plagued::new(plan.seed, &plan.faults));
        World {
            disks: template.copy().expect("there is memory"),
            kept_views: MemoryViews::new(views::VIEW, trouble.clone()),
            clock: SimulatedClock::at(BEGINNING, plan.seed),
            trouble,
            began: Instant::now(),
            running: RefCell::default(),
            panics: RefCell::default(),
            starts: Cell::new(0),
            down: Cell::new(0),
            story: RefCell::default(),
            violations: RefCell::default(),
            operator: RefCell::new(Chance::seeded(plan.seed)),
            shown: RefCell::default(),
            plan,
        }
    }

    /// Notes what has happened, with the time.
    pub fn tell(&self, what: &str) {
        let at = self.began.elapsed();
        self.story
            .borrow_mut()
            .push(format!("{:>9.3} s  {what}", at.as_secs_f64()));
    }

    /// Notes what must never happen.
    pub fn violated(&self, what: String) {
        self.tell(&format!("VIOLATION: {what}"));
        self.violations.borrow_mut().push(what);
    }

    /// Everything that was told.
    pub fn story(&self) -> Vec<String> {
        self.story.borrow().clone()
    }

    /// The way to the node, while it runs.
    pub fn gateway(&self) -> Option<Gateway> {
        let running = self.running.borrow();
        running.as_ref().map(|running| running.gateway.clone())
    }

    /// The node, while it runs.
    pub fn node(&self) -> Option<Arc<Node>> {
        let running = self.running.borrow();
        running.as_ref().map(|running| Arc::clone(&running.node))
    }

    /// Its view, while it runs.
    pub fn view(&self) -> Option<Arc<View<Traces>>> {
        let running = self.running.borrow();
        running
            .as_ref()
            .map(|running| Arc::clone(&running.views.view))
    }

    /// Waits until so much time has passed since the beginning.
    pub async fn until(&self, time: Duration) {
        tokio::time::sleep_until(self.began + time).await;
    }

    /// Starts the node. It meets with the faults that are at work.
    pub async fn boot(&self) {
        let machine = Machine::new();
        let (disks, config) = (self.disks.clone(), config(&self.plan));
        let clock = Clock::of(Arc::new(self.clock.clone()));
        let trouble = self.trouble.clone();
        let faults = Faults::new(self.panics.borrow().clone());
        let kept_views = self.kept_views.clone();

        let started = machine.run(async move {
            let parts = simulation::parts(&disks, config.shards, clock, trouble, faults)?;
            let started = gateway::start(&config, &parts);
            let (node, gateway) = started.expect("the services are registered");

            let node = Arc::new(node);
            let opens = Arc::clone(&node);
            let opened = async move { opens.opened().await };
            let (databases, clock, log) =
                (&parts.databases, parts.clock.clone(), parts.log.clone());
            let views = NodeViews::start(kept_views, databases, clock, opened, log);
            Ok::<_, store::StoreError>((node, gateway, views))
        });
        let (node, gateway, views) = started
            .await
            .expect("it does not crash while it starts")
            .expect("there is memory");

        // A node that has died between saving that another generation is to answer and having it
        // answer begins with that one, and what it has so far.
        if self.plan.changes_generations() {
            self.shown.replace(Positions::new());
        }
        self.tell("the node starts");
        self.starts.set(self.starts.get() + 1);
        self.running.replace(Some(Running {
            machine,
            node,
            gateway,
            views,
        }));
    }

    /// Starts the node again whenever it ends by itself, as its supervisor does.
    pub async fn supervise(self: Rc<Self>) {
        loop {
            let Some(node) = self.node() else {
                tokio::time::sleep(SUPERVISES_EVERY).await;
                continue;
            };
            let start = self.starts.get();
            let ended = tokio::time::timeout(SUPERVISES_EVERY, node.failed()).await;
            if let Ok((service, standing)) = ended
                && self.starts.get() == start
            {
                self.tell(&format!(
                    "the journal of {service} has ended: {}",
                    standing.cause
                ));
                self.crash();
                tokio::time::sleep(STARTS_AGAIN_AFTER).await;
                self.boot_if_down().await;
            }
        }
    }

    /// Ends the node where it is.
    pub fn crash(&self) {
        if let Some(running) = self.running.take() {
            self.tell("the node dies");
            running.machine.crash();
        }
    }

    /// Brings a fault about, and ends it when its time is over.
    pub async fn befall(self: Rc<Self>, fault: Fault) {
        self.until(fault.at).await;
        self.tell(&format!("begins: {:?} for {:?}", fault.what, fault.lasts));
        self.begin(fault).await;

        self.until(fault.at + fault.lasts).await;
        self.tell(&format!("over: {:?}", fault.what));
        self.end(fault).await;
    }

    async fn begin(&self, fault: Fault) {
        match fault.what {
            Wrong::Crash => {
                self.down.set(self.down.get() + 1);
                self.crash();
            }
            Wrong::Stopped => {
                if let Some(running) = &*self.running.borrow() {
                    running.machine.stop(fault.lasts);
                }
            }
            Wrong::ClockSteps(seconds) => self.clock.step(seconds * 1_000_000),
            Wrong::ClockDrifts(speed) => self.clock.drift(speed),
            Wrong::CustomerPanics { customer, once } => {
                let label = name_of(customer);
                let panic_at = BTreeMap::from([("customer".to_owned(), label)]);
                let plan = FaultPlan {
                    panic_at,
                    panic_once: once,
                    ..FaultPlan::default()
                };
                self.start_anew(plan).await;
            }
            Wrong::TurnsPanic(every) => {
                let plan = FaultPlan {
                    panic_turn: Some(every),
                    ..FaultPlan::default()
                };
                self.start_anew(plan).await;
            }
            Wrong::RowUnreadable { table, place } => self.tamper(table, &damage(table, place)),
            Wrong::ViewsGone => self.kept_views.lose_generations(),
            Wrong::ViewStoreGone => self.kept_views.lose_all(),
            Wrong::Rebuild(from) => views::rebuild(self, Some(from)).await,
            Wrong::Revert => views::rebuild(self, None).await,
            _ => {}
        }
    }

    async fn end(&self, fault: Fault) {
        match fault.what {
            Wrong::Crash => {
                self.down.set(self.down.get() - 1);
                self.boot_if_down().await;
            }
            Wrong::ClockSteps(_) | Wrong::ClockDrifts(_) => self.clock.set_right(),
            // It has come, and the node must do without being started anew.
            Wrong::CustomerPanics { once: true, .. } => {}
            Wrong::CustomerPanics { .. } | Wrong::TurnsPanic(_) => {
                self.start_anew(FaultPlan::default()).await;
            }
            Wrong::RowUnreadable { table, .. } => self.tamper(table, repair(table)),
            _ => {}
        }
    }

    /// Whether an operator discards the next message in quarantine.
    pub fn operator_discards(&self) -> bool {
        self.operator.borrow_mut().is(self.plan.discards)
    }

    /// Does something to a table behind its service's back.
    fn tamper(&self, table: Table, statement: &str) {
        let service = match table {
            Table::Customers => "customers",
            Table::Orders => "orders",
            Table::Outbox(service) | Table::Parked(service) => service,
        };
        let mut disks = self.disks.iter();
        let disk = disks.find(|disk| disk.service().name() == service);
        let disk = disk.expect("each service has a disk");
        disk.tamper(statement).expect("it has this table");
    }

    /// Has the node die, and start with other panics; unless something keeps it from running.
    async fn start_anew(&self, panics: FaultPlan) {
        self.panics.replace(panics);
        self.crash();
        self.boot_if_down().await;
    }

    async fn boot_if_down(&self) {
        if self.down.get() == 0 && self.running.borrow().is_none() {
            self.boot().await;
        }
    }
}

/// What a customer of this number is called.
pub fn name_of(customer: usize) -> String {
    format!("customer {customer}")
}

/// Makes the row in some place one that this release cannot read.
fn damage(table: Table, place: u64) -> String {
    let (name, key, change) = match table {
        Table::Orders => ("orders", "order_id", "state = state || '?'"),
        Table::Customers => ("customers", "customer_id", "version = -version"),
        Table::Parked(_) => ("parked_messages", "message_id", "body = '?' || body"),
        Table::Outbox(_) => (
            "outbox",
            "(shard, sequence)",
            "events = '?' || events, messages = '?' || messages",
        ),
    };
    let columns = key.trim_matches(['(', ')']);
    format!(
        "UPDATE {name} SET {change} WHERE {key} = (SELECT {columns} FROM {name} \
         ORDER BY {columns} LIMIT 1 OFFSET {place} % max(1, (SELECT count(*) FROM {name})))"
    )
}

/// Makes all rows readable again.
fn repair(table: Table) -> &'static str {
    match table {
        Table::Orders => "UPDATE orders SET state = rtrim(state, '?')",
        Table::Customers => "UPDATE customers SET version = abs(version)",
        Table::Parked(_) => "UPDATE parked_messages SET body = ltrim(body, '?')",
        Table::Outbox(_) => {
            "UPDATE outbox SET events = ltrim(events, '?'), messages = ltrim(messages, '?')"
        }
    }
}

fn config(plan: &Plan) -> NodeConfig {
    NodeConfig {
        live_actors: checks::LIVE_ACTORS,
        sagas: SagaPolicy {
            deadline: Duration::from_secs(20),
            first_retry: Duration::from_secs(1),
            attempts: 4,
        },
        retention: plan.retention,
        ..simulation::config(plan.shards)
    }
}
