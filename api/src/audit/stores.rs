//! The stores under audit, opened to read only.

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::path::Path;

use domain::{Service, Timestamp};
use projections::documents::sqlite::{self, SqliteDocumentReader};
use projections::port::QuarantinedEntity;
use projections::{CustomerDocument, OrderDocument, documents};
use store::audit::IdRange;
use store::{Clock, ServiceDatabase};
use uuid::Uuid;

use super::report::{Invariant, Report};
use super::views::ViewSlice;
use super::{AuditConfig, AuditError};

/// A running node holds a lock on this file in the data folder.
pub const LOCK_FILE: &str = "lock";
/// Entities in quarantine that are read of a view: more than it takes before it stops by itself.
const QUARANTINED: u64 = 10_000;

pub(super) struct Stores {
    pub customers: ServiceDatabase,
    pub orders: ServiceDatabase,
    pub documents: Option<SqliteDocumentReader>,
    /// The entities that the document view has in quarantine.
    pub quarantined: Vec<QuarantinedEntity>,
    pub shards: u16,
    pub node_running: bool,
    pub now: Timestamp,
}

impl Stores {
    pub(super) async fn open(config: &AuditConfig) -> Result<Self, AuditError> {
        let folder = config.data_dir.as_path();
        let customers = ServiceDatabase::open_to_read(Service::Customers, folder).await?;
        let orders = ServiceDatabase::open_to_read(Service::Orders, folder).await?;
        let shards = fixed_shards(config, [&customers, &orders]).await?;
        let documents = sqlite::open_to_read(folder).await?;
        let quarantined = match &documents {
            Some(documents) => documents.audit_quarantine(QUARANTINED).await?,
            None => Vec::new(),
        };
        Ok(Stores {
            customers,
            orders,
            documents,
            quarantined,
            shards,
            node_running: is_node_running(folder)?,
            now: Clock::system().now(),
        })
    }

    pub(super) fn database(&self, service: Service) -> &ServiceDatabase {
        match service {
            Service::Customers => &self.customers,
            Service::Orders => &self.orders,
        }
    }

    /// What views show of a range of customers.
    pub(super) async fn customer_views(&self, range: IdRange) -> Result<Vec<ViewSlice<CustomerDocument>>, AuditError> {
        let Some(reader) = &self.documents else { return Ok(Vec::new()) };
        let slice = reader.audit_customers(range).await?;
        let version = |document: &CustomerDocument| document.version;
        let quarantined = self.quarantined_of(Service::Customers);
        Ok(vec![ViewSlice::new(documents::VIEW, Invariant::Documents, slice, version, quarantined)])
    }

    /// What views show of a range of orders.
    pub(super) async fn order_views(
        &self,
        range: IdRange,
        _report: &mut Report,
    ) -> Result<Vec<ViewSlice<OrderDocument>>, AuditError> {
        let Some(reader) = &self.documents else { return Ok(Vec::new()) };
        let slice = reader.audit_orders(range).await?;
        let version = |document: &OrderDocument| document.version;
        let quarantined = self.quarantined_of(Service::Orders);
        Ok(vec![ViewSlice::new(documents::VIEW, Invariant::Documents, slice, version, quarantined)])
    }

    fn quarantined_of(&self, service: Service) -> HashSet<Uuid> {
        let of_service = self.quarantined.iter().filter(|entity| entity.source.service == service);
        of_service.map(|entity| entity.entity).collect()
    }
}

async fn fixed_shards(config: &AuditConfig, databases: [&ServiceDatabase; 2]) -> Result<u16, AuditError> {
    let mut fixed = config.shards;
    for database in databases {
        let found = database.shards().await?;
        let found = found.ok_or_else(|| {
            AuditError::Unfit(format!("the {} database does not say how many shards it has", database.service))
        })?;
        match fixed {
            Some(expected) if expected != found => {
                let service = database.service;
                return Err(AuditError::Unfit(format!("the {service} database has {found} shards, not {expected}")));
            }
            _ => fixed = Some(found),
        }
    }
    fixed.ok_or_else(|| AuditError::Unfit("the number of shards is unknown".to_owned()))
}

/// Whether a node holds the data folder. The lock is tried shared and let go of at once; a node that starts in that
/// very moment is refused, and may be started again.
fn is_node_running(folder: &Path) -> Result<bool, AuditError> {
    let path = folder.join(LOCK_FILE);
    if !path.exists() {
        return Ok(false);
    }
    let failed = |source| AuditError::Lock { path: path.clone(), source };
    match File::open(&path).map_err(failed)?.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
