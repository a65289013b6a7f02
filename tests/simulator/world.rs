//! The world of a history: hosts with their nodes, the disks, the network, and what befalls them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actors::simulation;
use actors::{Gateway, Node, NodeConfig};
use projections::simulated::{MemoryViews, Traces};
use projections::views::View;
use sagas::testing::Chance;
use sagas::{SagaPolicy, Timestamp};
use store::Positions;
use store::faults::FaultPlan;
use store::simulated::{LeaseServer, MemoryDatabase, Network, SimulatedClock, Template};
use tokio::time::Instant;

use crate::checks;
use crate::damage::{damage, repair};
use crate::host::{Host, Outside, OutsideViews};
use crate::plan::{Fault, Plan, Table, Wrong};
use crate::trouble::Plagued;
use crate::views;

/// When every history begins: 2026-01-01, midnight.
const BEGINNING: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// How often it is looked whether a node has ended by itself.
const SUPERVISES_EVERY: Duration = Duration::from_secs(1);

/// How long a supervisor waits before it starts a node again: what systemd does unless told.
const STARTS_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// A node that is told to end is killed after this time.
const ENDS_WITHIN: Duration = Duration::from_secs(15);

/// A history under way.
pub struct World {
    pub plan: Plan,
    pub disks: Vec<MemoryDatabase>,
    /// The first one has the views, if they do not share them.
    pub hosts: Vec<Host>,
    /// What lies between them, if there are several.
    pub network: Option<Network>,
    pub kept_views: MemoryViews,
    /// By what the nodes agree on who feeds the views.
    pub lease: LeaseServer,
    pub trouble: Arc<Plagued>,
    began: Instant,
    story: RefCell<Vec<String>>,
    pub violations: RefCell<Vec<String>>,
    /// What an operator decides by.
    operator: RefCell<Chance>,
    /// By which callers choose their node.
    chosen: RefCell<Chance>,
    /// By which readers do.
    read_at: RefCell<Chance>,
}

