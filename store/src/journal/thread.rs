//! The journal's thread: takes what has gathered, commits it, publishes it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::{Service, ShardId};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::indexing::Tails;
use super::queue::{Queue, Work};
use super::writer::{Failure, Note, Writer};
use super::{Claim, claim};
use crate::faults::Faults;
use crate::log::embedded::{EmbeddedLog, Heads};
use crate::metric_names as names;
use crate::unit::{Fate, Unit};
use crate::{ServiceDatabase, StoreError, outbox};

/// At most so many units in one transaction: more would only make the first of them wait.
const MAX_BATCH: usize = 4096;
/// With fewer units than this waiting, the next commit does not begin at once; see
/// [`Committer::gather_more`].
const SMALL_BATCH: usize = 32;
/// So far apart commits of small batches begin.
const SMALL_BATCH_INTERVAL: Duration = Duration::from_micros(1_250);
/// How often it is noted in the database how far the outbox is published.
const NOTE_PUBLISHED_EVERY: Duration = Duration::from_secs(1);

/// What the thread works with.
pub(super) struct Parts {
    pub service: Service,
    pub log: Arc<EmbeddedLog>,
    pub faults: Faults,
    pub queue: Arc<Queue>,
    pub durable: Arc<[AtomicU64]>,
}

/// Starts the thread on the database's writing connection and waits until it has it.
pub(super) async fn spawn(database: &ServiceDatabase, parts: Parts) -> Result<(), StoreError> {
    let service = database.service;
    let pool = database.write.get_sqlite_connection_pool().clone();
    let runtime = Handle::current();
    let (started, start) = oneshot::channel();

    let run = move || {
        runtime.block_on(async move {
            let queue = Arc::clone(&parts.queue);
            if let Err(error) = run_on_connection(&pool, parts, started).await {
                tracing::error!(service = %service, error = %error, "the journal has no connection");
            }
            queue.close(service);
        });
    };

    std::thread::Builder::new()
        .name(format!("journal-{service}"))
        .spawn(run)
        .map_err(|error| {
            StoreError::Configuration(format!("no thread for the journal of {service}: {error}"))
        })?;

    start.await.map_err(|_| StoreError::Closed {
        what: service.to_string(),
    })
}

async fn run_on_connection(
    pool: &sea_orm::sqlx::SqlitePool,
    parts: Parts,
    started: oneshot::Sender<()>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut connection = pool.acquire().await?;
    let mut handle = connection.lock_handle().await?;
    // SAFETY: `handle` keeps SeaORM's worker away from the connection for as long as it lives, which is longer than
    // `raw` does; and closing the connection is left to it.
    #[expect(
        unsafe_code,
        reason = "the journal writes through the connection that SeaORM opened"
    )]
    let raw = unsafe { Connection::from_handle(handle.as_raw_handle().as_ptr())? };
    // Whoever waits for the start has gone only when the node has.
    let _ = started.send(());
    Committer::new(&raw, parts).run();

    Ok(())
}

struct Instruments {
    commits: Counter,
    units: Counter,
    culprits: Counter,
    seconds: Histogram,
    published: Counter,
    pruned: Counter,
    backlog: Gauge,
}

impl Instruments {
    fn of(service: Service) -> Self {
        let label = || [("service", service.name())];
        Instruments {
            commits: counter!(names::JOURNAL_COMMITS, &label()),
            units: counter!(names::JOURNAL_UNITS, &label()),
            culprits: counter!(names::JOURNAL_CULPRITS, &label()),
            seconds: histogram!(names::JOURNAL_COMMIT_SECONDS, &label()),
            published: counter!(names::LOG_PUBLISHED, &label()),
            pruned: counter!(names::OUTBOX_PRUNED, &label()),
            backlog: gauge!(names::JOURNAL_BACKLOG, &label()),
        }
    }
}

struct Committer<'c> {
    writer: Writer<'c>,
    parts: Parts,
    /// Per shard, the newest epoch that has failed: units of it and of older ones are dropped.
    failed_epochs: HashMap<ShardId, u64>,
    /// Shards with messages published since it was last noted, and the epoch they are held at.
    unnoted: HashMap<ShardId, u64>,
    noted_at: Instant,
    tails: Tails,
    /// When work was last taken, and how much of it.
    taken: (Instant, usize),
    instruments: Instruments,
}

impl<'c> Committer<'c> {
    fn new(connection: &'c Connection, parts: Parts) -> Self {
        Committer {
            writer: Writer::new(connection, parts.service),
            instruments: Instruments::of(parts.service),
            parts,
            failed_epochs: HashMap::new(),
            unnoted: HashMap::new(),
            noted_at: Instant::now(),
            tails: Tails::default(),
            taken: (Instant::now(), 0),
        }
    }

