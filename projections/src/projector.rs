//! The projector: follows the event log and feeds one view.
//!
//! It subscribes to the events of all sources and keeps its position in each. A message is applied
//! only when it follows on that position; a repeat is dropped, and what is missing is read from the
//! log. The positions are stored by the view in the transaction that stores the effects, so a crash
//! at any point repeats work and changes nothing.
//!
//! ```text
//! Log ── deliveries ──► Worker (own thread) ── apply, commit ──► ViewWriter
//!  ▲                      │  │
//!  └── read, history ─────┘  └─► Waiting (wakes readers), Progress (what is shown of the view)
//! ```
//!
//! One projector serves any view: what differs is in the [`ViewDefinition`] and the [`ViewWriter`].
//! It does not answer queries, and it never skips an event silently: what cannot be applied puts
//! its entity into quarantine.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use sagas::{Service, ShardId};
use store::threads::Threads;
use store::{Clock, Destination, Lease, Log};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::ViewError;
use crate::alarm::Alarm;
use crate::metrics::ViewMetrics;
use crate::port::ViewWriter;
use crate::projection::Projection;
use crate::waiting::Waiting;

mod follower;
mod lag;
mod pending;
mod progress;
mod quarantine;
mod worker;

pub use lag::{Lag, SourceLag};
pub use progress::Feeding;

pub(crate) use follower::Followed;
pub(crate) use progress::{Fed, Progress, Snapshot, Times};

/// When a view's writer commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitPolicy {
    /// How long events gather when no reader waits for one of them.
    pub linger: Duration,
    /// When events come in a rush, keeping up matters more than a moment: batches are larger then.
    pub rush: Option<Rush>,
    /// How many events gather at most; it bounds the memory of a batch.
    pub max_events: usize,
}

/// A batch that has gathered `events` gathers for `linger`: what shares a page, or changes again,
/// is written once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rush {
    /// From how many events on a batch is one of a rush.
    pub events: usize,
    /// How long such a batch gathers.
    pub linger: Duration,
}

/// What the projector must know of a view.
#[derive(Clone, Copy, Debug)]
pub struct ViewDefinition {
    /// As it is named in `GET /views`, in metrics and in errors.
    pub name: &'static str,
    /// The number of what a document is made of: a generation of another number is built anew.
    pub number: u32,
    /// The services whose events it takes in. It advances over the events of all.
    pub uses: &'static [Service],
    /// When its writer commits.
    pub commit: CommitPolicy,
}

/// What a projector is asked to do besides following the log.
enum Request {
    /// Take an entity out of quarantine and apply its history; the answer is whether it was there
    /// and is out now.
    Replay {
        service: Service,
        entity: Uuid,
        answer: oneshot::Sender<Result<bool, ViewError>>,
    },
    /// Put an entity as its history has it in the place of what the view has; the answer is its
    /// version, 0 when it has no history.
    Heal {
        source: ShardId,
        entity: Uuid,
        answer: oneshot::Sender<Result<u64, ViewError>>,
    },
    /// Commit, say so, and take nothing in until told to go on.
    Rest {
        resting: oneshot::Sender<()>,
        go_on: oneshot::Receiver<()>,
    },
    /// Commit and end.
    Stop,
}

/// What a projector works with, besides the view itself.
#[derive(Clone)]
pub(crate) struct Surroundings {
    /// Where the events come from.
    pub log: Arc<dyn Log>,
    /// Where the projector runs.
    pub threads: Arc<dyn Threads>,
    /// Where the time comes from.
    pub clock: Clock,
}

/// The generation that a projector feeds, and who is told of that.
pub(crate) struct Written<E> {
    /// Writes the generation.
    pub writer: Box<dyn ViewWriter<E>>,
    /// The readers that wait for what is taken in.
    pub waiting: Arc<Waiting>,
    /// How the projector is getting on, for whoever asks.
    pub progress: Arc<Progress>,
    /// Raised when the generation is damaged, is another deployment's, or its code has panicked.
    pub alarm: Arc<Alarm>,
    /// When it is over, another node may feed the generation, and this one writes nothing more.
    pub tenure: Lease,
}

