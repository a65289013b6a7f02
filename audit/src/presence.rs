//! Whether nodes are at work on the stores, so that what is overdue or damaged may be on its way to
//! be in order.
//!
//! A file belongs to the node that holds its folder. A database on a server says itself whether a
//! node commits to it, on whichever machine: a node that only answers callers holds a folder, too,
//! and meets no deadline.

use std::fs::{File, TryLockError};
use std::path::Path;

use domain::Service;
use store::ServiceDatabase;

use super::AuditError;

/// A running node holds a lock on this file in the data folder.
pub const LOCK_FILE: &str = "lock";

/// The nodes at work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Presence {
    /// Any node.
    pub any: bool,
    /// One that meets the deadlines of sagas and orders.
    pub on_orders: bool,
    /// One that has customers answer.
    pub on_customers: bool,
}

impl Presence {
    /// Whether one is at work on this service's database.
    pub(super) fn on(self, service: Service) -> bool {
        if service == domain::ORDERS {
            self.on_orders
        } else {
            self.on_customers
        }
    }

    pub(super) async fn look(
        folder: &Path,
        customers: &ServiceDatabase,
        orders: &ServiceDatabase,
    ) -> Result<Self, AuditError> {
        let here = is_held(folder)?;
        let on_orders = orders.has_a_journal().await?.unwrap_or(here);
        let on_customers = customers.has_a_journal().await?.unwrap_or(here);

        Ok(Presence {
            any: here || on_orders || on_customers,
            on_orders,
            on_customers,
        })
    }
}

/// Whether a node holds the data folder. It tries the lock shared, and lets go at once. A node that
/// starts in that very moment is refused; start it again.
fn is_held(folder: &Path) -> Result<bool, AuditError> {
    let path = folder.join(LOCK_FILE);
    if !path.exists() {
        return Ok(false);
    }

    let failed = |source| AuditError::Lock {
        path: path.clone(),
        source,
    };

    match File::open(&path).map_err(failed)?.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