    /// Lets a small batch grow for a moment. A commit costs a sync and a page of each table it
    /// touches, however few its units: at half of what a machine can do, commits one right after
    /// the other write half as much again and take a fifth more processor time than at these
    /// intervals, and it is the disk's queue that callers would wait in. A unit that comes alone
    /// never waits: its caller is the only one.
    fn gather_more(&self) {
        let (begun, units) = self.taken;
        if units > 1 && self.parts.queue.len() < SMALL_BATCH {
            std::thread::sleep(SMALL_BATCH_INTERVAL.saturating_sub(begun.elapsed()));
        }
    }

    fn run(mut self) {
        loop {
            self.gather_more();
            let mut work = self.parts.queue.take();
            self.taken = (Instant::now(), work.len());

            while let Some(next) = work.pop_front() {
                match next {
                    Work::Unit(unit) => {
                        let units = gather(unit, &mut work);
                        self.instruments
                            .backlog
                            .set(u32::try_from(work.len()).map_or(f64::MAX, f64::from));
                        self.commit(units);
                    }
                    Work::Claim {
                        shard,
                        owner,
                        answer,
                    } => {
                        let claimed = self.claim(shard, &owner);
                        // The claimer may have given up; the epoch is raised all the same.
                        let _ = answer.send(claimed);
                    }
                    Work::Prune {
                        shard,
                        sequence,
                        before,
                        answer,
                    } => {
                        let pruned = self.writer.prune(shard, sequence, before);
                        if let Ok(rows) = pruned {
                            self.instruments
                                .pruned
                                .increment(u64::try_from(rows).unwrap_or(0));
                        }
                        let _ = answer.send(pruned);
                    }
                    Work::Close { answer } => {
                        self.note_published_at_end();
                        self.parts.queue.close(self.parts.service);
                        let _ = answer.send(());
                        return;
                    }
                }
            }
        }
    }

    fn claim(&mut self, shard: ShardId, owner: &str) -> Result<Claim, StoreError> {
        let claim = claim::take_over(self.writer.connection(), shard, owner)?;
        self.parts.log.restore_heads(shard, &claim.heads);
        self.tails.restore(
            shard,
            claim.epoch,
            claim.indexed,
            claim.next_sequence.saturating_sub(1),
        );
        Ok(claim)
    }

    /// Commits units, in order. Returns when the fate of each is known and told.
    fn commit(&mut self, mut units: Vec<Unit>) {
        while let Err(refused) = self.try_to_commit(units) {
            units = self.isolate(refused);
        }
    }

    /// Commits units, in order. When one of them is found wrong nothing is committed, and all come
    /// back.
    fn try_to_commit(&mut self, units: Vec<Unit>) -> Result<(), Refused> {
        let units = self.drop_failed(units);

        if units.iter().all(Unit::is_empty) {
            self.succeed(units);
            return Ok(());
        }

        let begun = Instant::now();
        let note = self.due_note();
        let piece = self.tails.due();

        let written = self
            .writer
            .write(&units, &note, piece, self.parts.faults.commit_fails());

        self.instruments.seconds.record(begun.elapsed());

        match written {
            Ok(()) => {
                self.instruments.commits.increment(1);
                self.noted(&note);
                if let Some(piece) = piece {
                    self.tails.indexed(piece);
                }
                self.succeed(units);
                Ok(())
            }
            Err(Failure::Unit { index, error }) => Err(Refused {
                units,
                index,
                error,
            }),
            Err(Failure::Batch(error)) => {
                self.fail_all(units, error);
                Ok(())
            }
        }
    }

    fn drop_failed(&self, units: Vec<Unit>) -> Vec<Unit> {
        let mut kept = Vec::with_capacity(units.len());

        for unit in units {
            match self.failed_epochs.get(&unit.shard) {
                Some(failed) if unit.epoch <= *failed => {
                    let reason = StoreError::StaleEpoch {
                        shard: unit.shard,
                        held: unit.epoch,
                        current: failed + 1,
                    };
                    (unit.completion)(Fate::Dropped(Arc::new(reason)));
                }
                _ => kept.push(unit),
            }
        }

        kept
    }

    /// Takes out the unit that was found wrong. Units of its shard before it are committed, as if
    /// it had not been in the batch; later ones rest on it and are dropped. Gives back what is
    /// left: the units of other shards.
    fn isolate(&mut self, refused: Refused) -> Vec<Unit> {
        let mut found = Vec::new();
        let mut later = Vec::new();

        let mut parts = refused.split();
        let mut others = std::mem::take(&mut parts.others);

        // Another one may be found among those before it. Then that one comes first.
        loop {
            found.extend(parts.culprit);
            later.push(parts.later);
            match self.try_to_commit(parts.before) {
                Ok(()) => break,
                Err(refused) => parts = refused.split(),
            }
        }

        for (unit, error) in found.into_iter().rev() {
            self.refuse(unit, error);
        }

        for units in later.into_iter().rev() {
            others.extend(self.drop_failed(units));
        }

        others
    }

