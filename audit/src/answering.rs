//! The generation of a view that answers, read while a node may replace it.
//!
//! A node that swaps, reverts, rebuilds or heals a view deletes generations, the one that is being
//! read included, and there is no moment at which a reader could know. So whatever cannot be read
//! is looked for again by the catalog, as long as a node may be at work on it.

use std::sync::Arc;
use std::time::Duration;

use domain::Service;
use projections::generations::ViewStore;
use projections::slices::{Slice, ViewAudit};
use projections::{Projection, ViewError};
use store::snapshot::IdRange;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::patience::patiently;

/// Looked again after this time.
const PAUSE: Duration = Duration::from_millis(200);

type Audited<P> = Arc<dyn ViewAudit<<P as Projection>::Entity>>;

/// Why there is no generation to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absence {
    NotBuilt,
    /// The catalog says that this generation answers, but its store is missing.
    Gone(u32),
    /// The generation was built by another release, and its store cannot be read by this one.
    Outdated,
}

/// A view, by the generation of it that answers.
pub(super) struct Answering<P: Projection> {
    store: Arc<dyn ViewStore<P>>,
    definition: u32,
    /// How long it is looked for again; zero when nobody is at work on the view.
    patience: Duration,
    opened: Mutex<Audited<P>>,
}

impl<P: Projection> Answering<P> {
    /// Opens the generation that answers.
    pub(super) async fn open(
        store: Arc<dyn ViewStore<P>>,
        definition: u32,
        patience: Duration,
    ) -> Result<Result<Self, Absence>, ViewError> {
        let last_try = Instant::now() + patience;

        let found = loop {
            let found = newest(&*store, definition).await;
            let may_pass = match &found {
                Err(error) => may_pass(&*store, error),
                Ok(found) => matches!(found, Err(Absence::Gone(_))),
            };
            if !may_pass || Instant::now() >= last_try {
                break found?;
            }
            sleep(PAUSE).await;
        };

        Ok(found.map(|view| Answering {
            store,
            definition,
            patience,
            opened: Mutex::new(view),
        }))
    }

    /// What the generation shows of a range of ids: the one that is open, or the one that answers
    /// once that cannot be read any more. Each slice comes with the positions of its own.
    pub(super) async fn slice(
        &self,
        service: Service,
        range: IdRange,
    ) -> Result<Slice<P::Entity>, ViewError> {
        let last_try = Instant::now() + self.patience;

        loop {
            let view = Arc::clone(&*self.opened.lock().await);
            let error = match patiently(|| view.slice(service, range)).await {
                Ok(slice) => return Ok(slice),
                Err(error) => error,
            };
            if !may_pass(&*self.store, &error) || Instant::now() >= last_try {
                return Err(error);
            }

            sleep(PAUSE).await;
            if let Ok(Ok(view)) = newest(&*self.store, self.definition).await {
                *self.opened.lock().await = view;
            }
        }
    }
}

/// Whether another generation may be read where this one cannot. A server that does not answer has
/// been waited for.
fn may_pass<P: Projection>(store: &dyn ViewStore<P>, error: &ViewError) -> bool {
    !(store.is_shared() && error.is_transient())
}

/// Opens the generation that answers by the catalog.
async fn newest<P: Projection>(
    store: &dyn ViewStore<P>,
    definition: u32,
) -> Result<Result<Audited<P>, Absence>, ViewError> {
    let mut catalog = patiently(|| store.catalog()).await?;
    loop {
        let Some(number) = catalog.live else {
            return Ok(Err(Absence::NotBuilt));
        };

        if let Some(view) = patiently(|| store.audit(number)).await? {
            return Ok(Ok(Arc::from(view)));
        }

        let newest = patiently(|| store.catalog()).await?;
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
