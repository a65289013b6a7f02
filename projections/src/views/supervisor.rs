//! The supervisor of a view: one task that owns the life of its generations.
//!
//! It knows one rule: what is open must become what the catalog says ([`Supervisor::settle`]). Each
//! step is a catalog saved first and followed then, so a crash anywhere leaves a catalog that the
//! next start follows. After an error it begins again from there, with growing delay; whoever asks
//! for something meanwhile is told that the store does not answer, and the generations that are
//! open are fed and answer on.
//!
//! Long work ([`building`]) runs beside it, one piece at a time; requests never wait for that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use store::Clock;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::building::{self, Outcome};
use super::comparison::Comparison;
use super::shared::Shared;
use crate::ViewError;
use crate::error::describe;
use crate::generations::{Binding, BuildFrom, Catalog};

mod requests;
mod settling;

/// How often the gauges are set: measuring the lag reads rows of the log.
const MEASURE_EVERY: Duration = Duration::from_secs(5);
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
        answer: Answer<u32>,
    },
    Revert {
        by: Option<Binding>,
        answer: Answer<Reverting>,
    },
}

pub(super) type Answer<T> = oneshot::Sender<Result<T, ViewError>>;

/// What is being gone back to.
struct Revert {
    number: u32,
    /// Told when the generation answers.
    done: oneshot::Sender<()>,
    by: Option<Binding>,
}

/// A generation on its way to answer again.
pub(super) struct Reverting {
    pub generation: u32,
    /// Resolves when it answers; `None` when it did so before, when the same was asked for.
    pub done: Option<oneshot::Receiver<()>>,
}

pub(super) struct Supervisor<R: ?Sized> {
    shared: Arc<Shared<R>>,
    requests: mpsc::Receiver<Request>,
    /// As the store has it; `None` before it was read, and when the outcome of saving it is not
    /// known.
    catalog: Option<Catalog>,
    work: Option<JoinHandle<Outcome<R>>>,
    reverting: Option<Revert>,
    next_measure: Instant,
}

/// Why the supervisor goes on.
enum Wake<R: ?Sized> {
    Request(Request),
    Work(Outcome<R>),
    /// The work has panicked.
    Lost,
    Time,
    Stop,
}

