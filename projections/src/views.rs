//! The views of a node: started, fed, asked how they are, rebuilt, and stopped.
//!
//! ```text
//! View ── supervisor ── catalog of the ViewStore
//!  │          │ opens, builds, swaps, lets go
//!  │      OpenGeneration 1 ── projector, waiter table, reader    (kept, to go back to)
//!  └────► OpenGeneration 2 ── projector, waiter table, reader    (answers)
//!         OpenGeneration 3 ── projector, waiter table, reader    (is built)
//! ```
//!
//! A query takes the generation that answers ([`View::current`]), waits on it with its caller's
//! token, and reads from its reader. What happens to generations is the `supervisor`'s; where they
//! are stored is not known here.

use std::sync::Arc;
use std::time::Duration;

use domain::ShardId;
use futures_util::FutureExt;
use futures_util::future::join_all;
use store::{Destination, Log};
use uuid::Uuid;

use crate::documents::{self, DocumentReader};
use crate::generations::ViewStore;
use crate::projector::{CommitPolicy, Rush, ViewDefinition};
use crate::rows::EntityRows;
use crate::search::{self, SearchReader};
use crate::token::ConsistencyToken;

mod building;
mod comparison;
mod entity_work;
mod open;
mod shared;
mod showing;
mod status;
mod supervisor;
mod view;

#[cfg(test)]
mod tests;

pub(crate) use shared::Parts;

pub use open::OpenGeneration;
pub use status::{BuildProgress, BuildStage, ViewState, ViewStatus};
pub use view::{AnyView, Reverted, View};

/// Documents are cheap to commit: what gathers is there so that `PENDING` and `APPROVED` of one
/// order become one write.
pub(crate) const DOCUMENTS: ViewDefinition = ViewDefinition {
    name: documents::VIEW,
    number: documents::DEFINITION,
    uses: documents::USES,
    commit: CommitPolicy {
        linger: Duration::from_millis(50),
        rush: Some(Rush {
            events: 1_200,
            linger: Duration::from_millis(250),
        }),
        max_events: 10_000,
    },
};

/// A commit of the index costs tens of milliseconds, whatever is in it; a reader that waits asks
/// for one at once.
pub(crate) const SEARCH: ViewDefinition = ViewDefinition {
    name: search::VIEW,
    number: search::DEFINITION,
    uses: search::USES,
    commit: CommitPolicy {
        linger: Duration::from_secs(1),
        rush: None,
        max_events: 50_000,
    },
};

/// Measuring the lag reads rows of the log.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Reads all files of an index once, on a background thread.
const EXAMINE_EVERY: Duration = Duration::from_secs(3_600);

/// Where the generations of each view are.
#[derive(Clone, Debug)]
pub struct ViewStores {
    pub documents: Arc<dyn ViewStore<dyn DocumentReader>>,
    pub search: Arc<dyn ViewStore<dyn SearchReader>>,
}

/// What the views of a node are made of.
#[derive(Clone, Debug)]
pub struct ViewsConfig {
    pub stores: ViewStores,
    /// What a generation may be built from instead of the history.
    pub rows: Arc<dyn EntityRows>,
    /// How long the generation that has answered before is kept and fed.
    pub keep: Duration,
    /// The deployment whose views these are. Views of another one are not touched in a store that
    /// both may use, and replaced in a folder of the node's own.
    pub deployment: Uuid,
}

/// All views of a node.
pub struct Views {
    log: Arc<dyn Log>,
    documents: View<dyn DocumentReader>,
    search: View<dyn SearchReader>,
}

impl Views {
    /// Starts the views on a log that knows its heads, whether their stores answer or not. Call it
    /// inside the runtime that drives the log.
    #[must_use]
    pub fn start(config: ViewsConfig, log: Arc<dyn Log>) -> Self {
        Self::start_when(std::future::ready(()), config, log)
    }

    /// The same for a log that will know its heads when `known` resolves: until then the views do
    /// nothing and answer that they are not ready.
    #[must_use]
    pub fn start_when(
        known: impl Future<Output = ()> + Send + 'static,
        config: ViewsConfig,
        log: Arc<dyn Log>,
    ) -> Self {
        let ViewsConfig {
            stores,
            rows,
            keep,
            deployment,
        } = config;
        let known = known.boxed().shared();

        let documents = Parts {
            definition: DOCUMENTS,
            store: stores.documents,
            log: Arc::clone(&log),
            rows: Arc::clone(&rows),
            keep,
            look_every: LOOK_EVERY,
            examine_every: EXAMINE_EVERY,
            deployment,
        };
        let documents = View::start(documents, known.clone());

        let search = Parts {
            definition: SEARCH,
            store: stores.search,
            log: Arc::clone(&log),
            rows,
            keep,
            look_every: LOOK_EVERY,
            examine_every: EXAMINE_EVERY,
            deployment,
        };
        let search = View::start(search, known);

        Views {
            log,
            documents,
            search,
        }
    }

    #[must_use]
    pub fn documents(&self) -> &View<dyn DocumentReader> {
        &self.documents
    }

    #[must_use]
    pub fn search(&self) -> &View<dyn SearchReader> {
        &self.search
    }

    /// All views.
    pub fn all(&self) -> impl Iterator<Item = &dyn AnyView> {
        let (documents, search): (&dyn AnyView, &dyn AnyView) = (&self.documents, &self.search);
        [documents, search].into_iter()
    }

    /// The view of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&dyn AnyView> {
        self.all().find(|view| view.name() == name)
    }

    /// How all views are.
    pub async fn status(&self) -> Vec<ViewStatus> {
        join_all(self.all().map(AnyView::status)).await
    }

    /// Waits until each view answers or it is known why it does not, at most so long: the building
    /// of a first generation may take hours.
    pub async fn settled(&self, wait: Duration) {
        // Whoever asks a view that has not settled is told that it is not ready.
        let _ = tokio::time::timeout(wait, join_all(self.all().map(AnyView::settled))).await;
    }

    /// The text of a token for an answer, at most [`MAX_TEXT`](crate::token::MAX_TEXT) bytes.
    #[must_use]
    pub fn token_text(&self, token: ConsistencyToken) -> String {
        let sources = self.log.sources();
        let shards = |service| {
            sources
                .iter()
                .filter(|source| source.service == service)
                .count()
        };
        let shards = |service| u16::try_from(shards(service)).unwrap_or(u16::MAX);
        let head = |shard: ShardId| self.log.head(shard, Destination::Events);
        token.bounded(shards, head).to_text()
    }

    /// Commits what was applied and stops feeding all views. The readers answer still.
    pub async fn stop(&self) {
        join_all(self.all().map(AnyView::stop)).await;
    }
}
