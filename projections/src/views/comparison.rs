//! A new generation compared with the one that answers, before it takes its place.
//!
//! Where both show an entity at the same version, the documents must be equal. Those that are not
//! are counted and do not stop the swap: a rebuild is there to repair them. What stops it is a
//! loss: an entity, or a version, that the old one shows and the new one does not although it has
//! gone past it; or an entity that the new one alone has in quarantine.
//!
//! Both are read range by range at once, each with the positions of its own snapshot, which say
//! what it must show at least; both are fed meanwhile.

use std::collections::HashMap;

use domain::{Service, ShardId};
use store::Positions;
use store::audit::IdRange;
use uuid::Uuid;

use super::entity_work::EntityWork;
use super::open::OpenGeneration;
use super::shared::Shared;
use super::status::BuildStage;
use crate::audit::{Slice, Stored, ViewAudit};
use crate::generations::ViewStore;
use crate::{Document, ViewError};

/// Entities compared at a time: enough that what each range costs by itself does not count.
const ENTITIES: u64 = 2_000;
/// So many differences are told.
const EXAMPLES: usize = 10;

/// What a comparison has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    /// Documents of the old generation.
    pub compared: u64,
    /// Documents that the new one shows in another way.
    pub repaired: u64,
    /// Some of those.
    pub examples: Vec<Uuid>,
    /// Why the new one must not take the place of the old.
    pub loss: Option<String>,
}

/// An entity as a generation shows it.
struct Shown {
    id: Uuid,
    hits: usize,
    document: Result<Document, ViewError>,
}

impl Shown {
    fn version(&self) -> u64 {
        match &self.document {
            Ok(Document::Customer(customer)) => customer.version,
            Ok(Document::Order(order)) => order.version,
            Err(_) => 0,
        }
    }
}

struct Comparing<'a, R: ?Sized> {
    shared: &'a Shared<R>,
    live: &'a OpenGeneration<R>,
    old: Box<dyn ViewAudit>,
    new: Box<dyn ViewAudit>,
    found: Comparison,
}

/// Compares the whole of two generations, or as far as the first loss.
pub(super) async fn compare<R: ?Sized>(
    shared: &Shared<R>,
    live: &OpenGeneration<R>,
    next: &OpenGeneration<R>,
) -> Result<Comparison, ViewError> {
    let shown = EntityWork::begin(shared, next.number(), BuildStage::Comparing).await?;
    let old = audit_of(shared, live.number()).await;
    let old = old.map_err(|error| of_the_old(live, error))?;
    let new = audit_of(shared, next.number()).await?;

    let mut comparing = Comparing {
        shared,
        live,
        old,
        new,
        found: Comparison::default(),
    };

    for service in shared.definition.uses {
        let mut after = None;
        loop {
            shared.go_on(next.number())?;
            let range = shared.rows.next_range(*service, after, ENTITIES).await?;
            comparing.range(*service, range).await?;
            match range.up_to {
                Some(last) if comparing.found.loss.is_none() => {
                    shown.add(ENTITIES);
                    after = Some(last);
                }
                // The last range has the rest.
                _ => break,
            }
        }
    }

    if comparing.found.loss.is_none() {
        comparing.quarantines().await?;
    }

    Ok(comparing.found)
}

/// An error of the generation that answers is none of the one that is built: if it is damage, the
/// comparison is over, and what is built takes its place without.
fn of_the_old<R: ?Sized>(live: &OpenGeneration<R>, error: ViewError) -> ViewError {
    live.alarm().notice(&error);
    match error {
        ViewError::Damaged { view, .. } => ViewError::Closed { view },
        error => error,
    }
}

async fn audit_of<R: ?Sized>(
    shared: &Shared<R>,
    number: u32,
) -> Result<Box<dyn ViewAudit>, ViewError> {
    let gone = || ViewError::Unavailable {
        view: shared.definition.name,
        source: format!("generation {number} cannot be read in whole").into(),
    };
    ViewStore::audit(&*shared.store, number)
        .await?
        .ok_or_else(gone)
}

