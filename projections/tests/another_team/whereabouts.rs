//! The view: where each parcel is, in memory. It is all that its team has to write.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use projections::generations::{Audit, Catalog, Found, Opened, ViewStore};
use projections::projector::{CommitPolicy, ViewDefinition};
use projections::slices::{Slice, Stored, ViewAudit};
use projections::{
    Applied, EntityFold, Projection, QuarantinedEntity, VersionReader, ViewEntity, ViewError,
    ViewWriter,
};
use sagas::Service;
use store::snapshot::IdRange;
use store::{Message, Positions};
use uuid::Uuid;

/// What the view follows.
pub const PARCELS: Service = Service::new(221, "parcels");
/// What it does not.
pub const LETTERS: Service = Service::new(222, "letters");

const VIEW: &str = "whereabouts";

pub const DEFINITION: ViewDefinition = ViewDefinition {
    name: VIEW,
    number: 1,
    uses: &[PARCELS],
    commit: CommitPolicy {
        linger: Duration::from_millis(5),
        rush: None,
        max_events: 100,
    },
};

/// Where each parcel is.
pub enum Whereabouts {}

impl Projection for Whereabouts {
    type Reader = Shelf;
    type Entity = Parcel;
    type Fold = ParcelFold;
}

#[derive(Clone, Debug, PartialEq)]
pub struct Parcel {
    id: Uuid,
    place: String,
    version: u64,
}

impl ViewEntity for Parcel {
    fn version(&self) -> u64 {
        self.version
    }
}

/// The parcel after one more event, and whether the event's type is known; an error in words when
/// it cannot be the next.
fn next(before: Option<&Parcel>, event: &Message) -> Result<(Parcel, bool), String> {
    let (id, version) = (event.entity, event.version);
    let place = || serde_json::from_str(event.body.get()).map_err(|error| error.to_string());

    Ok(match (before, &*event.name) {
        (None, "parcel.posted") | (Some(_), "parcel.brought") => {
            let place = place()?;
            (Parcel { id, place, version }, true)
        }
        (Some(_), "parcel.posted") | (None, _) => return Err("out of place".to_owned()),
        (Some(before), _) => {
            let parcel = before.clone();
            (Parcel { version, ..parcel }, false)
        }
    })
}

#[derive(Default)]
pub struct ParcelFold(Option<Parcel>);

impl EntityFold for ParcelFold {
    type Entity = Parcel;

    fn take(&mut self, event: &Message) -> Result<(), String> {
        self.0 = Some(next(self.0.as_ref(), event)?.0);
        Ok(())
    }

    fn into_entity(self) -> Option<Parcel> {
        self.0
    }
}

/// What is committed of one generation.
#[derive(Clone, Debug, Default)]
struct Contents {
    parcels: HashMap<Uuid, Parcel>,
    positions: Positions,
    quarantined: BTreeMap<Uuid, QuarantinedEntity>,
}

/// One generation, to be read.
#[derive(Clone, Debug, Default)]
pub struct Shelf(Arc<Mutex<Contents>>);

impl Shelf {
    pub fn place(&self, parcel: Uuid) -> Option<String> {
        Some(self.lock().parcels.get(&parcel)?.place.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VersionReader for Shelf {
    fn versions_of<'a>(
        &'a self,
        entities: &'a [(Service, Uuid)],
    ) -> BoxFuture<'a, Result<Vec<u64>, ViewError>> {
        let contents = self.lock();
        let version = |id| contents.parcels.get(id).map_or(0, ViewEntity::version);
        let versions = entities.iter().map(|(_, id)| version(id)).collect();
        async { Ok(versions) }.boxed()
    }
}

impl ViewAudit<Parcel> for Shelf {
    fn slice(&self, _: Service, range: IdRange) -> BoxFuture<'_, Result<Slice<Parcel>, ViewError>> {
        let contents = self.lock().clone();
        let parcels = contents.parcels.into_iter();
        let parcels = parcels.filter(|(id, _)| range.contains(*id));

        let slice = Slice {
            entities: parcels
                .map(|(id, parcel)| Stored::once(id, Ok(parcel)))
                .collect(),
            positions: contents.positions,
            quarantined: contents.quarantined.into_values().collect(),
        };
        async { Ok(slice) }.boxed()
    }
}

/// One generation, to be written: what is applied and goes to the shelf with the next commit.
#[derive(Default)]
struct Filling {
    shelf: Shelf,
    changed: HashMap<Uuid, Parcel>,
    quarantined: BTreeMap<Uuid, QuarantinedEntity>,
}

impl Filling {
    fn newest(&self, parcel: Uuid) -> Option<Parcel> {
        let changed = self.changed.get(&parcel).cloned();
        changed.or_else(|| self.shelf.lock().parcels.get(&parcel).cloned())
    }
}

