//! Nodes in a simulation: any services on this mechanism, run by the thread that asks, in virtual
//! time, and with everything going wrong that the test wants.
//!
//! ```text
//!  simulate ── one thread, one runtime, time goes on when nobody has anything to do
//!      │
//!      ├── the test: callers, operators, what befalls the nodes
//!      └── Machine ── a node: shards, journals, housekeeping, as in production
//!              │          dies, stands still, and starts again
//!              └── its disks: a MemoryDatabase for each service, which outlive it
//! ```
//!
//! Everything follows from the test: nothing asks the operating system for time, threads or chance.

mod machine;

use std::sync::Arc;

use store::faults::Faults;
use store::log::cluster::ClusterLog;
use store::simulated::{MemoryDatabase, NoThreads, Seat, SimulatedLog, SimulatedStore, Trouble};
use store::{Clock, Journal, StoreError};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::cluster::NodeArrivals;
use crate::node::way::Way;
use crate::{Node, NodeConfig, NodeParts};

pub use machine::{Crashed, Machine};

/// Runs a simulation: on this thread, in time that passes only while everybody waits.
///
/// # Errors
/// When the system gives no runtime.
pub fn simulate<T>(simulation: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    Ok(LocalSet::new().block_on(&runtime, simulation))
}

/// A node on one thread, with so many shards of each service.
#[must_use]
pub fn config(shards: u16) -> NodeConfig {
    NodeConfig {
        name: "simulated".to_owned(),
        shards,
        arbiters: 0,
        ..NodeConfig::default()
    }
}

/// What a node is given that starts in a simulation.
pub struct Equipment {
    /// Which outlive it.
    pub disks: Vec<MemoryDatabase>,
    /// Shards of each service.
    pub shards: u16,
    /// What it takes for the time.
    pub clock: Clock,
    /// What befalls its stores and deliveries.
    pub trouble: Arc<dyn Trouble>,
    /// The panics that it meets with.
    pub faults: Faults,
    /// Its place among others; without one it is alone.
    pub seat: Option<Arc<Seat>>,
}

impl Equipment {
    /// That of a node that is alone and meets with no panics.
    #[must_use]
    pub fn alone(
        disks: Vec<MemoryDatabase>,
        shards: u16,
        clock: Clock,
        trouble: Arc<dyn Trouble>,
    ) -> Self {
        Equipment {
            disks,
            shards,
            clock,
            trouble,
            faults: Faults::default(),
            seat: None,
        }
    }
}

/// What the parts of a node are, and how others reach it.
pub struct Equipped {
    /// What the node is built from.
    pub parts: NodeParts,
    /// Its log, when it has others beside it.
    pub among_others: Option<(Arc<Seat>, Arc<ClusterLog>)>,
}

impl Equipped {
    /// From now on what other nodes send arrives, and the node is given shards. Call it on its
    /// machine.
    pub fn take_part(&self, node: &Node) {
        if let Some((seat, log)) = &self.among_others {
            let transport: Arc<Seat> = Arc::clone(seat);
            seat.begin(Arc::new(NodeArrivals {
                log: Arc::clone(log),
                doors: node.doors(),
                transport,
                // Nobody listens to words here.
                words: mpsc::channel(1).0,
            }));
            tokio::task::spawn_local(Arc::clone(seat).takes_part());
        }
    }
}

/// What a node works with that is given this. Call it on its machine.
///
/// # Errors
/// When there is no memory for it.
pub fn parts(equipment: Equipment) -> Result<Equipped, StoreError> {
    let Equipment {
        disks,
        shards,
        clock,
        trouble,
        faults,
        seat,
    } = equipment;

    let mut databases = Vec::new();
    for disk in &disks {
        databases.push(disk.opened(Arc::clone(&trouble))?);
    }
    let (way, among_others) = match seat {
        None => (Way::alone(&databases, shards, faults.clone()), None),
        Some(seat) => {
            let (way, log) = Way::among(&databases, shards, faults.clone(), Arc::clone(&seat));
            (way, Some((seat, log)))
        }
    };

    let mut journals = Vec::new();
    for disk in &disks {
        let service = disk.service();
        let commits = disk.commit_store(faults.clone())?;
        let commits = SimulatedStore::new(commits, service, Arc::clone(&trouble));
        let threads = Arc::new(NoThreads);
        let publisher = Arc::clone(&way.publisher);
        let journal = Journal::start_on(Box::new(commits), service, publisher, shards, threads);
        journals.push(journal?);
    }

    let parts = NodeParts {
        membership: way.membership,
        databases,
        journals,
        log: Arc::new(SimulatedLog::new(way.log, trouble)),
        transport: way.transport,
        clock,
        faults,
    };
    Ok(Equipped {
        parts,
        among_others,
    })
}