/// A running projector. Dropping it asks it to stop and does not wait.
pub struct Projector {
    definition: ViewDefinition,
    /// Another node's projector feeds the view; this one looks how far that is.
    is_follower: bool,
    requests: mpsc::UnboundedSender<Request>,
    /// Tells when its work has ended; taken out by whoever stops it.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Projector {
    /// Starts the projector's thread. Call it inside the runtime that drives the log.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start<P: Projection>(
        definition: ViewDefinition,
        written: Written<P::Entity>,
        surroundings: Surroundings,
    ) -> std::io::Result<Self> {
        // Few requests ever stand in this queue: each caller waits for its answer.
        let (requests, inbox) = mpsc::unbounded_channel();
        let deliveries = surroundings.log.subscribe(Destination::Events).deliveries;
        let threads = Arc::clone(&surroundings.threads);

        let Written {
            writer,
            waiting,
            progress,
            alarm,
            tenure,
        } = written;
        let worker = worker::Worker::<P>::new(worker::Parts {
            definition,
            writer,
            surroundings,
            waiting,
            progress,
            alarm,
            tenure,
            deliveries,
            requests: inbox,
            metrics: ViewMetrics::new(definition.name),
        });

        let work = || worker.run().boxed_local();
        let ended = spawn(definition, &*threads, work)?;
        Ok(Projector {
            definition,
            is_follower: false,
            requests,
            ended: Mutex::new(Some(ended)),
        })
    }

    /// Starts one that looks how far the projector of another node has come, for readers who wait
    /// here.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn follow<E: 'static>(
        definition: ViewDefinition,
        followed: Followed<E>,
        surroundings: &Surroundings,
    ) -> std::io::Result<Self> {
        let (requests, inbox) = mpsc::unbounded_channel();
        let work = move || followed.run(definition, inbox).boxed_local();
        let ended = spawn(definition, &*surroundings.threads, work)?;
        Ok(Projector {
            definition,
            is_follower: true,
            requests,
            ended: Mutex::new(Some(ended)),
        })
    }

    pub(crate) fn is_follower(&self) -> bool {
        self.is_follower
    }

    /// Takes an entity out of quarantine and applies what its history has. False when it is not in
    /// quarantine, or when it has come back there.
    ///
    /// # Errors
    /// When the projector has stopped, or its view store does not answer.
    pub async fn replay(&self, service: Service, entity: Uuid) -> Result<bool, ViewError> {
        let closed = || ViewError::Closed {
            view: self.definition.name,
        };
        let (answer, outcome) = oneshot::channel();
        self.requests
            .send(Request::Replay {
                service,
                entity,
                answer,
            })
            .map_err(|_| closed())?;
        outcome.await.map_err(|_| closed())?
    }

    /// Folds an entity's whole history, puts it in the place of whatever the view has of it, and
    /// takes it out of quarantine. Visible when this returns. Gives its version; 0 when it has no
    /// history, and nothing is changed then.
    ///
    /// # Errors
    /// When the projector has stopped, its view store or the log does not answer, or the history
    /// cannot be folded.
    pub async fn heal(&self, source: ShardId, entity: Uuid) -> Result<u64, ViewError> {
        let closed = || ViewError::Closed {
            view: self.definition.name,
        };
        let (answer, outcome) = oneshot::channel();
        self.requests
            .send(Request::Heal {
                source,
                entity,
                answer,
            })
            .map_err(|_| closed())?;
        outcome.await.map_err(|_| closed())?
    }

    /// Commits what was applied; nothing more is committed until the answer is dropped, or some
    /// time is over. `None` when the projector takes nothing in anyway.
    pub(crate) async fn rest(&self) -> Option<oneshot::Sender<()>> {
        let (resting, rests) = oneshot::channel();
        let (resume, go_on) = oneshot::channel();
        self.requests.send(Request::Rest { resting, go_on }).ok()?;
        rests.await.ok()?;
        Some(resume)
    }

    /// Commits what was applied and ends its work; nothing of the view is open for writing then.
    pub async fn stop(&self) {
        self.ask_to_stop();
        // Nothing panics while it holds the lock.
        let ended = self
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(ended) = ended
            && ended.await.is_err()
        {
            tracing::error!(
                view = self.definition.name,
                "the projector's thread has ended with a panic"
            );
        }
    }

    /// Asks it to commit and end.
    pub(crate) fn ask_to_stop(&self) {
        // Without a receiver it has stopped already.
        let _ = self.requests.send(Request::Stop);
    }
}

/// Runs a projector's work on a thread of its own; what is given tells when it has ended.
fn spawn(
    definition: ViewDefinition,
    threads: &dyn Threads,
    work: impl FnOnce() -> LocalBoxFuture<'static, ()> + Send + 'static,
) -> std::io::Result<oneshot::Receiver<()>> {
    let (told, ended) = oneshot::channel();
    let work = || {
        let works = async move {
            work().await;
            // Nobody may wait for it.
            let _ = told.send(());
        };
        works.boxed_local()
    };
    threads.spawn(format!("view-{}", definition.name), Box::new(work))?;
    Ok(ended)
}

impl Drop for Projector {
    fn drop(&mut self) {
        self.ask_to_stop();
    }
}

#[cfg(all(test, feature = "shop"))]
mod tests;
