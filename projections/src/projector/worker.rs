//! The projector's thread: waits for what comes, takes messages in, commits, and starts again after an error.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::ShardId;
use store::{Delivery, Destination, Log, Message, Positions};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::decoding::{Decoded, decode};
use super::pending::Pending;
use super::progress::{Progress, ViewState};
use super::quarantine::{MAX_QUARANTINED, Quarantine};
use super::{Request, ViewDefinition, lag};
use crate::ViewError;
use crate::metrics::{Outcome, ViewMetrics};
use crate::port::{Applied, Event, Payload, ViewWriter};
use crate::waiting::{EntityVersions, Waiting};

mod healing;

/// How many deliveries are taken from the queue at once.
const MAX_DELIVERIES: usize = 64;
/// How many messages one read of the log brings.
const READ_LIMIT: usize = 500;
/// How often the heads of the log are compared with the positions: it finds a last message that was lost on the way,
/// behind which no other comes that would show the gap.
const CHECK_EVERY: Duration = Duration::from_millis(500);
/// How often the lag is measured for the metrics: it reads rows of the log.
const MEASURE_EVERY: Duration = Duration::from_secs(5);
/// So many deliveries are taken in before a check says that something is missing: all that can wait.
const DELIVERIES_BEFORE_CHECK: usize = 8192;
const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
const MAX_BACK_OFF: Duration = Duration::from_secs(5);

/// What a worker is made of.
pub(super) struct Parts {
    pub definition: ViewDefinition,
    pub writer: Box<dyn ViewWriter>,
    pub log: Arc<dyn Log>,
    pub waiting: Arc<Waiting>,
    pub progress: Arc<Progress>,
    pub deliveries: mpsc::Receiver<Delivery>,
    pub requests: mpsc::UnboundedReceiver<Request>,
    pub runtime: Handle,
    pub metrics: ViewMetrics,
}

pub(super) struct Worker {
    parts: Parts,
    /// Up to where messages were taken in, committed or not.
    positions: Positions,
    pending: Pending,
    quarantine: Quarantine,
    /// The newest event applied: the culprit when a commit of it alone is refused.
    newest: Option<Event>,
    next_check: Instant,
    next_measure: Instant,
    /// It was asked to stop: a last commit that fails is not tried again, its events are read after the next start.
    stopping: bool,
    /// The heads of the log at the last check.
    heads: Positions,
}

/// Why the worker goes on.
enum Wake {
    Deliveries(Vec<Delivery>),
    Request(Request),
    /// A reader has come, or the batch has gathered long enough.
    Commit,
    Check,
}

impl Worker {
    pub(super) fn new(parts: Parts) -> Self {
        Worker {
            pending: Pending::new(parts.definition.commit),
            parts,
            positions: Positions::new(),
            quarantine: Quarantine::default(),
            newest: None,
            next_check: Instant::now() + CHECK_EVERY,
            next_measure: Instant::now(),
            stopping: false,
            heads: Positions::new(),
        }
    }

    /// Works until it is asked to stop. After an error, or a panic of the view's code, it starts again from what the
    /// view has stored, with growing delay.
    pub(super) fn run(mut self) {
        let mut back_off = FIRST_BACK_OFF;
        loop {
            let started = Instant::now();
            let failure = match catch_unwind(AssertUnwindSafe(|| self.follow())) {
                Ok(Ok(())) => break,
                Ok(Err(error)) => describe(&error),
                Err(_) => "the projector has panicked".to_owned(),
            };
            if started.elapsed() > MAX_BACK_OFF {
                back_off = FIRST_BACK_OFF;
            }
            let view = self.parts.definition.name;
            if self.stopping {
                tracing::warn!(view, error = %failure, "the last commit of the view has failed");
                break;
            }
            tracing::warn!(view, error = %failure, "the projector starts again in {} ms", back_off.as_millis());
            self.parts.metrics.restart();
            self.parts.progress.failed(failure);
            if self.rest(back_off) {
                break;
            }
            back_off = (back_off * 2).min(MAX_BACK_OFF);
        }
        self.parts.waiting.close();
    }

    /// Waits out a delay; true when it was asked to stop meanwhile.
    fn rest(&mut self, delay: Duration) -> bool {
        let Parts { runtime, requests, definition, .. } = &mut self.parts;
        let view = definition.name;
        runtime.block_on(async {
            tokio::time::timeout(delay, async {
                while let Some(Request::Replay { answer, .. }) = requests.recv().await {
                    let source = "its projector is waiting to start again".into();
                    // Nobody waits any more when this fails.
                    let _ = answer.send(Err(ViewError::Unavailable { view, source }));
                }
            })
            .await
            .is_ok()
        })
    }

