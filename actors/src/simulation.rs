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

use store::cluster::Alone;
use store::faults::Faults;
use store::log::embedded::EmbeddedLog;
use store::simulated::{MemoryDatabase, NoThreads, SimulatedLog, SimulatedStore, Trouble};
use store::{Clock, Journal, StoreError};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

use crate::{NodeConfig, NodeParts};

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

/// What a node works with that has these disks, this clock and this trouble. Call it on its
/// machine.
///
/// # Errors
/// When there is no memory for it.
pub fn parts(
    disks: &[MemoryDatabase],
    shards: u16,
    clock: Clock,
    trouble: Arc<dyn Trouble>,
    faults: Faults,
) -> Result<NodeParts, StoreError> {
    let mut databases = Vec::new();
    for disk in disks {
        databases.push(disk.opened(Arc::clone(&trouble))?);
    }
    let log = Arc::new(EmbeddedLog::new(databases.clone(), shards, faults.clone()));

    let mut journals = Vec::new();
    for disk in disks {
        let service = disk.service();
        let commits = disk.commit_store(faults.clone())?;
        let commits = SimulatedStore::new(commits, service, Arc::clone(&trouble));
        let threads = Arc::new(NoThreads);
        let journal = Journal::start_on(Box::new(commits), service, log.clone(), shards, threads);
        journals.push(journal?);
    }

    Ok(NodeParts {
        membership: Arc::new(Alone::with(
            databases.iter().map(|database| database.service),
            shards,
        )),
        databases,
        journals,
        log: Arc::new(SimulatedLog::new(log, trouble)),
        transport: None,
        clock,
        faults,
    })
}
