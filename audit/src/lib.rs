//! The auditor: recomputes every invariant that can be checked on data, in the stores of a data
//! folder.
//!
//! ```text
//! customers.db ─┬─ customers ── credit, fold = row = document
//! orders.db ────┼─ orders ───── fold = row = document, saga by state, the other's reservations
//! views ────────┤  sagas ────── saga and order agree, none overdue
//!               ├─ inboxes ──── outboxes without gaps, positions within them, messages in flight
//!               └─ queues ───── parked messages behind positions, timers, what operators have done
//! ```
//!
//! It opens everything to read only, with a node running or none. A node may change anything
//! meanwhile, so it compares data of one snapshot, or reads in an order in which only something
//! wrong can look wrong, or looks again. Memory is bounded: it reads everything in ranges of ids. A
//! row that cannot be read is told, and everything else is audited all the same. It repairs
//! nothing, and it does not ask the node.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::as_conversions
    )
)]

mod answering;
mod customers;
mod entities;
mod extent;
mod given_up;
mod history;
mod in_flight;
mod inboxes;
mod noted;
mod operators;
mod orders;
mod outboxes;
mod overdue;
mod patience;
mod presence;
mod problem;
mod queues;
mod ranges;
mod releases;
mod report;
mod reservations;
mod retries;
mod sagas;
mod snapshots;
mod stores;
mod view_slices;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use projections::{ViewError, ViewStores};
use store::{Home, ServiceDatabase, StoreError};
use tokio::task::JoinError;

pub use extent::{Extent, Pace};
pub use presence::LOCK_FILE;
pub use problem::Problem;
pub use report::{Finding, Invariant, Report, ViewLag, WorkInFlight};

use stores::Stores;

/// What to audit.
#[derive(Clone, Debug)]
pub struct AuditConfig {
    /// The node's data folder.
    pub data_dir: PathBuf,
    /// Where the database of the customers service is.
    pub customers: Home,
    /// Where the database of the orders service is.
    pub orders: Home,
    /// The expected number of shards per service; absent: that of the databases.
    pub shards: Option<u16>,
    /// Where the views are. The audit looks at the generation of each that answers.
    pub views: ViewStores,
    /// How much of all this is looked at.
    pub extent: Extent,
    /// How fast.
    pub pace: Pace,
    /// How long a view that cannot be read, or a deadline that has passed, is looked at again while
    /// a node runs that may be about to put it in order.
    pub patience: Duration,
}

/// How long an audit usually looks again: a node that was away opens its shards, and begins to meet
/// what it has missed, well within it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no outcome. A violation is none of these.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A service's database is missing or cannot be read.
    #[error("a service's database cannot be audited")]
    Store(#[from] StoreError),
    /// A view's store cannot be read.
    #[error("a view cannot be audited")]
    View(#[from] ViewError),
    /// The stores are not of one deployment.
    #[error("{0}")]
    Unfit(String),
    /// The lock file that tells of a running node cannot be opened.
    #[error("the lock file {path} cannot be looked at")]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A task of the audit panicked.
    #[error("a part of the audit has ended before its time")]
    Ended(#[from] JoinError),
    /// The reader of the report has gone, or its disk is full.
    #[error("the outcome cannot be written")]
    Output(#[from] std::io::Error),
}

/// Audits the stores of a data folder.
///
/// # Errors
/// When a store is missing or cannot be read.
pub async fn run(config: &AuditConfig) -> Result<Report, AuditError> {
    audit(Stores::open(config).await?).await
}

/// Audits the databases of the two services, wherever they are, as of `now`; the views are left
/// out.
///
/// # Errors
/// When one cannot be read.
pub async fn run_on(
    customers: ServiceDatabase,
    orders: ServiceDatabase,
    now: Timestamp,
) -> Result<Report, AuditError> {
    audit(Stores::without_views(customers, orders, now).await?).await
}

async fn audit(stores: Stores) -> Result<Report, AuditError> {
    let stores = Arc::new(stores);
    let mut report = Report {
        node_running: stores.nodes.any,
        sample: match stores.extent {
            Extent::Full => None,
            Extent::Sample(wanted) => Some(wanted),
        },
        ..Report::default()
    };

    stores.tell_absent_views(&mut report);
    // Tasks of their own, because decoding is most of the work.
    let parts = [
        tokio::spawn(part(&stores, |stores| Box::pin(orders::audit(stores)))),
        tokio::spawn(part(&stores, |stores| Box::pin(inboxes::audit(stores)))),
        tokio::spawn(part(&stores, |stores| Box::pin(sagas::audit(stores)))),
        tokio::spawn(part(&stores, |stores| Box::pin(queues::audit(stores)))),
        tokio::spawn(part(&stores, |stores| Box::pin(customers::audit(stores)))),
    ];

    for part in parts {
        report.merge(part.await??);
    }

    Ok(report)
}

type Part<'a> = futures_util::future::BoxFuture<'a, Result<Report, AuditError>>;

fn part(
    stores: &Arc<Stores>,
    audit: for<'a> fn(&'a Stores) -> Part<'a>,
) -> impl Future<Output = Result<Report, AuditError>> + Send + 'static {
    let stores = Arc::clone(stores);
    async move { audit(&stores).await }
}

/// Writes the outcome: for people, or as one JSON object on one line.
///
/// # Errors
/// When the output is closed.
pub fn write(report: &Report, json: bool, output: &mut impl Write) -> Result<(), AuditError> {
    if json {
        writeln!(output, "{}", report.to_json())?;
    } else {
        write!(output, "{report}")?;
    }
    output.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests;
