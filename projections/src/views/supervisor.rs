//! The supervisor of a view: one task that owns the life of its generations.
//!
//! It knows one rule: what is open must become what the catalog says ([`Supervisor::settle`]). Each
//! step is a catalog saved first and followed then, so a crash anywhere leaves a catalog that the
//! next start follows. After an error it begins again from there, with growing delay; whoever asks
//! for something meanwhile is told that the store does not answer, and the generations that are
//! open are fed and answer on.
//!
//! A view in a store that several nodes share is looked after by one of them, which holds the lease
//! for that. The others follow what it does ([`following`]).
//!
//! A generation that is damaged, in whatever way, is replaced ([`repairs`]). Long work
//! ([`building`]) runs beside all this, one piece at a time; requests never wait for that.

use std::sync::Arc;
use std::time::Duration;

use store::Lease;
use store::threads::Task;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::building::{self, WorkOutcome};
use super::shared::Shared;
use crate::ViewError;
use crate::alarm::Raised;
use crate::error::describe;
use crate::generations::{Binding, BuildFrom, Catalog};
use crate::projection::Projection;

mod following;
mod loading;
mod repairs;
mod requests;
mod rounds;
mod saving;
mod settling;
mod work_outcomes;

use repairs::{Examined, Repairs};

const FIRST_BACK_OFF: Duration = Duration::from_millis(100);
const MAX_BACK_OFF: Duration = Duration::from_secs(5);
/// How long work under way is awaited at the end.
const END_WITHIN: Duration = Duration::from_secs(5);

/// What a supervisor is asked to do. Each is answered when it is accepted or refused, not when it
/// is done.
pub(super) enum Request {
    Rebuild {
        from: BuildFrom,
        by: Option<Binding>,
        answer: RequestAnswer<u32>,
    },
    Revert {
        by: Option<Binding>,
        answer: RequestAnswer<Reverting>,
    },
}

pub(super) type RequestAnswer<T> = oneshot::Sender<Result<T, ViewError>>;

/// What is being gone back to.
struct Revert {
    number: u32,
    /// Told when the generation answers.
    done: oneshot::Sender<()>,
    by: Option<Binding>,
}

/// A generation on its way to answer again.
pub(super) struct Reverting {
    /// The number of the generation.
    pub generation: u32,
    /// Resolves when it answers; `None` when it did so before, when the same was asked for.
    pub done: Option<oneshot::Receiver<()>>,
}

/// A piece of long work, and the generation it is about.
struct Work<P: Projection> {
    number: u32,
    task: Task<WorkOutcome<P>>,
}

pub(super) struct Supervisor<P: Projection> {
    shared: Arc<Shared<P>>,
    requests: mpsc::Receiver<Request>,
    alarms: mpsc::UnboundedReceiver<Raised>,
    /// The tenure in which this node looks after the view.
    lease: Lease,
    /// As the store has it; `None` before it was read, and when the outcome of saving it is not
    /// known.
    catalog: Option<Catalog>,
    /// A catalog was saved in this tenure.
    is_fenced: bool,
    work: Option<Work<P>>,
    reverting: Option<Revert>,
    repairs: Repairs,
    /// Since when the generation that is to answer cannot be opened.
    unopened_since: Option<Instant>,
    next_round: Instant,
    /// The failure that was logged last.
    told: Option<String>,
}

/// Why the supervisor goes on.
enum Wake<P: Projection> {
    Request(Request),
    Work(WorkOutcome<P>),
    /// The work has panicked.
    Lost,
    Alarm(Raised),
    Examined(Examined),
    Time,
    /// The lease is over.
    Deposed,
    Stop,
}

impl<P: Projection> Supervisor<P> {
    pub(super) fn new(
        shared: Arc<Shared<P>>,
        requests: mpsc::Receiver<Request>,
        alarms: mpsc::UnboundedReceiver<Raised>,
    ) -> Self {
        Supervisor {
            lease: shared.lease.clone(),
            shared,
            requests,
            alarms,
            catalog: None,
            is_fenced: false,
            work: None,
            reverting: None,
            repairs: Repairs::default(),
            unopened_since: None,
            next_round: Instant::now(),
            told: None,
        }
    }

    /// Works until everyone who could ask is gone. It begins when the log knows its heads: before,
    /// each generation would seem to have more than there is.
    pub(super) async fn run(mut self, known: impl Future<Output = ()>) {
        if !self.begins(known).await {
            return;
        }
        while self.follow().await && self.lead().await {
            self.step_down().await;
        }
        self.end().await;
    }

    /// Looks after the view; true when another node is to do that, false when everyone who could
    /// ask is gone.
    async fn lead(&mut self) -> bool {
        let mut back_off = FIRST_BACK_OFF;

        let mut failed = None;
        loop {
            let settled = match failed.take() {
                Some(error) => Err(error),
                None => self.settle().await,
            };
            self.shared.knows_as_leader();
            let pause = self.show(&settled, &mut back_off);
            match self.next(pause).await {
                Wake::Request(request) => self.answer(request).await,
                Wake::Work(outcome) => failed = self.finish(outcome).await.err(),
                Wake::Lost => failed = Some(self.unavailable("work on a generation has panicked")),
                Wake::Alarm(raised) => self.alarmed(raised),
                Wake::Examined(examined) => self.examined(examined),
                Wake::Time => self.go_the_rounds().await,
                Wake::Deposed => return true,
                Wake::Stop => return false,
            }
        }
    }

