//! A view as the rest of the node holds it: the generation that answers, and what can be asked of
//! the view as a whole.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sagas::ShardId;
use store::threads::Task;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

use super::comparison::source_of;
use super::open::OpenGeneration;
use super::shared::{Parts, Shared, Stand};
use super::status::{ViewState, ViewStatus};
use super::supervisor::{Request, Reverting, Supervisor};
use crate::ViewError;
use crate::generations::{Binding, BuildFrom};
use crate::port::QuarantinedEntity;
use crate::projection::Projection;
use crate::token::ConsistencyToken;

/// Requests that wait for the supervisor; each caller waits for its answer.
const REQUESTS: usize = 16;

/// One view, as it runs on a node.
pub struct View<P: Projection> {
    shared: Arc<Shared<P>>,
    /// Taken out by whoever stops it: without senders the supervisor ends.
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    supervisor: Mutex<Option<Task<()>>>,
}

impl<P: Projection> View<P> {
    /// Starts a view when `known` resolves, whether its store answers or not. Call it inside the
    /// runtime that drives the log.
    pub(crate) fn start(parts: Parts<P>, known: impl Future<Output = ()> + Send + 'static) -> Self {
        let (shared, alarms) = Shared::new(parts);
        let shared = Arc::new(shared);
        let (requests, inbox) = mpsc::channel(REQUESTS);
        let supervisor = Supervisor::new(Arc::clone(&shared), inbox, alarms);
        let supervisor = Task::start(shared.threads(), supervisor.run(known));

        View {
            shared,
            requests: Mutex::new(Some(requests)),
            supervisor: Mutex::new(Some(supervisor)),
        }
    }

    /// The generation that answers.
    ///
    /// # Errors
    /// [`ViewError::NotReady`] while the first one is built, [`ViewError::Damaged`] while one is
    /// built in the place of one that was, [`ViewError::Unavailable`] when the store did not answer
    /// at the start.
    pub fn current(&self) -> Result<Arc<OpenGeneration<P>>, ViewError> {
        self.shared.current()
    }

    /// Whether this generation answers no more: a reader that fails on it asks the one that has
    /// replaced it. Waits, at most until then, for what takes the place of one that is damaged.
    pub async fn is_given_up(&self, generation: &Arc<OpenGeneration<P>>, until: Instant) -> bool {
        if generation.alarm().is_damaged() {
            let replaced = self.shared.replaced(generation.number());
            // When the time is over, it is what it is.
            let _ = tokio::time::timeout_at(until, replaced).await;
        }

        let current = self.current();
        !current.is_ok_and(|current| Arc::ptr_eq(&current, generation))
    }

    /// Takes the generation that answers and waits, at most `timeout`, until it has reached all
    /// that the token names. When it is given up meanwhile, waits on for the one that has replaced
    /// it.
    ///
    /// # Errors
    /// As [`current`](View::current). What became of the waiting stands in [`Awaited`].
    pub async fn await_token(
        &self,
        token: &ConsistencyToken,
        timeout: Duration,
    ) -> Result<Awaited<P>, ViewError> {
        let until = Instant::now() + timeout;

        loop {
            let generation = self.current()?;
            let left = until.saturating_duration_since(Instant::now());
            let outcome = generation.wait_until(token, left).await;

            // A second rebuild soon after a swap ends the waiting on the generation before; that
            // one may also be full, fail, or be damaged. The caller hears nothing of it.
            if outcome.is_err() && self.is_given_up(&generation, until).await {
                continue;
            }
            return Ok(Awaited {
                generation,
                outcome,
            });
        }
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, ViewError>>) -> Request,
    ) -> Result<T, ViewError> {
        let closed = || ViewError::Closed {
            view: self.shared.definition.name,
        };

        let requests = self
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or_else(closed)?;

        let (answer, outcome) = oneshot::channel();
        requests.send(request(answer)).await.map_err(|_| closed())?;
        drop(requests);

        outcome.await.map_err(|_| closed())?
    }

    async fn heal_in_all(&self, entity: Uuid) -> Result<Option<u64>, ViewError> {
        let Some(source) = self.source_of(entity).await? else {
            return Ok(None);
        };

        let live = self.current()?;
        let version = live.heal(source, entity).await?;

        let others: Vec<_> = self
            .shared
            .look(|stand| stand.open.values().cloned().collect());

        for generation in others
            .iter()
            .filter(|generation| generation.number() != live.number())
        {
            if let Err(error) = generation.heal(source, entity).await {
                let (view, number) = (self.shared.definition.name, generation.number());
                tracing::warn!(view, entity = %entity, generation = number, error = %error, "not healed beside the answering one");
            }
        }

        Ok(Some(version).filter(|version| *version > 0))
    }

    /// The shard that has an entity's history, if one that the view uses has it.
    async fn source_of(&self, entity: Uuid) -> Result<Option<ShardId>, ViewError> {
        let sources = self.shared.log().sources();

        for service in self.shared.definition.uses {
            let source = source_of(&sources, *service, entity);
            if !self
                .shared
                .log()
                .history(source, entity, 1, 1)
                .await?
                .is_empty()
            {
                return Ok(Some(source));
            }
        }

        Ok(None)
    }

    /// Waits until the view answers, or can say why it does not. Does not wait for a first
    /// generation to be built.
    async fn settle(&self) {
        self.shared
            .until(|stand| stand.live.is_some() || stand.failure.is_some())
            .await;
    }

    async fn end(&self) {
        drop(
            self.requests
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );

        let supervisor = self
            .supervisor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(supervisor) = supervisor
            && supervisor.await.is_err()
        {
            tracing::error!(
                view = self.shared.definition.name,
                "the supervisor of the view has panicked"
            );
        }
    }
}

