//! The views of a node: registered, started, fed, asked how they are, rebuilt, and stopped.
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
//! are stored is not known here, nor is what any view shows: each is one of the registered ones
//! ([`Views::add`]).

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, join_all};
use sagas::{ServiceConflict, ShardId};
use store::threads::{OwnThreads, Threads};
use store::{Clock, Destination, Lease, Log};
use uuid::Uuid;

use crate::ViewError;
use crate::entity_rows::EntityRows;
use crate::generations::ViewStore;
use crate::projection::Projection;
use crate::projector::{Surroundings, ViewDefinition};
use crate::token::ConsistencyToken;

mod building;
mod comparison;
mod entity_work;
mod open;
mod shared;
mod showing;
mod status;
mod supervisor;
#[cfg(all(test, feature = "shop"))]
mod tests;
mod view;

pub(crate) use shared::Parts;

pub use open::OpenGeneration;
pub use status::{BuildProgress, BuildStage, ViewState, ViewStatus};
pub use view::{AnyView, Awaited, Reverted, View};

/// Measuring the lag reads rows of the log.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Reads all files of an index once, on a background thread.
const EXAMINE_EVERY: Duration = Duration::from_secs(3_600);

/// What the views of a node have in common.
#[derive(Clone, Copy, Debug)]
pub struct ViewsConfig {
    /// How long the generation that has answered before is kept and fed.
    pub keep: Duration,
    /// The deployment whose views these are. Views of another one are not touched in a store that
    /// both may use, and replaced in a folder of the node's own.
    pub deployment: Uuid,
    /// The deployment that began its history: its consistency tokens are read, and given out.
    pub origin: Uuid,
}

/// A view with all it needs to be fed and rebuilt.
pub struct Registration<P: Projection> {
    /// Its name, what it follows, and when it commits.
    pub definition: ViewDefinition,
    /// Where its generations are.
    pub store: Arc<dyn ViewStore<P>>,
    /// What a generation may be built from instead of the history.
    pub rows: Arc<dyn EntityRows<P::Entity>>,
}

/// Why a view is not registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// Metrics, errors and operators would take the one for the other.
    #[error("there is a view {0} already")]
    NameTaken(&'static str),
    /// It follows a service that has the name or the number of another.
    #[error(transparent)]
    Service(#[from] ServiceConflict),
}

/// All views of a node.
pub struct Views {
    config: ViewsConfig,
    surroundings: Surroundings,
    /// Held by the one node that feeds the views which several share.
    lease: Lease,
    /// Resolves when the log knows its heads.
    known: Shared<BoxFuture<'static, ()>>,
    views: Vec<Arc<dyn AnyView>>,
}

impl Views {
    /// For views on a log that knows its heads. Call it inside the runtime that drives the log.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn new(config: ViewsConfig, log: Arc<dyn Log>) -> Self {
        Self::when(std::future::ready(()), config, log)
    }

    /// The same for a log that will know its heads when `known` resolves: until then the views do
    /// nothing and answer that they are not ready.
    ///
    /// # Panics
    /// As [`new`](Views::new).
    #[must_use]
    pub fn when(
        known: impl Future<Output = ()> + Send + 'static,
        config: ViewsConfig,
        log: Arc<dyn Log>,
    ) -> Self {
        let threads = Arc::new(OwnThreads::here());
        Self::run_by(threads, Clock::system(), known, config, log)
    }

    /// The same, fed by threads of these and with the time of this clock.
    #[must_use]
    pub fn run_by(
        threads: Arc<dyn Threads>,
        clock: Clock,
        known: impl Future<Output = ()> + Send + 'static,
        config: ViewsConfig,
        log: Arc<dyn Log>,
    ) -> Self {
        Views {
            config,
            surroundings: Surroundings {
                log,
                threads,
                clock,
            },
            lease: Lease::for_ever(),
            known: known.boxed().shared(),
            views: Vec::new(),
        }
    }

    /// Views in stores that several nodes share are fed by whoever holds this lease, and followed
    /// by the others. It counts for those that are added afterwards.
    #[must_use]
    pub fn led_by(self, lease: Lease) -> Self {
        Views { lease, ..self }
    }

    /// Registers a view and starts it, whether its store answers or not. The services that it
    /// follows are registered with it. Call it inside the runtime that drives the log.
    ///
    /// # Errors
    /// When another view has its name, or another service the name or number of one it follows.
    pub fn add<P: Projection>(
        &mut self,
        registration: Registration<P>,
    ) -> Result<Arc<View<P>>, RegistrationError> {
        let Registration {
            definition,
            store,
            rows,
        } = registration;

        if self.named(definition.name).is_some() {
            return Err(RegistrationError::NameTaken(definition.name));
        }
        for service in definition.uses {
            service.register()?;
        }

        let lease = match store.is_shared() {
            true => self.lease.clone(),
            false => Lease::for_ever(),
        };
        let parts = Parts {
            definition,
            store,
            lease,
            surroundings: self.surroundings.clone(),
            rows,
            keep: self.config.keep,
            look_every: LOOK_EVERY,
            examine_every: EXAMINE_EVERY,
            deployment: self.config.deployment,
        };

        let view = Arc::new(View::start(parts, self.known.clone()));
        self.views.push(view.clone());
        Ok(view)
    }

    /// All views.
    pub fn all(&self) -> impl Iterator<Item = &dyn AnyView> {
        self.views.iter().map(|view| &**view)
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

    /// Waits until each view answers, or can say why it does not, at most `wait`: to build a first
    /// generation may take hours.
    pub async fn settled(&self, wait: Duration) {
        // A view that has not settled answers that it is not ready.
        let _ = tokio::time::timeout(wait, join_all(self.all().map(AnyView::settled))).await;
    }

    /// The text of a token for an answer, at most [`MAX_TEXT`](crate::token::MAX_TEXT) bytes.
    #[must_use]
    pub fn token_text(&self, token: &ConsistencyToken) -> String {
        let shards = |service| {
            let sources = self.surroundings.log.sources();
            let of_service = sources.iter().filter(|source| source.service == service);
            u16::try_from(of_service.count()).unwrap_or(u16::MAX)
        };
        let head = |shard: ShardId| self.surroundings.log.head(shard, Destination::Events);
        token.to_bounded_text(self.config.origin, shards, head)
    }

    /// Reads the tokens that callers send, as [`ConsistencyToken::parse`].
    ///
    /// # Errors
    /// A text that is no token of this deployment, or of the one that it was restored from.
    pub fn read_token(&self, text: &str) -> Result<ConsistencyToken, ViewError> {
        ConsistencyToken::parse(text, self.config.origin)
    }

    /// Commits what was applied and stops feeding all views. The readers answer still.
    pub async fn stop(&self) {
        join_all(self.all().map(AnyView::stop)).await;
    }
}
