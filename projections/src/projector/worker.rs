//! The projector's work: waits for what comes, takes messages in, commits, and starts again after
//! an error.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use sagas::mistakes::{Mistake, makes};
use sagas::{ShardId, Timestamp};
use store::{Delivery, Lease, Positions, spans};
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use super::pending::Pending;
use super::progress::{Feeding, Progress, Times};
use super::quarantine::{MAX_QUARANTINED, Quarantine};
use super::{Request, Surroundings, ViewDefinition};
use crate::ViewError;
use crate::alarm::Alarm;
use crate::error::{describe, text_of};
use crate::metrics::ViewMetrics;
use crate::port::ViewWriter;
use crate::projection::Projection;
use crate::waiting::{EntityVersions, Waiting};

mod committing;
mod following;
mod healing;
mod requests;
mod taking;

use healing::Culprit;

/// How many deliveries are taken from the queue at once.
const MAX_DELIVERIES: usize = 64;
/// How often the heads of the log are compared with the positions: it finds a last message that was
/// lost on the way, behind which no other comes that would show the gap.
const CHECK_EVERY: Duration = Duration::from_millis(500);
const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
const MAX_BACK_OFF: Duration = Duration::from_secs(5);
/// Tells readers at once about a failure that lasts longer than this; a shorter one may be over
/// when they have waited a little.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// What a worker is made of.
pub(super) struct Parts<P: Projection> {
    /// Which view it is.
    pub definition: ViewDefinition,
    /// Writes the generation.
    pub writer: Box<dyn ViewWriter<P::Entity>>,
    /// What it works with.
    pub surroundings: Surroundings,
    /// The readers that wait for what it takes in.
    pub waiting: Arc<Waiting>,
    /// How it is getting on, for whoever asks.
    pub progress: Arc<Progress>,
    /// Raised when the generation is damaged, is another deployment's, or its code has panicked.
    pub alarm: Arc<Alarm>,
    /// When it is over, the worker writes nothing more.
    pub tenure: Lease,
    /// Events as the log delivers them.
    pub deliveries: mpsc::Receiver<Delivery>,
    /// What is asked of the worker meanwhile.
    pub requests: mpsc::UnboundedReceiver<Request>,
    /// What is measured.
    pub metrics: ViewMetrics,
}

pub(super) struct Worker<P: Projection> {
    parts: Parts<P>,
    /// Up to where messages were taken in, committed or not.
    positions: Positions,
    /// When the newest of them happened, of the sources that some came from.
    times: Times,
    pending: Pending,
    /// What was taken in since the newest commit, while somebody traces it.
    traced: Vec<(Uuid, Timestamp)>,
    /// While somebody traces what happens: since when it does. What a rebuild, or a start, reads of
    /// the time before is history.
    traces_since: Option<Timestamp>,
    quarantine: Quarantine,
    /// The newest event applied: the culprit when a commit of it alone is refused.
    newest: Option<Culprit>,
    next_check: Instant,
    /// The positions of the newest commit may not be stored; when they are stored by themselves.
    unfinished: Option<Instant>,
    /// It was asked to stop: a last commit that fails is not tried again, its events are read after
    /// the next start.
    stopping: bool,
    /// The heads of the log at the last check.
    heads: Positions,
    /// When it went on last while it followed the log.
    went_on: Instant,
    /// Since when it has not followed the log any more.
    failing_since: Option<Instant>,
    /// What it has logged of that.
    told: Option<String>,
    /// The view has positions stored: without them, all else of it is gone, too.
    has_had_positions: bool,
}

/// Why the worker goes on.
enum Wake {
    Deliveries(Vec<Delivery>),
    Request(Request),
    /// A reader has come, or the batch has gathered long enough.
    Commit,
    /// No commit has followed on the newest one.
    Finish,
    Check,
}

impl<P: Projection> Worker<P> {
    pub(super) fn new(parts: Parts<P>) -> Self {
        Worker {
            pending: Pending::new(parts.definition.commit),
            traces_since: spans::are_told().then(|| parts.surroundings.clock.now()),
            parts,
            positions: Positions::new(),
            times: Times::new(),
            traced: Vec::new(),
            quarantine: Quarantine::default(),
            newest: None,
            next_check: Instant::now() + CHECK_EVERY,
            unfinished: None,
            stopping: false,
            heads: Positions::new(),
            went_on: Instant::now(),
            failing_since: None,
            told: None,
            has_had_positions: false,
        }
    }

    /// Works until it is asked to stop. After an error, or a panic of the view's code, it starts
    /// again from what the view has stored, with growing delay.
    pub(super) async fn run(mut self) {
        let mut back_off = FIRST_BACK_OFF;

        loop {
            let started = Instant::now();
            let failure = match AssertUnwindSafe(self.follow()).catch_unwind().await {
                Ok(Ok(())) => break,
                Ok(Err(error)) => {
                    self.parts.alarm.notice(&error);
                    describe(&error)
                }
                Err(panic) => {
                    let what = text_of(&*panic);
                    self.parts.alarm.suspect(&what);
                    format!("the projector has panicked: {what}")
                }
            };
            if started.elapsed() > MAX_BACK_OFF {
                back_off = FIRST_BACK_OFF;
            }
            if self.stopping {
                let view = self.parts.definition.name;
                tracing::warn!(view, error = %failure, "the last commit of the view has failed");
                break;
            }
            self.tell(failure, started);
            if self.rest(back_off).await {
                break;
            }
            back_off = (back_off * 2).min(MAX_BACK_OFF);
        }

        self.parts.waiting.close();
    }

