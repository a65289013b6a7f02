//! The stores under audit, opened to read only.

use std::sync::Arc;
use std::time::Duration;

use domain::{Service, Timestamp};
use projections::documents::Documents;
use projections::search::Search;
use projections::slices::{Disagreement, Slice, Stored};
use projections::{
    CustomerDocument, Document, OrderDocument, QuarantinedEntity, ViewError, documents, search,
};
use store::services::{customers, orders};
use store::snapshot::{IdRange, entities};
use store::{Clock, Positions, ServiceDatabase};
use uuid::Uuid;

use super::answering::{Absence, Answering};
use super::extent::{Extent, Pace, Parts};
use super::presence::Presence;
use super::problem::Problem;
use super::ranges::{ENTITIES, subject};
use super::report::{Invariant, Report};
use super::view_slices::ViewSlice;
use super::{AuditConfig, AuditError};

pub(super) struct Stores {
    pub customers: ServiceDatabase,
    pub orders: ServiceDatabase,
    documents: Result<Answering<Documents>, Absence>,
    search: Result<Answering<Search>, Absence>,
    pub shards: u16,
    pub nodes: Presence,
    /// How long what a node may be mending is looked at again.
    pub patience: Duration,
    pub now: Timestamp,
    pub extent: Extent,
    pub pace: Pace,
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
        let customers = config.customers.open_to_read(customers::SCHEMA).await?;
        let orders = config.orders.open_to_read(orders::SCHEMA).await?;
        let shards = fixed_shards(config.shards, [&customers, &orders]).await?;
        let nodes = Presence::look(&config.data_dir, &customers, &orders).await?;

        // Of a store that others share, nobody here knows who is at work on it.
        let patience = |is_shared: bool| match nodes.any || is_shared {
            true => config.patience,
            false => Duration::ZERO,
        };
        let store = Arc::clone(&config.views.documents);
        let (number, patient) = (documents::DEFINITION.number, patience(store.is_shared()));
        let documents = Answering::open(store, number, patient).await?;
        let store = Arc::clone(&config.views.search);
        let (number, patient) = (search::DEFINITION.number, patience(store.is_shared()));
        let search = Answering::open(store, number, patient).await?;