impl<R: ?Sized + Send + Sync + 'static> Supervisor<R> {
    pub(super) fn new(shared: Arc<Shared<R>>, requests: mpsc::Receiver<Request>) -> Self {
        Supervisor {
            shared,
            requests,
            catalog: None,
            work: None,
            reverting: None,
            next_measure: Instant::now(),
        }
    }

    /// Works until everyone who could ask is gone. It begins when the log knows its heads: before,
    /// each generation would seem to have more than there is.
    pub(super) async fn run(mut self, known: impl Future<Output = ()>) {
        if !self.begins(known).await {
            return;
        }

        let mut back_off = FIRST_BACK_OFF;

        let mut failed = None;
        loop {
            let settled = match failed.take() {
                Some(error) => Err(error),
                None => self.settle().await,
            };
            let pause = self.show(&settled, &mut back_off);
            match self.next(pause).await {
                Wake::Request(request) => self.answer(request).await,
                Wake::Work(outcome) => failed = self.finish(outcome).await.err(),
                Wake::Lost => failed = Some(self.unavailable("work on a generation has panicked")),
                Wake::Time => self.measure().await,
                Wake::Stop => break,
            }
        }

        self.end().await;
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
    fn show(&self, settled: &Result<(), ViewError>, back_off: &mut Duration) -> Duration {
        let failure = settled.as_ref().err().map(|error| describe(error));
        if let Some(failure) = &failure {
            let view = self.shared.definition.name;
            tracing::warn!(view, error = %failure, "the view is tried again in {} ms", back_off.as_millis());
        }

        let pause = match &failure {
            Some(_) => std::mem::replace(back_off, (*back_off * 2).min(MAX_BACK_OFF)),
            None => {
                *back_off = FIRST_BACK_OFF;
                let keeps_for = if self.work.is_none() {
                    self.keeps_for()
                } else {
                    Duration::MAX
                };
                self.next_measure
                    .saturating_duration_since(Instant::now())
                    .min(keeps_for)
            }
        };

        self.shared.change(|stand| stand.failure = failure);

        pause
    }

    /// How long the kept generation is kept still.
    fn keeps_for(&self) -> Duration {
        let kept = self.catalog.as_ref().and_then(|catalog| catalog.kept());
        let Some(since) = kept.and_then(|kept| kept.replaced_at) else {
            return Duration::MAX;
        };
        let kept_for = Clock::system()
            .now()
            .micros()
            .saturating_sub(since.micros());
        self.shared
            .keep
            .saturating_sub(Duration::from_micros(u64::try_from(kept_for).unwrap_or(0)))
    }

    async fn next(&mut self, pause: Duration) -> Wake<R> {
        let work = async {
            match &mut self.work {
                Some(work) => work.await,
                None => std::future::pending().await,
            }
        };

        let wake = tokio::select! {
            biased;
            request = self.requests.recv() => return request.map_or(Wake::Stop, Wake::Request),
            outcome = work => outcome.map_or(Wake::Lost, Wake::Work),
            () = tokio::time::sleep(pause) => return Wake::Time,
        };

        self.work = None;
        self.shared.change(|stand| stand.entity_work = None);

        wake
    }

    /// Follows from how a piece of work has ended.
    async fn finish(&mut self, outcome: Outcome<R>) -> Result<(), ViewError> {
        match outcome {
            Outcome::Copied { number, opened } => {
                let Some(opened) = self.succeeded(number, opened)? else {
                    return Ok(());
                };
                let catalog = self.loaded()?.with_copied(number);
                self.save(catalog).await?;
                self.feed(number, opened)
            }

            Outcome::Built { number, compared } => {
                let Some(compared) = self.succeeded(number, compared)? else {
                    self.reverting.take_if(|revert| revert.number == number);
                    return Ok(());
                };
                self.built(number, compared).await
            }

            Outcome::Swapped { number, outcome } => {
                outcome?;
                tracing::info!(
                    view = self.shared.definition.name,
                    generation = number,
                    "the generation answers"
                );
                self.shared.gauges.swapped();
                if let Some(revert) = self.reverting.take_if(|revert| revert.number == number) {
                    // Nobody waits for it any more when this fails.
                    let _ = revert.done.send(());
                }
                Ok(())
            }
        }
    }

    /// What a piece of work has brought; `None` when trying it again would not help: then the
    /// generation stays as it is until a new rebuild takes its place.
    fn succeeded<T>(
        &self,
        number: u32,
        outcome: Result<T, ViewError>,
    ) -> Result<Option<T>, ViewError> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_transient() || matches!(error, ViewError::Closed { .. }) => {
                Err(error)
            }
            Err(error) => {
                self.stopped(number, describe(&error));
                Ok(None)
            }
        }
    }

    fn stopped(&self, number: u32, reason: String) {
        let view = self.shared.definition.name;
        tracing::error!(
            view,
            generation = number,
            reason,
            "the generation must not answer"
        );
        self.shared
            .change(|stand| stand.stopped = Some((number, reason)));
    }

    /// A generation has what the answering one had: it answers from now on, unless something would
    /// be lost.
    async fn built(&mut self, number: u32, compared: Comparison) -> Result<(), ViewError> {
        let Comparison {
            compared,
            repaired,
            examples,
            loss,
        } = compared;

        let view = self.shared.definition.name;

        if let Some(loss) = loss {
            self.stopped(number, loss);
            return Ok(());
        }

        if repaired > 0 {
            let examples: Vec<String> = examples.iter().map(ToString::to_string).collect();
            tracing::warn!(view, generation = number, repaired, examples = %examples.join(" "), "documents are repaired");
            self.shared.gauges.repaired(repaired);
        }

        tracing::info!(
            view,
            generation = number,
            compared,
            repaired,
            "the generation is built"
        );

        let by = self
            .reverting
            .as_ref()
            .filter(|revert| revert.number == number)
            .and_then(|revert| revert.by);

        let catalog = self
            .loaded()?
            .with_live(number, Clock::system().now())
            .with_bound(by, number);
        self.save(catalog).await
    }

    /// Stops feeding all generations.
    async fn end(mut self) {
        self.shared.stop();

        let open: Vec<_> = self
            .shared
            .look(|stand| stand.open.values().cloned().collect());

        for generation in open {
            generation.stop().await;
        }

        if let Some(work) = self.work.take()
            && tokio::time::timeout(END_WITHIN, work).await.is_err()
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

    /// Saves the catalog; from then on it is followed.
    async fn save(&mut self, catalog: Catalog) -> Result<(), ViewError> {
        // Should it fail, it may be saved all the same: it is read again.
        self.catalog = None;
        self.shared.store.save(&catalog).await?;
        self.take_over(catalog);
        Ok(())
    }

    fn take_over(&mut self, catalog: Catalog) {
        self.shared.gauges.generation(catalog.live);
        self.shared
            .change(|stand| stand.catalog = Some(catalog.clone()));
        self.catalog = Some(catalog);
    }

    /// A catalog with a new generation to be built.
    fn with_new(&self, catalog: &Catalog, from: BuildFrom) -> Catalog {
        catalog.with_new(self.shared.definition.number, from, Clock::system().now())
    }

    /// Starts a piece of work; there is none under way.
    fn start(&mut self, work: impl Future<Output = Outcome<R>> + Send + 'static) {
        self.work = Some(tokio::spawn(work));
    }

    fn start_building(&mut self, number: u32, compared: bool) {
        let shared = Arc::clone(&self.shared);
        self.start(async move {
            let compared = building::build(shared, number, compared).await;
            Outcome::Built { number, compared }
        });
    }
}