/// The generation to read from, after waiting for it.
pub struct Awaited<P: Projection> {
    /// The one that answers.
    pub generation: Arc<OpenGeneration<P>>,
    /// Whether it has reached the token; as [`OpenGeneration::wait_until`].
    pub outcome: Result<(), ViewError>,
}

/// A rebuild or a way back that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reverted {
    /// The generation that is to answer.
    pub generation: u32,
    /// Whether it answers already.
    pub done: bool,
}

/// Any view, whatever it answers: what operators see and do.
pub trait AnyView: Send + Sync {
    /// As it is named in `GET /views`.
    fn name(&self) -> &'static str;

    /// Cheap: for every request.
    fn state(&self) -> ViewState;

    /// What is wrong with the view, in words, when it does not answer or does not follow the log.
    /// Cheap: for every request.
    fn trouble(&self) -> Option<String>;

    /// Measuring the lag reads some rows of the log.
    fn status(&self) -> BoxFuture<'_, ViewStatus>;

    /// The entities it takes in no longer, because one of their events cannot be applied.
    fn quarantined(&self) -> Vec<QuarantinedEntity>;

    /// Waits until the view answers, or can say why it does not.
    fn settled(&self) -> BoxFuture<'_, ()>;

    /// Waits until the answering generation has reached all that the token names.
    ///
    /// # Errors
    /// As [`View::current`] and [`OpenGeneration::wait_until`].
    fn wait_until<'a>(
        &'a self,
        token: &'a ConsistencyToken,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<(), ViewError>>;

    /// Begins a new generation, which answers when it has reached what the present one has, and
    /// gives its number. When the same was asked for with the same key before, nothing is begun and
    /// the number of then is given.
    ///
    /// # Errors
    /// [`ViewError::Conflict`] while another is built and gets on, [`ViewError::KeyReused`] when
    /// the key was used for something else, [`ViewError::Unavailable`] when the store does not
    /// answer, [`ViewError::Foreign`] when it is another deployment's.
    fn rebuild(
        &self,
        from: BuildFrom,
        by: Option<Binding>,
    ) -> BoxFuture<'_, Result<u32, ViewError>>;

    /// Goes back to the generation that has answered before, and waits for it at most `wait`.
    /// Treats keys as [`rebuild`](AnyView::rebuild) does.
    ///
    /// # Errors
    /// [`ViewError::Conflict`] when none is kept.
    fn revert(
        &self,
        wait: Duration,
        by: Option<Binding>,
    ) -> BoxFuture<'_, Result<Reverted, ViewError>>;

    /// Puts an entity as its history has it in the place of what the view shows, in all
    /// generations, and gives its version; `None` when no service that the view uses has such an
    /// entity.
    ///
    /// # Errors
    /// [`ViewError::Conflict`] when its history cannot be folded.
    fn heal(&self, entity: Uuid) -> BoxFuture<'_, Result<Option<u64>, ViewError>>;

    /// Commits what was applied and stops. What was read from stays readable.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

impl<P: Projection> AnyView for View<P> {
    fn name(&self) -> &'static str {
        self.shared.definition.name
    }

    fn state(&self) -> ViewState {
        self.shared.state()
    }

    fn trouble(&self) -> Option<String> {
        self.shared.trouble()
    }

    fn status(&self) -> BoxFuture<'_, ViewStatus> {
        self.shared.status().boxed()
    }

    fn quarantined(&self) -> Vec<QuarantinedEntity> {
        let fed = self.shared.look(Stand::fed);
        fed.map(|generation| generation.shown().quarantined)
            .unwrap_or_default()
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        self.settle().boxed()
    }

    fn wait_until<'a>(
        &'a self,
        token: &'a ConsistencyToken,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<(), ViewError>> {
        async move { self.await_token(token, timeout).await?.outcome }.boxed()
    }

    fn rebuild(
        &self,
        from: BuildFrom,
        by: Option<Binding>,
    ) -> BoxFuture<'_, Result<u32, ViewError>> {
        self.ask(move |answer| Request::Rebuild { from, by, answer })
            .boxed()
    }

    fn revert(
        &self,
        wait: Duration,
        by: Option<Binding>,
    ) -> BoxFuture<'_, Result<Reverted, ViewError>> {
        async move {
            let Reverting { generation, done } = self
                .ask(move |answer| Request::Revert { by, answer })
                .await?;

            let done = match done {
                Some(done) => matches!(tokio::time::timeout(wait, done).await, Ok(Ok(()))),
                None => true,
            };
            Ok(Reverted { generation, done })
        }
        .boxed()
    }

    fn heal(&self, entity: Uuid) -> BoxFuture<'_, Result<Option<u64>, ViewError>> {
        self.heal_in_all(entity).boxed()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.end().boxed()
    }
}