        Ok(Stores {
            customers,
            orders,
            documents,
            search,
            shards,
            nodes,
            patience: config.patience,
            now: Clock::system().now(),
            extent: config.extent,
            pace: config.pace,
        })
    }

    pub(super) async fn without_views(
        customers: ServiceDatabase,
        orders: ServiceDatabase,
        now: Timestamp,
    ) -> Result<Self, AuditError> {
        let shards = fixed_shards(None, [&customers, &orders]).await?;
        Ok(Stores {
            customers,
            orders,
            documents: Err(Absence::NotBuilt),
            search: Err(Absence::NotBuilt),
            shards,
            // Nobody knows: what is overdue is told as work, not as wrong.
            nodes: Presence::default(),
            patience: Duration::ZERO,
            now,
            extent: Extent::Full,
            pace: Pace::default(),
        })
    }

    /// The parts of all the entities of a service that are looked at.
    pub(super) async fn parts_of(&self, service: Service) -> Result<Parts, AuditError> {
        let all = entities::count(self.database(service)).await?;
        Ok(Parts::of(self.extent, self.pace, all, ENTITIES))
    }

    pub(super) fn database(&self, service: Service) -> &ServiceDatabase {
        match service {
            domain::CUSTOMERS => &self.customers,
            _ => &self.orders,
        }
    }

    /// Reports the views that cannot be looked at. One that should answer and is gone is a
    /// violation: its readers see less than what has happened.
    pub(super) fn tell_absent_views(&self, report: &mut Report) {
        for (name, invariant, absence) in [
            (
                documents::VIEW,
                Invariant::Documents,
                self.documents.as_ref().err(),
            ),
            (search::VIEW, Invariant::Search, self.search.as_ref().err()),
        ] {
            match absence {
                None => {}
                Some(Absence::NotBuilt) => report.unchecked(invariant, "the view is not built yet"),
                Some(Absence::Outdated) => {
                    report.unchecked(invariant, "the view was built by another release")
                }
                Some(Absence::Gone(number)) => {
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
        report: &mut Report,
    ) -> Result<Vec<ViewSlice<CustomerDocument>>, AuditError> {
        let Ok(view) = &self.documents else {
            return Ok(Vec::new());
        };
        let (name, invariant) = (documents::VIEW, Invariant::Documents);
        let slice = view.slice(domain::CUSTOMERS, range).await?;
        let slice = of_kind(slice, Document::customer);

        tell_disagreements(domain::CUSTOMERS, &slice, invariant, report);
        let version = |document: &CustomerDocument| document.version;
        Ok(vec![ViewSlice::new(name, invariant, slice, version)])
    }

    /// What views show of a range of orders.
    pub(super) async fn order_views(
        &self,
        range: IdRange,
        report: &mut Report,
    ) -> Result<Vec<ViewSlice<OrderDocument>>, AuditError> {
        let mut slices = Vec::new();
        if let Ok(view) = &self.documents {
            let slice = view.slice(domain::ORDERS, range).await?;
            let slice = of_kind(slice, Document::order);
            slices.push((documents::VIEW, Invariant::Documents, slice));
        }
        if let Ok(view) = &self.search {
            let slice = view.slice(domain::ORDERS, range).await?;
            slices.push((search::VIEW, Invariant::Search, slice));
        }

        let version = |document: &OrderDocument| document.version;
        let views = slices.into_iter().map(|(name, invariant, slice)| {
            tell_disagreements(domain::ORDERS, &slice, invariant, report);
            ViewSlice::new(name, invariant, slice, version)
        });
        Ok(views.collect())
    }

    /// How far each view has come, and what it has in quarantine.
    pub(super) async fn view_states(&self) -> Result<Vec<ViewState>, AuditError> {
        let mut views = Vec::new();
        if let Ok(view) = &self.documents {
            let slice = view.slice(domain::ORDERS, NOBODY).await?;
            views.push(state_of(documents::VIEW, Invariant::Documents, slice));
        }
        if let Ok(view) = &self.search {
            let slice = view.slice(domain::ORDERS, NOBODY).await?;
            views.push(state_of(search::VIEW, Invariant::Search, slice));
        }
        Ok(views)
    }
}

/// No id lies in this range: a read of it gives only what comes with every slice.
const NOBODY: IdRange = IdRange {
    after: Some(Uuid::max()),
    up_to: None,
};

fn state_of<E>(name: &'static str, invariant: Invariant, slice: Slice<E>) -> ViewState {
    ViewState {
        name,
        invariant,
        positions: slice.positions,
        quarantined: slice.quarantined,
    }
}

/// A slice of one kind of documents. A document of another kind under an id of this one is damage.
fn of_kind<T>(slice: Slice<Document>, kind: fn(Document) -> Option<T>) -> Slice<T> {
    let other_kind = || ViewError::Damaged {
        view: documents::VIEW,
        what: "a document of another kind".to_owned(),
    };

    let stored = |stored: Stored<Document>| Stored {
        id: stored.id,
        hits: stored.hits,
        entity: stored
            .entity
            .and_then(|document| kind(document).ok_or_else(other_kind)),
        disagreements: stored.disagreements,
    };

    Slice {
        entities: slice.entities.into_iter().map(stored).collect(),
        positions: slice.positions,
        quarantined: slice.quarantined,
    }
}

/// What a view holds of an entity beside its document must agree with the document, and be there
/// once.
fn tell_disagreements<T>(
    service: Service,
    slice: &Slice<T>,
    invariant: Invariant,
    report: &mut Report,
) {
    for stored in &slice.entities {
        let mut wrong = |what: &str, expected: &str, found: &str| {
            let subject = subject(service, stored.id);
            report.violated_by(invariant, Problem::new(subject, what, expected, found));
        };

        if stored.hits != 1 {
            wrong("hits", "1", &stored.hits.to_string());
        }

        for Disagreement {
            what,
            entity,
            beside,
        } in &stored.disagreements
        {
            wrong(&format!("{what} beside the document"), entity, beside);
        }
    }
}

async fn fixed_shards(
    expected: Option<u16>,
    databases: [&ServiceDatabase; 2],
) -> Result<u16, AuditError> {
    let mut fixed = expected;

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