    /// Follows the log from the stored positions until it is asked to stop.
    fn follow(&mut self) -> Result<(), ViewError> {
        self.restore()?;
        let first_build =
            self.positions.is_empty() && !lag::sources_behind(&*self.parts.log, &self.positions).is_empty();
        self.parts.progress.working(if first_build { ViewState::Rebuilding } else { ViewState::Live });
        self.catch_up()?;
        self.parts.progress.working(ViewState::Live);
        loop {
            match self.next_wake() {
                Wake::Deliveries(deliveries) => {
                    for message in deliveries.iter().flatten() {
                        self.receive(message)?;
                    }
                }
                Wake::Request(Request::Replay { service, entity, answer }) => match self.replay(service, entity) {
                    Ok(released) => drop(answer.send(Ok(released))),
                    Err(error) => {
                        let view = self.parts.definition.name;
                        let failure = ViewError::Unavailable { view, source: describe(&error).into() };
                        drop(answer.send(Err(error)));
                        return Err(failure);
                    }
                },
                Wake::Request(Request::Stop) => {
                    self.stopping = true;
                    return self.commit();
                }
                Wake::Commit => {}
                Wake::Check => self.check()?,
            }
            self.commit_if_due()?;
        }
    }

    /// Takes over what the view has stored.
    fn restore(&mut self) -> Result<(), ViewError> {
        self.pending.clear();
        self.newest = None;
        self.positions = self.parts.writer.positions()?;
        self.quarantine.restore(self.parts.writer.quarantined(MAX_QUARANTINED)?);
        self.show_quarantine();
        self.parts.waiting.advance(&EntityVersions::new(), &self.positions);
        Ok(())
    }

    fn next_wake(&mut self) -> Wake {
        let time_left = self.pending.time_left().unwrap_or(CHECK_EVERY);
        let Parts { runtime, deliveries, requests, waiting, .. } = &mut self.parts;
        let next_check = self.next_check;
        runtime.block_on(async {
            let mut gathered = Vec::new();
            tokio::select! {
                biased;
                request = requests.recv() => Wake::Request(request.unwrap_or(Request::Stop)),
                () = tokio::time::sleep_until(next_check.into()) => Wake::Check,
                // The log ends its deliveries when it is shut down; what is left is found by the checks.
                received = deliveries.recv_many(&mut gathered, MAX_DELIVERIES), if !deliveries.is_closed() || !deliveries.is_empty() => {
                    if received == 0 { Wake::Commit } else { Wake::Deliveries(gathered) }
                }
                () = waiting.demanded() => Wake::Commit,
                () = tokio::time::sleep(time_left) => Wake::Commit,
            }
        })
    }

    /// A message that came live: it may be a repeat, and others before it may be missing.
    fn receive(&mut self, message: &Message) -> Result<(), ViewError> {
        let position = self.position(message.source);
        if message.sequence <= position {
            self.parts.metrics.event(Outcome::Duplicate);
            return Ok(());
        }
        if message.previous == position {
            return self.take(message);
        }
        self.parts.metrics.gap(message.source);
        while !self.requested() && self.read_on(message.source)? {}
        Ok(())
    }

    /// Reads what was there at the last check already and has not come since, then remembers what is there now.
    fn check(&mut self) -> Result<(), ViewError> {
        // What has arrived while the view was busy is not missing.
        for _ in 0..DELIVERIES_BEFORE_CHECK {
            let Ok(delivery) = self.parts.deliveries.try_recv() else { break };
            for message in &delivery {
                self.receive(message)?;
            }
        }
        self.next_check = Instant::now() + CHECK_EVERY;
        for (source, head) in std::mem::take(&mut self.heads) {
            if self.position(source) < head {
                self.parts.metrics.gap(source);
                while !self.requested() && self.read_on(source)? {}
            }
        }
        self.expect_heads();
        self.commit_if_due()?;
        self.parts.metrics.waiting(self.parts.waiting.count());
        if self.next_measure > Instant::now() {
            return Ok(());
        }
        self.next_measure = Instant::now() + MEASURE_EVERY;
        let committed = self.parts.waiting.committed();
        let lag = self.parts.runtime.block_on(lag::Lag::measure(&*self.parts.log, &committed))?;
        self.parts.metrics.lag(lag.events, lag.age);
        Ok(())
    }

