//! The stores under audit, opened to read only.

use std::fs::{File, TryLockError};
use std::path::Path;

use domain::{Money, Service, Timestamp};
use projections::audit::{Indexed, Slice, Stored, ViewAudit};
use projections::generations::ViewStore;
use projections::{
    CustomerDocument, OrderDocument, QuarantinedEntity, ViewError, documents, search,
};
use store::audit::IdRange;
use store::services::{customers, orders};
use store::{Clock, Positions, ServiceDatabase};
use uuid::Uuid;

use super::problem::Problem;
use super::ranges::subject;
use super::report::{Invariant, Report};
use super::view_slices::ViewSlice;
use super::{AuditConfig, AuditError};

/// A running node holds a lock on this file in the data folder.
pub const LOCK_FILE: &str = "lock";

pub(super) struct Stores {
    pub customers: ServiceDatabase,
    pub orders: ServiceDatabase,
    documents: Answering,
    search: Answering,
    pub shards: u16,
    pub node_running: bool,
    pub now: Timestamp,
}

/// The generation of a view that answers, or why there is none to look at.
type Answering = Result<Box<dyn ViewAudit>, Absence>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absence {
    NotBuilt,
    /// The catalog has this generation answer, and its store is not there.
    Gone(u32),
    /// The generation was built by another release, and its store cannot be read by this one.
    Outdated,
}

/// How a view stands as a whole.
pub(super) struct ViewState {
    pub name: &'static str,
    pub invariant: Invariant,
    pub positions: Positions,
    pub quarantined: Vec<QuarantinedEntity>,
}

impl Stores {
    pub(super) async fn open(config: &AuditConfig) -> Result<Self, AuditError> {
        let folder = config.data_dir.as_path();
        let customers = ServiceDatabase::open_to_read(customers::SCHEMA, folder).await?;
        let orders = ServiceDatabase::open_to_read(orders::SCHEMA, folder).await?;
        let shards = fixed_shards(config, [&customers, &orders]).await?;
        let documents = answering(&*config.views.documents, documents::DEFINITION).await?;
        let search = answering(&*config.views.search, search::DEFINITION).await?;

        Ok(Stores {
            customers,
            orders,
            documents,
            search,
            shards,
            node_running: is_node_running(folder)?,
            now: Clock::system().now(),
        })
    }

    pub(super) fn database(&self, service: Service) -> &ServiceDatabase {
        match service {
            domain::CUSTOMERS => &self.customers,
            _ => &self.orders,
        }
    }

    /// The views that are built.
    fn views(&self) -> impl Iterator<Item = (&'static str, Invariant, &dyn ViewAudit)> {
        let documents = self
            .documents
            .as_ref()
            .ok()
            .map(|view| (documents::VIEW, Invariant::Documents, &**view));
        let search = self
            .search
            .as_ref()
            .ok()
            .map(|view| (search::VIEW, Invariant::Search, &**view));
        documents.into_iter().chain(search)
    }

    /// Tells of the views that cannot be looked at. One that should answer and is gone is a
    /// violation: its readers are answered with less than what has happened.
    pub(super) fn tell_absent_views(&self, report: &mut Report) {
        for (name, invariant, view) in [
            (documents::VIEW, Invariant::Documents, &self.documents),
            (search::VIEW, Invariant::Search, &self.search),
        ] {
            match view {
                Ok(_) => {}
                Err(Absence::NotBuilt) => report.unchecked(invariant, "the view is not built yet"),
                Err(Absence::Outdated) => {
                    report.unchecked(invariant, "the view was built by another release")
                }
                Err(Absence::Gone(number)) => {
                    let subject = format_args!("view {name}");
                    let expected =
                        format_args!("generation {number}, which answers by the catalog");

                    report.violated_by(
                        invariant,
                        Problem::new(subject, "store", expected, "nothing"),
                    );
                }
            }
        }
    }

    /// What views show of a range of customers.
    pub(super) async fn customer_views(
        &self,
        range: IdRange,
    ) -> Result<Vec<ViewSlice<CustomerDocument>>, AuditError> {
        let Ok(reader) = &self.documents else {
            return Ok(Vec::new());
        };
        let slice = reader.customers(range).await?;
        let version = |document: &CustomerDocument| document.version;

        Ok(vec![ViewSlice::new(
            documents::VIEW,
            Invariant::Documents,
            slice,
            version,
        )])
    }

