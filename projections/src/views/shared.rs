//! What the supervisor of a view writes and everyone else reads: the generations that are open, and
//! which one answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use store::{Destination, Log, Positions};
use tokio::sync::watch;

use super::entity_work::EntityWork;
use super::open::OpenGeneration;
use crate::ViewError;
use crate::generations::{Catalog, ViewStore};
use crate::metrics::ViewGauges;
use crate::projector::ViewDefinition;
use crate::rows::EntityRows;

/// How a view stands at this moment.
pub(super) struct Stand<R: ?Sized> {
    /// As it was read or saved last; `None` before it was read.
    pub catalog: Option<Catalog>,
    /// By number. Each is fed.
    pub open: BTreeMap<u32, Arc<OpenGeneration<R>>>,
    /// The one that answers; one of those that are open.
    pub live: Option<Arc<OpenGeneration<R>>>,
    /// While rows are copied, or generations compared.
    pub entity_work: Option<Arc<EntityWork>>,
    /// Why the store cannot be asked for its generations; it is tried again.
    pub failure: Option<String>,
    /// The generation whose building has ended without success, and why.
    pub stopped: Option<(u32, String)>,
}

/// The parts of a view, and its stand.
pub(super) struct Shared<R: ?Sized> {
    pub definition: ViewDefinition,
    pub store: Arc<dyn ViewStore<R>>,
    pub log: Arc<dyn Log>,
    pub rows: Arc<dyn EntityRows>,
    /// How long the generation that has answered before is kept.
    pub keep: Duration,
    pub gauges: ViewGauges,
    stopping: AtomicBool,
    stand: watch::Sender<Stand<R>>,
}

impl<R: ?Sized> Shared<R> {
    pub(super) fn new(
        definition: ViewDefinition,
        store: Arc<dyn ViewStore<R>>,
        log: Arc<dyn Log>,
        rows: Arc<dyn EntityRows>,
        keep: Duration,
    ) -> Self {
        let open = BTreeMap::new();

        let stand = Stand {
            catalog: None,
            open,
            live: None,
            entity_work: None,
            failure: None,
            stopped: None,
        };

        Shared {
            definition,
            store,
            log,
            rows,
            keep,
            gauges: ViewGauges::new(definition.name),
            stopping: AtomicBool::new(false),
            stand: watch::Sender::new(stand),
        }
    }

    /// Looks at the stand. It is locked meanwhile.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Stand<R>) -> T) -> T {
        look(&self.stand.borrow())
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Stand<R>)) {
        self.stand.send_modify(change);
    }

    /// Waits until the stand is as wished.
    pub(super) async fn until(&self, wish: impl FnMut(&Stand<R>) -> bool) {
        // The sender lives as long as this does.
        let _ = self.stand.subscribe().wait_for(wish).await;
    }

    /// The generation that answers.
    pub(super) fn current(&self) -> Result<Arc<OpenGeneration<R>>, ViewError> {
        let view = self.definition.name;
        self.look(|stand| match (&stand.live, &stand.failure) {
            (Some(live), _) => Ok(Arc::clone(live)),
            (None, Some(failure)) => Err(ViewError::Unavailable {
                view,
                source: failure.clone().into(),
            }),
            (None, None) => Err(ViewError::NotReady { view }),
        })
    }

    /// An open generation.
    pub(super) fn generation(&self, number: u32) -> Result<Arc<OpenGeneration<R>>, ViewError> {
        let closed = ViewError::Closed {
            view: self.definition.name,
        };
        self.look(|stand| stand.open.get(&number).cloned())
            .ok_or(closed)
    }

    /// Makes another generation the one that answers, if it has committed all that the present one
    /// has; so that no reader goes back.
    pub(super) fn swap_if_level(&self, next: &Arc<OpenGeneration<R>>) -> bool {
        self.stand.send_if_modified(|stand| {
            let level = stand
                .live
                .as_ref()
                .is_none_or(|live| next.is_level_with(live));
            if level {
                stand.live = Some(Arc::clone(next));
            }
            level
        })
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Long work ends when the node does.
    pub(super) fn go_on(&self) -> Result<(), ViewError> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(ViewError::Closed {
                view: self.definition.name,
            });
        }
        Ok(())
    }

    /// Up to where the log goes now.
    pub(super) fn heads(&self) -> Positions {
        let head = |source| (source, self.log.head(source, Destination::Events));
        self.log.sources().into_iter().map(head).collect()
    }
}
