//! A new generation compared with the one that answers, before it takes its place.
//!
//! Where both show an entity at the same version, the documents must be equal. Those that are not
//! are counted and do not stop the swap: a rebuild is there to repair them. What stops it is a
//! loss: an entity, or a version, that the old one shows and the new one does not although it has
//! gone past it; or an entity that the new one alone has in quarantine.
//!
//! Both are read range by range at once, each with the positions of its own snapshot, which say
//! what it must show at least; both are fed meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use sagas::{Service, ShardId};
use store::Positions;
use store::snapshot::IdRange;
use uuid::Uuid;

use super::entity_work::EntityWork;
use super::open::OpenGeneration;
use super::shared::Shared;
use super::status::BuildStage;
use crate::ViewError;
use crate::generations::{Audit, ViewStore};
use crate::port::QuarantinedEntity;
use crate::projection::{Projection, ViewEntity};
use crate::slices::Stored;

/// Entities compared at a time: enough that what each range costs by itself does not count.
const ENTITIES: u64 = 2_000;
/// How many differing entities the log names.
const EXAMPLES: usize = 10;
/// How long the old generation may take to have what the new one has, before their quarantines are
/// compared.
const COMES_AS_FAR_WITHIN: Duration = Duration::from_secs(10);
/// No id lies in this range: only what comes with it is wanted.
const NOBODY: IdRange = IdRange {
    after: Some(Uuid::max()),
    up_to: None,
};

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

struct Comparing<'a, P: Projection> {
    shared: &'a Shared<P>,
    live: &'a OpenGeneration<P>,
    old: Audit<P>,
    new: Audit<P>,
    found: Comparison,
}

/// Compares the whole of two generations, or as far as the first loss.
pub(super) async fn compare<P: Projection>(
    shared: &Shared<P>,
    live: &OpenGeneration<P>,
    next: &OpenGeneration<P>,
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
fn of_the_old<P: Projection>(live: &OpenGeneration<P>, error: ViewError) -> ViewError {
    live.alarm().notice(&error);
    match error {
        ViewError::Damaged { view, .. } => ViewError::Closed { view },
        error => error,
    }
}

async fn audit_of<P: Projection>(shared: &Shared<P>, number: u32) -> Result<Audit<P>, ViewError> {
    let gone = || ViewError::Unavailable {
        view: shared.definition.name,
        source: format!("generation {number} cannot be read in whole").into(),
    };
    ViewStore::audit(&*shared.store, number)
        .await?
        .ok_or_else(gone)
}

impl<P: Projection> Comparing<'_, P> {
    async fn range(&mut self, service: Service, range: IdRange) -> Result<(), ViewError> {
        let reading_old = async {
            let read = self.old.slice(service, range).await;
            read.map_err(|error| of_the_old(self.live, error))
        };
        let (old, new) = tokio::try_join!(reading_old, self.new.slice(service, range))?;

        let mut shown: BTreeMap<Uuid, Stored<P::Entity>> = new
            .entities
            .into_iter()
            .map(|shown| (shown.id, shown))
            .collect();

        for before in old.entities {
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
        before: &Stored<P::Entity>,
        after: Option<&Stored<P::Entity>>,
        positions: &Positions,
    ) -> Result<(), ViewError> {
        let id = before.id;

        if let Some(after) = after {
            self.readable(service, after);
        }

        let (old, new) = (version_of(before), after.map_or(0, version_of));

        if let (Ok(before), Some(Ok(after))) = (&before.entity, after.map(|shown| &shown.entity))
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
    fn readable(&mut self, service: Service, after: &Stored<P::Entity>) {
        if let Err(error) = &after.entity {
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
        let source = source_of(&self.shared.log().sources(), service, entity);
        let event = self
            .shared
            .log()
            .history(source, entity, version, 1)
            .await?;
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
        // Each slice tells of all that are in quarantine.
        let Some(service) = self.shared.definition.uses.first().copied() else {
            return Ok(());
        };

        let new = self.new.slice(service, NOBODY).await?;
        if new.quarantined.is_empty() {
            return Ok(());
        }

        // The old one may be stuck, which is why another one is built.
        let reaches = self.live.reach(&new.positions);
        if let Ok(reached) = tokio::time::timeout(COMES_AS_FAR_WITHIN, reaches).await {
            reached?;
        }

        let old = self.old.slice(service, NOBODY).await;
        let old = old.map_err(|error| of_the_old(self.live, error))?;
        let lacks = |bad: &QuarantinedEntity| {
            let reached = old.positions.get(&bad.source).copied().unwrap_or(0);
            let is_there = |entity: &QuarantinedEntity| entity.entity == bad.entity;
            reached >= bad.sequence && !old.quarantined.iter().any(is_there)
        };
        if let Some(bad) = new.quarantined.iter().find(|bad| lacks(bad)) {
            let (service, id, version) = (bad.source.service, bad.entity, bad.version);
            self.loses(format!(
                "it cannot take in version {version} of {service} {id}: {}",
                bad.cause
            ));
        }

        Ok(())
    }
}

/// The version that a generation shows of an entity; 0 when it cannot be read.
fn version_of<E: ViewEntity>(stored: &Stored<E>) -> u64 {
    stored.entity.as_ref().map_or(0, ViewEntity::version)
}

/// The shard an entity's events are in.
pub(super) fn source_of(sources: &[ShardId], service: Service, entity: Uuid) -> ShardId {
    let shards = sources
        .iter()
        .filter(|source| source.service == service)
        .count();
    ShardId::of(service, entity, u16::try_from(shards).unwrap_or(u16::MAX))
}