    /// Waits for the heads, and refuses what is asked meanwhile; false when everyone who could ask
    /// is gone.
    async fn begins(&mut self, known: impl Future<Output = ()>) -> bool {
        let mut known = std::pin::pin!(known);
        loop {
            let request = tokio::select! {
                biased;
                () = &mut known => return true,
                request = self.requests.recv() => request,
            };

            let refusal = self.unavailable("the shards that feed it are not open yet");
            // Whoever asked may have gone.
            match request {
                None => return false,
                Some(Request::Rebuild { answer, .. }) => drop(answer.send(Err(refusal))),
                Some(Request::Revert { answer, .. }) => drop(answer.send(Err(refusal))),
            }
        }
    }

    /// Shows how the last attempt has gone, and says how long to rest.
    fn show(&mut self, settled: &Result<(), ViewError>, back_off: &mut Duration) -> Duration {
        let failure = settled.as_ref().err().map(|error| describe(error));

        let pause = match &failure {
            Some(_) => std::mem::replace(back_off, (*back_off * 2).min(MAX_BACK_OFF)),
            None => {
                *back_off = FIRST_BACK_OFF;
                self.pause()
            }
        };

        self.tell(failure.as_ref());
        self.shared.change(|stand| stand.failure = failure);

        pause
    }

    /// How long nothing is due.
    fn pause(&self) -> Duration {
        let keeps_for = if self.work.is_none() {
            self.keeps_for()
        } else {
            Duration::MAX
        };
        self.next_round
            .saturating_duration_since(Instant::now())
            .min(keeps_for)
            .min(self.repairs.held_for().unwrap_or(Duration::MAX))
    }

    /// Logs a failure, once as long as it stays the same.
    fn tell(&mut self, failure: Option<&String>) {
        if self.told.as_ref() == failure {
            return;
        }
        if let Some(failure) = failure {
            let view = self.shared.definition.name;
            tracing::warn!(view, error = %failure, "the view is tried again until it goes on");
        }
        self.told = failure.cloned();
    }

    /// How long the kept generation is kept still.
    fn keeps_for(&self) -> Duration {
        let kept = self.catalog.as_ref().and_then(|catalog| catalog.kept());
        let Some(since) = kept.and_then(|kept| kept.replaced_at) else {
            return Duration::MAX;
        };
        let kept_for = self
            .shared
            .clock()
            .now()
            .micros()
            .saturating_sub(since.micros());
        self.shared
            .keeps()
            .saturating_sub(Duration::from_micros(u64::try_from(kept_for).unwrap_or(0)))
    }

    async fn next(&mut self, pause: Duration) -> Wake<P> {
        let work = async {
            match &mut self.work {
                Some(work) => (&mut work.task).await,
                None => std::future::pending().await,
            }
        };

        let mut lease = self.lease.clone();
        let wake = tokio::select! {
            biased;
            () = lease.ends() => return Wake::Deposed,
            request = self.requests.recv() => return request.map_or(Wake::Stop, Wake::Request),
            Some(raised) = self.alarms.recv() => return Wake::Alarm(raised),
            examined = self.repairs.examined() => return Wake::Examined(examined),
            outcome = work => outcome.map_or(Wake::Lost, Wake::Work),
            () = tokio::time::sleep(pause) => return Wake::Time,
        };

        self.work = None;
        self.shared.change(|stand| stand.entity_work = None);

        wake
    }

    /// Stops feeding all generations.
    async fn end(mut self) {
        self.shared.stop();

        // The one that answers is not among those that are fed where another node feeds it.
        let open: Vec<_> = self
            .shared
            .look(|stand| stand.open.values().chain(&stand.live).cloned().collect());

        for generation in open {
            generation.stop().await;
        }

        if let Some(work) = self.work.take()
            && tokio::time::timeout(END_WITHIN, work.task).await.is_err()
        {
            tracing::warn!(
                view = self.shared.definition.name,
                "work on a generation has not ended in time"
            );
        }
    }

    fn loaded(&self) -> Result<Catalog, ViewError> {
        self.catalog
            .clone()
            .ok_or_else(|| self.unavailable("its generations have not been read yet"))
    }

    /// Whether the generation that answers is the one of the catalog: between saving and swapping
    /// it is not.
    fn is_swapped(&self, catalog: &Catalog) -> bool {
        catalog.live
            == self
                .shared
                .look(|stand| stand.live.as_ref().map(|live| live.number()))
    }

    fn unavailable(&self, why: &'static str) -> ViewError {
        ViewError::Unavailable {
            view: self.shared.definition.name,
            source: why.into(),
        }
    }

    /// A catalog with a new generation to be built.
    fn with_new(&self, catalog: &Catalog, from: BuildFrom) -> Catalog {
        catalog.with_new(
            self.shared.definition.number,
            from,
            self.shared.clock().now(),
        )
    }

    /// Starts a piece of work on a generation; there is none under way.
    fn start(&mut self, number: u32, work: impl Future<Output = WorkOutcome<P>> + Send + 'static) {
        let task = Task::start(self.shared.threads(), work);
        self.work = Some(Work { number, task });
    }

    fn start_building(&mut self, number: u32, compared: bool) {
        let shared = Arc::clone(&self.shared);
        self.start(number, async move {
            let compared = building::build(shared, number, compared).await;
            WorkOutcome::Built { number, compared }
        });
    }
}