    /// Refuses a unit that was found wrong, unless one before it has failed: then it rested on
    /// what will never be, and is dropped with the others.
    fn refuse(&mut self, unit: Unit, error: StoreError) {
        let Some(culprit) = self.drop_failed(vec![unit]).pop() else {
            return;
        };

        tracing::warn!(shard = %culprit.shard, error = %error, "a unit is refused, its shard reloads");
        self.instruments.culprits.increment(1);
        self.failed_epochs.insert(culprit.shard, culprit.epoch);
        (culprit.completion)(Fate::Culprit(Arc::new(error)));
    }

    fn fail_all(&mut self, units: Vec<Unit>, error: StoreError) {
        tracing::error!(service = %self.parts.service, error = %error, "a commit failed, its shards reload");
        let error = Arc::new(error);
        for unit in units {
            let failed = self.failed_epochs.entry(unit.shard).or_insert(unit.epoch);
            *failed = unit.epoch.max(*failed);
            (unit.completion)(Fate::Dropped(Arc::clone(&error)));
        }
    }

    fn succeed(&mut self, units: Vec<Unit>) {
        self.instruments
            .units
            .increment(u64::try_from(units.len()).unwrap_or(0));

        let mut messages = Vec::new();
        let mut completions = Vec::with_capacity(units.len());

        for unit in units {
            if let Some(outgoing) = unit.outgoing {
                self.unnoted.insert(unit.shard, unit.epoch);
                self.tails.grow(unit.shard, outgoing.last_sequence());
                messages.extend(outbox::from_outgoing(unit.shard, outgoing));
            }
            if let Some(durable) = self.parts.durable.get(usize::from(unit.shard.number)) {
                durable.store(unit.ticket, Ordering::Release);
            }
            completions.push(unit.completion);
        }

        self.instruments
            .published
            .increment(u64::try_from(messages.len()).unwrap_or(0));

        self.parts.log.publish(messages);

        for completion in completions {
            completion(Fate::Durable);
        }
    }

    /// Which shards' published positions are to be noted with the next commit.
    fn due_note(&self) -> Vec<(ShardId, u64, Heads)> {
        if self.noted_at.elapsed() < NOTE_PUBLISHED_EVERY {
            Vec::new()
        } else {
            self.note()
        }
    }

    fn note(&self) -> Vec<(ShardId, u64, Heads)> {
        self.unnoted
            .iter()
            .map(|(shard, epoch)| (*shard, *epoch, self.parts.log.heads_of(*shard)))
            .collect()
    }

    fn noted(&mut self, note: &Note) {
        if !note.is_empty() {
            self.noted_at = Instant::now();
            self.unnoted.clear();
        }
    }

    fn note_published_at_end(&mut self) {
        let note = self.note();
        if let Err(Failure::Unit { error, .. } | Failure::Batch(error)) =
            self.writer.write(&[], &note, None, false)
        {
            tracing::warn!(service = %self.parts.service, error = %error, "the published positions are not noted");
        }
    }
}

/// A batch of which nothing was written, because the data of one unit are wrong.
struct Refused {
    units: Vec<Unit>,
    index: usize,
    error: StoreError,
}

/// The units of such a batch, by what is to become of them.
struct Split {
    /// Of the culprit's shard, what came before it.
    before: Vec<Unit>,
    culprit: Option<(Unit, StoreError)>,
    /// Of the culprit's shard, what came after it.
    later: Vec<Unit>,
    /// Of other shards.
    others: Vec<Unit>,
}

impl Refused {
    fn split(self) -> Split {
        let shard = self.units.get(self.index).map(|unit| unit.shard);

        let mut split = Split {
            before: Vec::new(),
            culprit: None,
            later: Vec::new(),
            others: Vec::with_capacity(self.units.len()),
        };

        let mut error = Some(self.error);

        for (index, unit) in self.units.into_iter().enumerate() {
            if Some(unit.shard) != shard {
                split.others.push(unit);
            } else if index < self.index {
                split.before.push(unit);
            } else if let Some(error) = error.take() {
                split.culprit = Some((unit, error));
            } else {
                split.later.push(unit);
            }
        }

        split
    }
}

/// The unit, and those that follow it up to the first other work.
fn gather(first: Unit, work: &mut VecDeque<Work>) -> Vec<Unit> {
    let mut units = vec![first];
    while units.len() < MAX_BATCH {
        match work.pop_front() {
            Some(Work::Unit(unit)) => units.push(unit),
            Some(other) => {
                work.push_front(other);
                break;
            }
            None => break,
        }
    }
    units
}
