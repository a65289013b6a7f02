//! A view store in memory, for simulations of any services: what befalls it is up to the test.
//!
//! Its view, [`Traces`], shows of each entity what its events have left: the version, and a
//! fingerprint of all events so far. Whatever was skipped, taken twice, or taken out of order shows
//! in it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sagas::{Fingerprint, Service};
use store::snapshot::IdRange;
use store::{Message, Positions};
use uuid::Uuid;

use crate::ViewError;
use crate::port::{QuarantinedEntity, VersionReader};
use crate::projection::{EntityFold, Projection, ViewEntity};
use crate::slices::{Slice, Stored, ViewAudit};

mod kept;
mod writer;

pub use kept::MemoryViews;

/// The view that shows what events leave.
#[derive(Debug)]
pub enum Traces {}

impl Projection for Traces {
    type Reader = Shelf;
    type Entity = Trace;
    type Fold = TraceFold;
}

/// What the events of an entity have left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Whose entity it is.
    pub service: Service,
    /// The entity.
    pub entity: Uuid,
    /// The version of the newest event.
    pub version: u64,
    /// Of all events so far, in their order.
    pub events: Fingerprint,
}

impl ViewEntity for Trace {
    fn version(&self) -> u64 {
        self.version
    }
}

impl Trace {
    /// What is left after one more event.
    ///
    /// # Errors
    /// When it cannot be read.
    fn after(before: Option<&Trace>, event: &Message) -> Result<Trace, String> {
        if event.name == Message::UNREADABLE {
            return Err(format!("version {} cannot be read", event.version));
        }
        let so_far = before.map(|before| before.events);
        let (version, name, body) = (event.version, &event.name, event.body.get());
        let text = format!("{so_far:?}\n{version}\n{name}\n{body}");
        Ok(Trace {
            service: event.source.service,
            entity: event.entity,
            version: event.version,
            events: Fingerprint::of(text.as_bytes()),
        })
    }
}

/// Folds a history into what it leaves.
#[derive(Debug, Default)]
pub struct TraceFold(Option<Trace>);

impl EntityFold for TraceFold {
    type Entity = Trace;

    fn take(&mut self, event: &Message) -> Result<(), String> {
        self.0 = Some(Trace::after(self.0.as_ref(), event)?);
        Ok(())
    }

    fn into_entity(self) -> Option<Trace> {
        self.0
    }
}

/// What befalls the calls of a view store.
pub trait ViewTrouble: fmt::Debug + Send + Sync {
    /// What befalls a call.
    fn call(&self, call: ViewCall) -> ViewFate;

    /// Whether what is written to the generation of this number fails, as where an index or a
    /// collection takes nothing in, and others do.
    fn takes_nothing_in(&self, _generation: u32) -> bool {
        false
    }

    /// How long a call takes of the catalog, of a generation as a whole, or of many entities.
    fn takes(&self) -> Duration;
}

/// A call of a view store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewCall {
    /// Of its catalog, or of a generation as a whole.
    Keeping,
    /// A question of a reader.
    Reading,
    /// Taking an event in.
    Applying,
    /// Committing what was taken in, or reading what is committed.
    Committing,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ViewFate {
    /// As it should.
    #[default]
    Done,
    /// It is refused: the store does not answer.
    Unavailable,
    /// It has had its effect, and nobody hears of it.
    DoneAndUnavailable,
    /// The code of the view panics.
    Panics,
    /// The data are refused, whatever is tried.
    Refused,
}

/// What is committed of one generation.
#[derive(Clone, Debug, Default)]
struct Contents {
    traces: BTreeMap<Uuid, Trace>,
    positions: Positions,
    quarantined: BTreeMap<Uuid, QuarantinedEntity>,
}

/// One generation, to be read.
#[derive(Clone, Debug)]
pub struct Shelf {
    view: &'static str,
    generation: u32,
    contents: Arc<Mutex<Contents>>,
    trouble: Arc<dyn ViewTrouble>,
}

impl Shelf {
    /// What is shown of an entity, and the positions it is shown at.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn shown(&self, entity: Uuid) -> Result<(Option<Trace>, Positions), ViewError> {
        self.answers()?;
        let contents = self.lock();
        let trace = contents.traces.get(&entity).cloned();
        Ok((trace, contents.positions.clone()))
    }

    /// Up to where it shows its sources, for whoever looks from outside.
    #[must_use]
    pub fn positions(&self) -> Positions {
        self.lock().positions.clone()
    }

    /// All that it shows, for whoever looks from outside.
    #[must_use]
    pub fn traces(&self) -> BTreeMap<Uuid, Trace> {
        self.lock().traces.clone()
    }

    fn answers(&self) -> Result<(), ViewError> {
        match self.trouble.call(ViewCall::Reading) {
            ViewFate::Done => Ok(()),
            _ => Err(unavailable(self.view)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        // Nothing panics while it holds the lock.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VersionReader for Shelf {
    fn versions_of<'a>(
        &'a self,
        entities: &'a [(Service, Uuid)],
    ) -> BoxFuture<'a, Result<Vec<u64>, ViewError>> {
        async move {
            self.answers()?;
            let contents = self.lock();
            let version = |id| contents.traces.get(id).map_or(0, ViewEntity::version);
            Ok(entities.iter().map(|(_, id)| version(id)).collect())
        }
        .boxed()
    }
}

impl ViewAudit<Trace> for Shelf {
    fn slice(
        &self,
        service: Service,
        range: IdRange,
    ) -> BoxFuture<'_, Result<Slice<Trace>, ViewError>> {
        let contents = self.lock().clone();
        let is_within =
            move |trace: &Trace| trace.service == service && range.contains(trace.entity);
        let traces = contents.traces.into_values().filter(is_within);

        let slice = Slice {
            entities: traces
                .map(|trace| Stored::once(trace.entity, Ok(trace)))
                .collect(),
            positions: contents.positions,
            quarantined: contents.quarantined.into_values().collect(),
        };
        async {
            tokio::time::sleep(self.trouble.takes()).await;
            Ok(slice)
        }
        .boxed()
    }
}

fn unavailable(view: &'static str) -> ViewError {
    ViewError::Unavailable {
        view,
        source: "no answer".into(),
    }
}