impl ViewWriter<Parcel> for Filling {
    fn positions(&mut self) -> Result<Positions, ViewError> {
        let committed = self.shelf.lock().clone();
        self.changed.clear();
        self.quarantined = committed.quarantined;
        Ok(committed.positions)
    }

    fn apply(&mut self, event: &Message) -> Result<Applied, ViewError> {
        let before = self.newest(event.entity);
        let reached = before.as_ref().map_or(0, ViewEntity::version);
        if event.version <= reached {
            return Ok(Applied::Duplicate);
        }
        if event.version > reached + 1 {
            let from_version = reached + 1;
            return Ok(Applied::Missing { from_version });
        }

        let refused = |what| ViewError::Refused { view: VIEW, what };
        let (parcel, is_known) = next(before.as_ref(), event).map_err(refused)?;
        self.changed.insert(event.entity, parcel);
        Ok(if is_known {
            Applied::Taken
        } else {
            Applied::Unknown
        })
    }

    fn put(&mut self, parcel: &Parcel) -> Result<(), ViewError> {
        self.changed.insert(parcel.id, parcel.clone());
        Ok(())
    }

    fn commit(&mut self, positions: &Positions) -> Result<(), ViewError> {
        let mut shelf = self.shelf.lock();
        shelf.parcels.extend(self.changed.drain());
        shelf.positions.clone_from(positions);
        shelf.quarantined.clone_from(&self.quarantined);
        Ok(())
    }

    fn quarantined(&mut self, limit: usize) -> Result<Vec<QuarantinedEntity>, ViewError> {
        Ok(self.quarantined.values().take(limit).cloned().collect())
    }

    fn quarantine(&mut self, in_quarantine: &QuarantinedEntity) -> Result<(), ViewError> {
        self.quarantined
            .insert(in_quarantine.entity, in_quarantine.clone());
        Ok(())
    }

    fn release(&mut self, _: Service, parcel: Uuid) -> Result<(), ViewError> {
        self.quarantined.remove(&parcel);
        Ok(())
    }
}

/// All generations.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    catalog: Arc<Mutex<Catalog>>,
    shelves: Arc<Mutex<BTreeMap<u32, Shelf>>>,
}

impl MemoryStore {
    /// Shows a parcel where it is not.
    pub fn misplace(&self, generation: u32, parcel: Uuid) {
        let shelf = self.shelves()[&generation].clone();
        if let Some(parcel) = shelf.lock().parcels.get_mut(&parcel) {
            parcel.place = "nowhere".to_owned();
        }
    }

    /// The generations that exist.
    pub fn numbers(&self) -> Vec<u32> {
        self.shelves().keys().copied().collect()
    }

    fn shelves(&self) -> MutexGuard<'_, BTreeMap<u32, Shelf>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ViewStore<Whereabouts> for MemoryStore {
    fn backend(&self) -> &'static str {
        "memory"
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn catalog(&self) -> BoxFuture<'_, Result<Catalog, ViewError>> {
        let catalog = MemoryStore::catalog(self).clone();
        async { Ok(catalog) }.boxed()
    }

    fn save<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), ViewError>> {
        MemoryStore::catalog(self).clone_from(catalog);
        async { Ok(()) }.boxed()
    }

    fn generations(&self) -> BoxFuture<'_, Result<Vec<Found>, ViewError>> {
        let found = |number| Found {
            number,
            deployment: None,
        };
        let found = self.numbers().into_iter().map(found).collect();
        async { Ok(found) }.boxed()
    }

    fn open(
        &self,
        generation: u32,
        _: Uuid,
    ) -> BoxFuture<'_, Result<Opened<Whereabouts>, ViewError>> {
        let shelf = self.shelves().entry(generation).or_default().clone();
        let opened = Opened {
            writer: Box::new(Filling {
                shelf: shelf.clone(),
                ..Filling::default()
            }),
            reader: Arc::new(shelf.clone()),
            versions: Arc::new(shelf),
        };
        async { Ok(opened) }.boxed()
    }

    fn check(&self, generation: u32, _: Uuid) -> BoxFuture<'_, Result<(), ViewError>> {
        let is_there = self.shelves().contains_key(&generation);
        async move {
            is_there.then_some(()).ok_or(ViewError::Damaged {
                view: VIEW,
                what: format!("generation {generation} is gone"),
            })
        }
        .boxed()
    }

    fn audit(
        &self,
        generation: u32,
    ) -> BoxFuture<'_, Result<Option<Audit<Whereabouts>>, ViewError>> {
        let shelf = self.shelves().get(&generation).cloned();
        async { Ok(shelf.map(|shelf| -> Audit<Whereabouts> { Box::new(shelf) })) }.boxed()
    }

    fn discard(&self, generation: u32, _: Uuid) -> BoxFuture<'_, Result<(), ViewError>> {
        self.shelves().remove(&generation);
        async { Ok(()) }.boxed()
    }
}