    /// What is committed now must have come by the next check.
    fn expect_heads(&mut self) {
        let behind = lag::sources_behind(&*self.parts.log, &self.positions);
        self.heads = behind.into_iter().map(|(source, (_, head))| (source, head)).collect();
    }

    /// Reads the log until the view is level with it; source by source in turn, so that none falls behind the others.
    fn catch_up(&mut self) -> Result<(), ViewError> {
        let mut sources = self.parts.log.sources();
        while !sources.is_empty() {
            let mut unfinished = Vec::new();
            for source in sources {
                if self.read_on(source)? {
                    unfinished.push(source);
                }
            }
            if self.requested() {
                // Following begins with the request; what is not read by then comes with the checks.
                self.expect_heads();
                self.next_check = Instant::now();
                return Ok(());
            }
            sources = unfinished;
        }
        self.commit()
    }

    /// Whether somebody wants something, so that a long read ends early.
    fn requested(&self) -> bool {
        self.parts.requests.is_closed() || !self.parts.requests.is_empty()
    }

    /// Takes in one read of the log; true when it has moved the position.
    fn read_on(&mut self, source: ShardId) -> Result<bool, ViewError> {
        let position = self.position(source);
        if self.parts.log.head(source, Destination::Events) <= position {
            return Ok(false);
        }
        let read = self.parts.log.read(source, Destination::Events, position, READ_LIMIT);
        let messages = self.parts.runtime.block_on(read)?;
        for message in &messages {
            // It does not follow when a refused commit has taken the positions back.
            if message.previous != self.position(source) {
                break;
            }
            self.take(message)?;
        }
        self.commit_if_due()?;
        Ok(self.position(source) != position)
    }

    /// Takes in the message that follows on the position, and moves the position.
    fn take(&mut self, message: &Message) -> Result<(), ViewError> {
        let (service, entity) = (message.source.service, message.entity);
        if !self.parts.definition.uses.contains(&service) {
            self.parts.metrics.event(Outcome::Unused);
        } else if self.quarantine.holds(service, entity) {
            self.parts.metrics.event(Outcome::Parked);
        } else {
            match decode(message) {
                Decoded::Event(event) => self.apply(event)?,
                Decoded::Malformed(cause) => self.park(message.into(), cause)?,
            }
        }
        self.positions.insert(message.source, message.sequence);
        self.pending.add_message(message.body.get().len());
        if self.pending.is_full() { self.commit() } else { Ok(()) }
    }

    fn apply(&mut self, event: Event) -> Result<(), ViewError> {
        match self.parts.writer.apply(&event) {
            Ok(Applied::Taken) => self.taken(event),
            Ok(Applied::Duplicate) => self.parts.metrics.event(Outcome::Duplicate),
            Ok(Applied::Missing { from_version }) => self.apply_history(&event, from_version)?,
            Err(ViewError::Corrupt { what, .. }) => self.park((&event).into(), what)?,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn taken(&mut self, event: Event) {
        let unknown = matches!(event.payload, Payload::Unknown);
        self.parts.metrics.event(if unknown { Outcome::Unknown } else { Outcome::Applied });
        self.pending.add_entity(event.source.service, event.entity, event.version);
        self.newest = Some(event);
    }

    /// Commits when the batch is full, has gathered long enough, or has what a reader waits for.
    fn commit_if_due(&mut self) -> Result<(), ViewError> {
        let Some(time_left) = self.pending.time_left() else { return Ok(()) };
        let due = time_left.is_zero()
            || self.pending.is_full()
            || self.parts.waiting.wants(self.pending.entities(), &self.positions);
        if due { self.commit() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<(), ViewError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        match self.parts.writer.commit(&self.positions) {
            Ok(()) => {
                self.parts.metrics.commit(started.elapsed());
                self.parts.waiting.advance(self.pending.entities(), &self.positions);
                self.pending.committed();
                self.newest = None;
                Ok(())
            }
            Err(ViewError::Corrupt { what, .. }) => self.commit_refused(what),
            Err(error) => Err(error),
        }
    }

    fn position(&self, source: ShardId) -> u64 {
        self.positions.get(&source).copied().unwrap_or(0)
    }

    fn show_quarantine(&self) {
        let entities = self.quarantine.list();
        self.parts.metrics.quarantined(entities.len());
        self.parts.progress.quarantined(entities);
    }
}

/// An error with its causes, in one line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