    /// Tells why it does not go on at present; the log only when that is news.
    fn tell(&mut self, failure: String, started: Instant) {
        let since = *self.failing_since.get_or_insert(started.max(self.went_on));
        // Whoever looks after the view has what takes the place of one whose tenure is over.
        let is_ours = self.parts.tenure.is_held();
        if is_ours && (since.elapsed() >= TELL_AFTER || self.parts.alarm.is_damaged()) {
            self.parts.waiting.fail(&failure);
        }

        let view = self.parts.definition.name;
        if self.told.as_ref() == Some(&failure) || !is_ours {
            tracing::debug!(view, error = %failure, "the projector starts again");
        } else {
            tracing::warn!(view, error = %failure, "the projector starts again, until it goes on");
            self.told = Some(failure.clone());
        }

        self.parts.metrics.restart();
        self.parts.progress.failed(failure);
    }

    /// Follows the log from the stored positions until it is asked to stop.
    async fn follow(&mut self) -> Result<(), ViewError> {
        self.restore()?;
        self.parts.progress.working(Feeding::CatchingUp);
        self.catch_up_in_background().await?;

        self.parts.progress.working(Feeding::Following);
        self.failing_since = None;
        self.told = None;

        loop {
            let wake = self.next_wake().await;
            self.went_on = Instant::now();
            match wake {
                Wake::Deliveries(deliveries) => {
                    self.prepare(deliveries.iter().flatten().map(|message| &**message))?;
                    for message in deliveries.iter().flatten() {
                        self.receive(message).await?;
                    }
                }
                Wake::Request(request) => {
                    if self.carry_out(request).await? {
                        return Ok(());
                    }
                }
                Wake::Commit => {}
                Wake::Finish => self.finish()?,
                Wake::Check => self.check().await?,
            }
            self.commit_if_due()?;
        }
    }

    /// Whoever serves callers comes first while the view has much to read.
    async fn catch_up_in_background(&mut self) -> Result<(), ViewError> {
        let view = self.parts.definition.name;
        let threads = Arc::clone(&self.parts.surroundings.threads);
        let mut outcome = Ok(());

        let (worker, told) = (self, &mut outcome);
        let work = move || async move { *told = worker.catch_up().await }.boxed_local();
        let ran = threads.in_background(format!("catch-{view}"), Box::new(work));
        ran.await.map_err(|error| ViewError::Unavailable {
            view,
            source: error.into(),
        })?;

        outcome
    }

    /// Takes over what the view has stored.
    fn restore(&mut self) -> Result<(), ViewError> {
        self.pending.clear();
        self.traced.clear();
        self.newest = None;
        self.unfinished = None;
        let stored = self.parts.writer.positions()?;
        if !makes(Mistake::ViewPositionsNotReread) || self.positions.is_empty() {
            self.positions = stored;
        }
        if self.has_had_positions && self.positions.is_empty() {
            return Err(ViewError::Damaged {
                view: self.parts.definition.name,
                what: "all that it has taken in is gone".to_owned(),
            });
        }
        self.has_had_positions = !self.positions.is_empty();
        self.times.clear();
        self.parts.progress.start(&self.positions);
        self.quarantine
            .restore(self.parts.writer.quarantined(MAX_QUARANTINED)?);
        self.show_quarantine();

        self.parts
            .waiting
            .advance(&EntityVersions::new(), &self.positions);

        Ok(())
    }

    async fn next_wake(&mut self) -> Wake {
        let time_left = self.pending.time_left().unwrap_or(CHECK_EVERY);

        let Parts {
            deliveries,
            requests,
            waiting,
            ..
        } = &mut self.parts;

        let (next_check, finish) = (self.next_check, self.unfinished);

        let mut gathered = Vec::new();
        tokio::select! {
            biased;
            request = requests.recv() => Wake::Request(request.unwrap_or(Request::Stop)),
            () = tokio::time::sleep_until(next_check) => Wake::Check,
            // The log ends its deliveries when it is shut down; what is left is found by the
            // checks.
            received = deliveries.recv_many(&mut gathered, MAX_DELIVERIES), if !deliveries.is_closed() || !deliveries.is_empty() => {
                if received == 0 { Wake::Commit } else { Wake::Deliveries(gathered) }
            }
            () = waiting.demanded() => Wake::Commit,
            () = tokio::time::sleep(time_left) => Wake::Commit,
            () = tokio::time::sleep_until(finish.unwrap_or(next_check)), if finish.is_some() => Wake::Finish,
        }
    }

    fn position(&self, source: ShardId) -> u64 {
        self.positions.get(&source).copied().unwrap_or(0)
    }

    fn show_quarantine(&self) {
        self.parts.progress.quarantined(self.quarantine.list());
    }
}
