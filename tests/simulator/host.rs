//! A host of a history: a machine with its clock, on which a node runs most of the time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actors::simulation::{self, Equipment, Machine};
use actors::{Gateway, Node, NodeConfig, gateway};
use domain::Coordination;
use projections::simulated::{MemoryViews, Traces};
use projections::views::View;
use sagas::Timestamp;
use store::faults::{FaultPlan, Faults};
use store::simulated::{LeaseServer, MemoryDatabase, Network, Seat, SimulatedClock, Trouble};
use store::{Clock, Positions, StoreError};

use crate::views::NodeViews;

/// One host.
pub struct Host {
    pub name: String,
    pub clock: SimulatedClock,
    /// The machine of a node that does not run yet: it may die before.
    starting: RefCell<Option<Rc<Machine>>>,
    running: RefCell<Option<Running>>,
    /// What is at work that its node must be started with.
    pub panics: RefCell<FaultPlan>,
    /// How often its node has started.
    pub starts: Cell<u64>,
    /// How many faults keep the node from running.
    pub down: Cell<u32>,
    /// Up to where its view has shown its sources.
    pub shown: RefCell<Positions>,
}

struct Running {
    machine: Rc<Machine>,
    node: Arc<Node>,
    /// Its place among others.
    seat: Option<Arc<Seat>>,
    gateway: Gateway,
    /// On the host that has them.
    views: Option<NodeViews>,
}

/// What runs, to be used while it may die.
type Parts = (Rc<Machine>, Arc<Node>, Option<Arc<Seat>>);

/// What a node starts with that does not belong to its host.
pub struct Outside<'a> {
    pub disks: &'a [MemoryDatabase],
    pub network: Option<&'a Network>,
    pub trouble: Arc<dyn Trouble>,
    /// For a host that has views.
    pub views: Option<OutsideViews<'a>>,
    pub config: NodeConfig,
    pub coordination: Coordination,
}

/// What a node's views begin with that outlives it.
pub struct OutsideViews<'a> {
    pub kept: MemoryViews,
    /// How long a generation is kept that has answered before.
    pub keep: Duration,
    /// By what nodes agree on who feeds them, if they share them.
    pub lease: Option<&'a LeaseServer>,
}

impl Host {
    /// The host of this number, at a time.
    pub fn new(number: usize, time: Timestamp, seed: u64) -> Self {
        // Each makes ids of its own.
        let shift = u32::try_from(number).unwrap_or(0);
        Host {
            name: format!("node {}", number + 1),
            clock: SimulatedClock::at(time, seed.rotate_left(shift)),
            starting: RefCell::default(),
            running: RefCell::default(),
            panics: RefCell::default(),
            starts: Cell::new(0),
            down: Cell::new(0),
            shown: RefCell::default(),
        }
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

    /// Its view, while it runs and if it has one.
    pub fn view(&self) -> Option<Arc<View<Traces>>> {
        let running = self.running.borrow();
        let views = running.as_ref()?.views.as_ref()?;
        Some(Arc::clone(&views.view))
    }

    /// Starts the node; false when it has died before it runs. It meets with the faults that are at
    /// work.
    pub async fn boot(&self, outside: Outside<'_>) -> bool {
        let machine = Rc::new(Machine::new());
        self.starting.replace(Some(Rc::clone(&machine)));
        let Outside {
            disks,
            network,
            trouble,
            views,
            config,
            coordination,
        } = outside;
        let views = views.map(|OutsideViews { kept, keep, lease }| {
            let striven = lease.map(|server| server.strive(&self.name));
            (kept, keep, striven)
        });
        let equipment = Equipment {
            disks: disks.to_vec(),
            shards: config.shards,
            clock: Clock::of(Arc::new(self.clock.clone())),
            trouble,
            faults: Faults::new(self.panics.borrow().clone()),
            seat: network.map(|network| network.join(&self.name)),
        };
        let seat = equipment.seat.clone();
        let config = NodeConfig {
            name: self.name.clone(),
            ..config
        };

        let started = machine.run(async move {
            let equipped = simulation::parts(equipment)?;
            let parts = &equipped.parts;
            let started = gateway::start(&config, parts);
            let (node, gateway) = started.expect("the services are registered");
            let gateway = gateway.coordinated_by(coordination);
            equipped.take_part(&node);

            let node = Arc::new(node);
            let views = views
                .map(|(kept, keep, striven)| NodeViews::start((&node, parts), kept, keep, striven));
            Ok::<_, StoreError>((node, gateway, views))
        });
        let started = started.await;

        // At the moment at which it starts, something else may befall the host.
        let is_this = |starting: &mut Rc<Machine>| Rc::ptr_eq(starting, &machine);
        if self.starting.borrow_mut().take_if(is_this).is_none() {
            return false;
        }
        let (node, gateway, views) = started
            .expect("nothing panics while it starts")
            .expect("there is memory");

        self.starts.set(self.starts.get() + 1);
        self.running.replace(Some(Running {
            machine,
            node,
            seat,
            gateway,
            views,
        }));
        true
    }

    /// Has the node end by itself, and leave the others.
    pub async fn end(&self) {
        let Some((machine, node, seat)) = self.parts() else {
            return;
        };
        let ended = machine.run(async move {
            node.stop().await;
            if let Some(seat) = seat {
                seat.leave();
            }
        });
        // It may die before.
        let _ = ended.await;
    }

    fn parts(&self) -> Option<Parts> {
        let running = self.running.borrow();
        let Running {
            machine,
            node,
            seat,
            ..
        } = running.as_ref()?;
        Some((Rc::clone(machine), Arc::clone(node), seat.clone()))
    }

    /// Ends the node where it is; false when none runs or starts.
    pub fn crash(&self) -> bool {
        let (starting, running) = (self.starting.take(), self.running.take());
        let machine = starting.as_ref();
        let machine = machine.or(running.as_ref().map(|running| &running.machine));
        if let Some(machine) = machine {
            machine.crash();
        }
        machine.is_some()
    }

    /// Has the machine do nothing for so long.
    pub fn stop(&self, time: Duration) {
        if let Some(running) = &*self.running.borrow() {
            running.machine.stop(time);
        }
    }

    /// Whether the node should run, and neither does nor starts.
    pub fn is_due(&self) -> bool {
        let is_there = self.starting.borrow().is_some() || self.running.borrow().is_some();
        self.down.get() == 0 && !is_there
    }
}