impl<R: ?Sized> Comparing<'_, R> {
    async fn range(&mut self, service: Service, range: IdRange) -> Result<(), ViewError> {
        let reading_old = async {
            let read = read(&*self.old, service, range).await;
            read.map_err(|error| of_the_old(self.live, error))
        };
        let (old, new) = tokio::try_join!(reading_old, read(&*self.new, service, range))?;

        let mut shown: HashMap<Uuid, Shown> = new
            .documents
            .into_iter()
            .map(|shown| (shown.id, shown))
            .collect();

        for before in old.documents {
            self.found.compared += 1;
            let after = shown.remove(&before.id);
            self.entity(service, &before, after.as_ref(), &new.positions)
                .await?;
            if self.found.loss.is_some() {
                return Ok(());
            }
        }

        for (id, after) in shown {
            self.readable(service, &after);
            if self.passed(service, id, 1, &old.positions).await? == Some(true) {
                self.differs(id);
            }
        }

        Ok(())
    }

    async fn entity(
        &mut self,
        service: Service,
        before: &Shown,
        after: Option<&Shown>,
        positions: &Positions,
    ) -> Result<(), ViewError> {
        let id = before.id;

        if let Some(after) = after {
            self.readable(service, after);
        }

        let (old, new) = (before.version(), after.map_or(0, Shown::version));

        if let (Ok(before), Some(Ok(after))) =
            (&before.document, after.map(|shown| &shown.document))
            && old <= new
        {
            if old == new && before != after {
                self.differs(id);
            }
            return Ok(());
        }

        match self.passed(service, id, old.max(1), positions).await? {
            // The new one will come to it.
            Some(false) => {}
            Some(true) if old > new || after.is_none() => {
                let shows = if new == 0 {
                    "nothing".to_owned()
                } else {
                    format!("version {new}")
                };
                self.loses(format!(
                    "it shows {shows} of {service} {id}, which is shown at version {old}"
                ));
            }
            // The old one shows what never was, or what cannot be read.
            _ => self.differs(id),
        }

        Ok(())
    }

    /// What the new one shows of an entity must be there once, in a form that can be read.
    fn readable(&mut self, service: Service, after: &Shown) {
        if let Err(error) = &after.document {
            self.loses(format!(
                "it cannot read its {service} {}: {error}",
                after.id
            ));
        }
        if after.hits != 1 {
            self.loses(format!(
                "it shows {service} {} {} times",
                after.id, after.hits
            ));
        }
    }

    /// Whether positions have gone past a version of an entity; `None` when there is no such
    /// version.
    async fn passed(
        &self,
        service: Service,
        entity: Uuid,
        version: u64,
        positions: &Positions,
    ) -> Result<Option<bool>, ViewError> {
        let source = source_of(&self.shared.log.sources(), service, entity);
        let event = self.shared.log.history(source, entity, version, 1).await?;
        let event = event.first().filter(|event| event.version == version);
        let position = positions.get(&source).copied().unwrap_or(0);
        Ok(event.map(|event| event.sequence <= position))
    }

    fn differs(&mut self, id: Uuid) {
        self.found.repaired += 1;
        if self.found.examples.len() < EXAMPLES {
            self.found.examples.push(id);
        }
    }

    fn loses(&mut self, what: String) {
        self.found.loss.get_or_insert(what);
    }

    /// What the new one has in quarantine, the old one must have there, too, when it has come as
    /// far.
    async fn quarantines(&mut self) -> Result<(), ViewError> {
        // No id lies in this range: only what comes with it is wanted.
        let nobody = IdRange {
            after: Some(Uuid::max()),
            up_to: None,
        };

        let new = self.new.orders(nobody).await?;
        if new.quarantined.is_empty() {
            return Ok(());
        }

        self.live.reach(&new.positions).await?;

        let old = self.old.orders(nobody).await;
        let old = old
            .map_err(|error| of_the_old(self.live, error))?
            .quarantined;
        let known = |id: Uuid| old.iter().any(|entity| entity.entity == id);
        if let Some(bad) = new.quarantined.iter().find(|entity| !known(entity.entity)) {
            let (service, id, version) = (bad.source.service, bad.entity, bad.version);
            self.loses(format!(
                "it cannot take in version {version} of {service} {id}: {}",
                bad.cause
            ));
        }

        Ok(())
    }
}

/// The shard an entity's events are in.
pub(super) fn source_of(sources: &[ShardId], service: Service, entity: Uuid) -> ShardId {
    let shards = sources
        .iter()
        .filter(|source| source.service == service)
        .count();
    ShardId::of(service, entity, u16::try_from(shards).unwrap_or(u16::MAX))
}

async fn read(
    audit: &dyn ViewAudit,
    service: Service,
    range: IdRange,
) -> Result<Slice<Shown>, ViewError> {
    Ok(match service {
        domain::CUSTOMERS => {
            let Slice {
                documents,
                positions,
                quarantined,
            } = audit.customers(range).await?;

            let shown = |Stored { id, document }| Shown {
                id,
                hits: 1,
                document: document.map(Document::Customer),
            };

            Slice {
                documents: documents.into_iter().map(shown).collect(),
                positions,
                quarantined,
            }
        }
        _ => {
            let Slice {
                documents,
                positions,
                quarantined,
            } = audit.orders(range).await?;

            let shown = documents.into_iter().map(|found| Shown {
                id: found.stored.id,
                hits: found.hits,
                document: found.stored.document.map(Document::Order),
            });

            Slice {
                documents: shown.collect(),
                positions,
                quarantined,
            }
        }
    })
}