    /// What views show of a range of orders.
    pub(super) async fn order_views(
        &self,
        range: IdRange,
        report: &mut Report,
    ) -> Result<Vec<ViewSlice<OrderDocument>>, AuditError> {
        let mut views = Vec::new();
        let version = |document: &OrderDocument| document.version;

        for (name, invariant, view) in self.views() {
            let Slice {
                documents: found,
                positions,
                quarantined,
            } = view.orders(range).await?;
            let documents = found
                .into_iter()
                .map(|found| once(found, invariant, report))
                .collect();
            let slice = Slice {
                documents,
                positions,
                quarantined,
            };
            views.push(ViewSlice::new(name, invariant, slice, version));
        }

        Ok(views)
    }

    /// How far each view has come, and what it has in quarantine.
    pub(super) async fn view_states(&self) -> Result<Vec<ViewState>, AuditError> {
        // No id lies in this range: only what comes with it is wanted.
        let nobody = IdRange {
            after: Some(Uuid::max()),
            up_to: None,
        };

        let mut views = Vec::new();
        for (name, invariant, view) in self.views() {
            let Slice {
                positions,
                quarantined,
                ..
            } = view.orders(nobody).await?;
            views.push(ViewState {
                name,
                invariant,
                positions,
                quarantined,
            });
        }

        Ok(views)
    }
}

/// Opens the generation of a view that answers. A node may replace it meanwhile and let go of it.
async fn answering<R: ?Sized>(
    store: &dyn ViewStore<R>,
    definition: u32,
) -> Result<Answering, ViewError> {
    let mut catalog = store.catalog().await?;
    loop {
        let Some(number) = catalog.live else {
            return Ok(Err(Absence::NotBuilt));
        };

        if let Some(view) = store.audit(number).await? {
            return Ok(Ok(view));
        }

        let newest = store.catalog().await?;
        if newest.live == Some(number) {
            let outdated = newest
                .answering()
                .is_some_and(|generation| generation.definition != definition);
            return Ok(Err(if outdated {
                Absence::Outdated
            } else {
                Absence::Gone(number)
            }));
        }

        catalog = newest;
    }
}

/// What a view holds of an order beside its document must agree with that, and be there once.
fn once(found: Indexed, invariant: Invariant, report: &mut Report) -> Stored<OrderDocument> {
    let Indexed {
        hits,
        version,
        total_cents,
        stored,
    } = found;

    let mut wrong = |what, expected: String, found: String| {
        let subject = subject(domain::ORDERS, stored.id);
        report.violated_by(invariant, Problem::new(subject, what, expected, found));
    };

    if hits != 1 {
        wrong("hits", "1".to_owned(), hits.to_string());
    }

    if let Ok(document) = &stored.document {
        if document.version != version {
            wrong(
                "version beside the document",
                document.version.to_string(),
                version.to_string(),
            );
        }
        if document.order_total.cents() != total_cents {
            let indexed = Money::from_cents(total_cents);
            wrong(
                "total beside the document",
                document.order_total.to_string(),
                indexed.to_string(),
            );
        }
    }

    stored
}

async fn fixed_shards(
    config: &AuditConfig,
    databases: [&ServiceDatabase; 2],
) -> Result<u16, AuditError> {
    let mut fixed = config.shards;

    for database in databases {
        let found = database.shards().await?;
        let found = found.ok_or_else(|| {
            AuditError::Unfit(format!(
                "the {} database does not say how many shards it has",
                database.service
            ))
        })?;
        match fixed {
            Some(expected) if expected != found => {
                let service = database.service;
                return Err(AuditError::Unfit(format!(
                    "the {service} database has {found} shards, not {expected}"
                )));
            }
            _ => fixed = Some(found),
        }
    }

    fixed.ok_or_else(|| AuditError::Unfit("the number of shards is unknown".to_owned()))
}

/// Whether a node holds the data folder. The lock is tried shared and let go of at once; a node
/// that starts in that very moment is refused, and may be started again.
fn is_node_running(folder: &Path) -> Result<bool, AuditError> {
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