impl World {
    /// A world in which nothing has happened.
    ///
    /// # Panics
    /// When there is no memory for it.
    pub fn new(plan: Plan, template: &Template) -> Self {
        let trouble = Arc::new(Plagued::new(plan.seed, &plan.faults));
        let disks = template.copy().expect("there is memory");
        let services: Vec<_> = disks.iter().map(MemoryDatabase::service).collect();
        let network = || Network::new(&services, plan.shards, trouble.clone());
        let kept_views = MemoryViews::new(views::VIEW, trouble.clone());
        let hosts = (0..plan.nodes).map(|number| Host::new(number, BEGINNING, plan.seed));

        World {
            disks,
            hosts: hosts.collect(),
            network: (plan.nodes > 1).then(network),
            kept_views: match plan.shares_views {
                true => kept_views.shared(),
                false => kept_views,
            },
            lease: LeaseServer::default(),
            trouble,
            began: Instant::now(),
            story: RefCell::default(),
            violations: RefCell::default(),
            operator: RefCell::new(Chance::seeded(plan.seed)),
            chosen: RefCell::new(Chance::seeded(!plan.seed)),
            read_at: RefCell::new(Chance::seeded(plan.seed.rotate_left(20) ^ 0x4ead)),
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

    /// The way to one of the nodes that run.
    pub fn gateway(&self) -> Option<Gateway> {
        let running = self.hosts.iter().filter_map(Host::gateway).collect();
        one_of(running, &self.chosen)
    }

    /// The nodes that run.
    pub fn nodes(&self) -> Vec<Arc<Node>> {
        self.hosts.iter().filter_map(Host::node).collect()
    }

    /// The view, at one of the nodes that run and have it.
    pub fn view(&self) -> Option<Arc<View<Traces>>> {
        one_of(self.views(), &self.read_at)
    }

    /// The view, at each node that runs and has it.
    pub fn views(&self) -> Vec<Arc<View<Traces>>> {
        self.hosts.iter().filter_map(Host::view).collect()
    }

    /// What the first host takes for the time.
    pub fn clock(&self) -> SimulatedClock {
        self.host(0).clock.clone()
    }

    fn host(&self, number: usize) -> &Host {
        let all = self.hosts.len();
        self.hosts.get(number % all).expect("there is a host")
    }

    /// Waits until so much time has passed since the beginning.
    pub async fn until(&self, time: Duration) {
        tokio::time::sleep_until(self.began + time).await;
    }

    /// Starts all nodes.
    pub async fn boot(&self) {
        for number in 0..self.hosts.len() {
            self.boot_if_due(number).await;
        }
    }

    async fn boot_if_due(&self, number: usize) {
        let host = self.host(number);
        if !host.is_due() {
            return;
        }

        let outside = Outside {
            disks: &self.disks,
            network: self.network.as_ref(),
            trouble: self.trouble.clone(),
            views: self.views_of(number),
            config: config(&self.plan),
            coordination: self.plan.coordination,
        };
        if !host.boot(outside).await {
            return;
        }

        // A node that has died between saving that another generation is to answer and having it
        // answer begins with that one, and what it has so far.
        if self.plan.changes_generations() {
            host.shown.replace(Positions::new());
        }
        self.tell(&format!("{} starts", host.name));
    }

    /// What a node's views begin with, if it has any.
    fn views_of(&self, number: usize) -> Option<OutsideViews<'_>> {
        let shares = self.plan.shares_views;
        (number == 0 || shares).then(|| OutsideViews {
            kept: self.kept_views.clone(),
            keep: self.plan.view_keep,
            lease: shares.then_some(&self.lease),
        })
    }

    /// Starts a node again whenever it ends by itself, as its supervisor does.
    pub async fn supervise(self: Rc<Self>, number: usize) {
        let host = self.host(number);
        loop {
            let Some(node) = host.node() else {
                tokio::time::sleep(SUPERVISES_EVERY).await;
                continue;
            };
            let start = host.starts.get();
            let ended = tokio::time::timeout(SUPERVISES_EVERY, node.failed()).await;
            if let Ok((service, standing)) = ended
                && host.starts.get() == start
            {
                self.tell(&format!(
                    "the journal of {service} at {} has ended: {}",
                    host.name, standing.cause
                ));
                self.crash(number);
                tokio::time::sleep(STARTS_AGAIN_AFTER).await;
                self.boot_if_due(number).await;
            }
        }
    }

    /// Ends a node where it is.
    fn crash(&self, number: usize) {
        let host = self.host(number);
        if host.crash() {
            self.tell(&format!("{} dies", host.name));
        }
        if let Some(network) = &self.network {
            network.died(&host.name);
        }
    }

    /// Nothing more happens.
    pub fn end(&self) {
        if let Some(network) = &self.network {
            network.close();
        }
    }

    /// Brings a fault about, and ends it when its time is over.
    pub async fn befall(self: Rc<Self>, fault: Fault) {
        self.until(fault.at).await;
        let whom = match self.plan.nodes {
            1 => String::new(),
            _ => format!(" at {}", self.host(fault.node).name),
        };
        let what = format!("{:?}{whom}", fault.what);
        self.tell(&format!("begins: {what} for {:?}", fault.lasts));
        self.begin(fault).await;

        self.until(fault.at + fault.lasts).await;
        self.tell(&format!("over: {what}"));
        self.is_over(fault).await;
    }

    async fn begin(&self, fault: Fault) {
        let host = self.host(fault.node);
        match fault.what {
            Wrong::Crash => {
                host.down.set(host.down.get() + 1);
                self.crash(fault.node);
            }
            Wrong::Restarted => {
                host.down.set(host.down.get() + 1);
                self.tell(&format!("{} is told to end", host.name));
                let _ = tokio::time::timeout(ENDS_WITHIN, host.end()).await;
                self.crash(fault.node);
            }
            Wrong::Stopped => host.stop(fault.lasts),
            Wrong::CutOff => self.cut_off(host, true),
            Wrong::LeaseOutOfReach => self.lease.cut_off(&host.name, true),
            Wrong::LeaseLost => self.lease.restart(),
            Wrong::ClockSteps(seconds) => host.clock.step(seconds * 1_000_000),
            Wrong::ClockDrifts(speed) => host.clock.drift(speed),
            Wrong::CustomerPanics { customer, once } => {
                let label = name_of(customer);
                let panic_at = BTreeMap::from([("customer".to_owned(), label)]);
                let plan = FaultPlan {
                    panic_at,
                    panic_once: once,
                    ..FaultPlan::default()
                };
                self.start_anew(fault.node, plan).await;
            }
            Wrong::TurnsPanic(every) => {
                let plan = FaultPlan {
                    panic_turn: Some(every),
                    ..FaultPlan::default()
                };
                self.start_anew(fault.node, plan).await;
            }
            Wrong::RowUnreadable { table, place } => self.tamper(table, &damage(table, place)),
            Wrong::ViewsGone => self.kept_views.lose_generations(),
            Wrong::ViewStoreGone => self.kept_views.lose_all(),
            Wrong::Rebuild(from) => views::rebuild(self, Some(from)).await,
            Wrong::Revert => views::rebuild(self, None).await,
            _ => {}
        }
    }

    async fn is_over(&self, fault: Fault) {
        let host = self.host(fault.node);
        match fault.what {
            Wrong::Crash | Wrong::Restarted => {
                host.down.set(host.down.get() - 1);
                self.boot_if_due(fault.node).await;
            }
            Wrong::CutOff => self.cut_off(host, false),
            Wrong::LeaseOutOfReach => self.lease.cut_off(&host.name, false),
            Wrong::ClockSteps(_) | Wrong::ClockDrifts(_) => host.clock.set_right(),
            // It has come, and the node must do without being started anew.
            Wrong::CustomerPanics { once: true, .. } => {}
            Wrong::CustomerPanics { .. } | Wrong::TurnsPanic(_) => {
                self.start_anew(fault.node, FaultPlan::default()).await;
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

    fn cut_off(&self, host: &Host, is_cut: bool) {
        if let Some(network) = &self.network {
            network.cut_off(&host.name, is_cut);
        }
    }

    /// Has the node die, and start with other panics; unless something keeps it from running.
    async fn start_anew(&self, number: usize, panics: FaultPlan) {
        self.host(number).panics.replace(panics);
        self.crash(number);
        self.boot_if_due(number).await;
    }
}

/// One of several, as chance has it; the only one without asking it.
fn one_of<T>(mut several: Vec<T>, chance: &RefCell<Chance>) -> Option<T> {
    let chosen = match several.len() {
        0 | 1 => 0,
        count => {
            let count = u64::try_from(count).unwrap_or(1);
            chance.borrow_mut().index(count)
        }
    };
    (chosen < several.len()).then(|| several.swap_remove(chosen))
}

/// What a customer of this number is called.
pub fn name_of(customer: usize) -> String {
    format!("customer {customer}")
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
        loading: domain::SERVICES
            .map(|service| (service, plan.loading))
            .into(),
        ..simulation::config(plan.shards)
    }
}
