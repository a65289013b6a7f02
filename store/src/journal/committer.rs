//! Commits batches and publishes them, and finds out what became of each unit when a commit fails.
//!
//! Nothing that is called from here can take it down: a panic of the commit store, of the log or of
//! a completion is caught around that one call, while the units are still in hand, and each of them
//! is told its fate. What was under way is undone, or known to have happened; the shards concerned
//! reload.

mod culprits;
mod notes;
mod refused;

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use sagas::mistakes::{Mistake, makes};
use sagas::{Service, ShardId, Timestamp};
use tokio::time::Instant;

use super::commit_store::{Batch, Claim, CommitStore, Failure, Prune, Pruned};
use super::instruments::Instruments;
use super::pruning_pace::PruningPace;
use super::standing::Watch;
use super::thread::Parts;
use crate::log::Publisher;
use crate::unit::{Completion, Fate, Unit};
use crate::{StoreError, outbox};
use refused::Refused;

/// After this many panics without a commit between them the journal does not go on.
const PANICS_IN_A_ROW: u32 = 5;

pub(super) struct Committer {
    service: Service,
    store: Box<dyn CommitStore>,
    log: Arc<dyn Publisher>,
    durable: Arc<[AtomicU64]>,
    watch: Arc<Watch>,
    /// The epoch at which each shard was last claimed here.
    held: BTreeMap<ShardId, u64>,
    /// Per shard, the newest epoch that has failed: units of it and of older ones are dropped.
    failed_epochs: HashMap<ShardId, u64>,
    /// Shards with messages published since it was last noted, and the epoch they are held at.
    unnoted: BTreeMap<ShardId, u64>,
    noted_at: Instant,
    pace: PruningPace,
    panics_in_a_row: u32,
    instruments: Instruments,
}

/// What was called has panicked.
struct Panicked;

impl Committer {
    pub(super) fn new(store: Box<dyn CommitStore>, parts: Parts) -> Self {
        Committer {
            instruments: Instruments::of(parts.service),
            service: parts.service,
            store,
            log: parts.log,
            durable: parts.durable,
            watch: parts.watch,
            held: BTreeMap::new(),
            failed_epochs: HashMap::new(),
            unnoted: BTreeMap::new(),
            noted_at: Instant::now(),
            pace: PruningPace::default(),
            panics_in_a_row: 0,
        }
    }

    /// Why the journal should end, if it should.
    pub(super) fn cannot_go_on(&self) -> Option<String> {
        let too_many = self.panics_in_a_row >= PANICS_IN_A_ROW;
        too_many.then(|| format!("it panicked {PANICS_IN_A_ROW} times without a commit in between"))
    }

    pub(super) fn note_backlog(&self, units: usize) {
        self.instruments
            .backlog
            .set(u32::try_from(units).map_or(f64::MAX, f64::from));
    }

    pub(super) async fn claim(
        &mut self,
        shard: ShardId,
        owner: &str,
        held: Option<u64>,
    ) -> Result<Claim, StoreError> {
        let patience = self.watch.begin("taking a shard over");
        let claimed =
            answer_of(async || self.store.claim(shard, owner, held, &patience).await).await;
        let claim = self.answered(claimed, |_| true).await?;

        self.held.insert(shard, claim.epoch);
        self.log.restore(shard, claim.published, &claim.heads);
        if claim.published < claim.heads.published() {
            self.unnoted.insert(shard, claim.epoch);
        }

        Ok(claim)
    }

    /// Removes commands and replies, never any that may not be published. A shard that is not held
    /// here is left alone.
    pub(super) async fn prune(
        &mut self,
        shard: ShardId,
        up_to: u64,
        before: Timestamp,
    ) -> Result<Pruned, StoreError> {
        let published = self.log.acknowledged(shard).map(|heads| heads.published());
        let (Some(epoch), Some(published)) = (self.held.get(&shard), published) else {
            return Ok(Pruned::default());
        };

        let prune = Prune {
            shard,
            epoch: *epoch,
            up_to: up_to.min(published),
            before,
            rows: self.pace.rows(),
        };

        let begun = Instant::now();
        let patience = self.watch.begin("removing old messages");
        let pruned = answer_of(async || self.store.prune(&prune, &patience).await).await;
        let pruned = self.answered(pruned, |pruned| pruned.rows > 0).await?;

        self.pace.pruned(pruned, begun.elapsed());
        self.instruments
            .pruned
            .increment(u64::try_from(pruned.rows).unwrap_or(0));

        Ok(pruned)
    }

    /// Tells the watch how a claim or a prune has ended, and whether it has written.
    async fn answered<T>(
        &mut self,
        answer: Result<Result<T, StoreError>, Panicked>,
        has_written: impl FnOnce(&T) -> bool,
    ) -> Result<T, StoreError> {
        match answer {
            Ok(Ok(done)) => {
                if has_written(&done) {
                    self.watch.succeeded();
                } else {
                    self.watch.answered();
                }

                Ok(done)
            }
            Ok(Err(error)) => {
                self.failed(&error);
                Err(error)
            }
            Err(Panicked) => {
                self.watch.answered();
                self.recover().await;
                Err(self.panicked())
            }
        }
    }

    /// Commits units, in order. Returns when the fate of each is known and told.
    pub(super) async fn commit(&mut self, mut units: Vec<Unit>) {
        while let Err(refused) = self.try_to_commit(units).await {
            units = self.isolate(*refused).await;
        }
    }

    /// Commits units, in order. When one of them is found wrong nothing is committed, and all come
    /// back.
    async fn try_to_commit(&mut self, units: Vec<Unit>) -> Result<(), Box<Refused>> {
        let units = self.drop_failed(units);

        // One that writes nothing is written too: only then it is sure that its shard is still
        // held, and what it rests on may be told.
        if units.is_empty() {
            return Ok(());
        }

        let published = self.due_published();
        let batch = Batch {
            units: &units,
            published: &published,
        };

        let begun = Instant::now();
        let patience = self.watch.begin("a commit");
        let written = answer_of(async || self.store.write(&batch, &patience).await).await;
        let duration = begun.elapsed();
        self.instruments.seconds.record(duration);

        match written {
            // What has written nothing says nothing of whether the store can write.
            Ok(Ok(())) if batch.changes_nothing() => {
                self.watch.answered();
                self.succeed(units);
            }
            Ok(Ok(())) => {
                self.watch.succeeded();
                self.instruments.commits.increment(1);
                self.panics_in_a_row = 0;
                self.pace.committed(units.len(), duration);
                self.noted(&published);
                self.succeed(units);
            }
            Ok(Err(Failure::Unit { index, error })) => {
                self.watch.answered();
                return Err(Box::new(Refused {
                    units,
                    index,
                    error,
                }));
            }
            Ok(Err(Failure::Store(error))) => {
                self.failed(&error);
                self.fail_all(units, error);
            }
            Ok(Err(Failure::Unknown(_))) if makes(Mistake::UnknownTakenForDone) => {
                self.succeed(units);
            }
            Ok(Err(Failure::Unknown(error))) => {
                self.failed(&error);
                self.find_out(units, error).await;
            }
            Err(Panicked) if makes(Mistake::PanicTakenForDone) => {
                self.recover().await;
                self.succeed(units);
            }
            Err(Panicked) => {
                self.watch.answered();
                self.recover().await;
                self.find_out(units, self.panicked()).await;
            }
        }

        Ok(())
    }

    /// Asks the store whether a batch has happened. If it has not, `error` is why.
    async fn find_out(&mut self, units: Vec<Unit>, error: StoreError) {
        let patience = self.watch.begin("asking whether a commit has happened");
        let happened = answer_of(async || self.store.happened(&patience).await).await;
        self.watch.answered();

        match happened {
            Ok(Ok(true)) => self.succeed(units),
            Ok(Ok(false)) => self.fail_all(units, error),
            Ok(Err(_)) => self.fail_all(units, self.outcome_unknown()),
            Err(Panicked) => {
                self.recover().await;
                self.fail_all(units, self.outcome_unknown());
            }
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
                // Every tenth unit is left out.
                if makes(Mistake::PublishedOverAHole) && unit.ticket % 10 == 0 {
                    completions.push((unit.shard, unit.epoch, unit.completion));
                    continue;
                }
                self.unnoted.insert(unit.shard, unit.epoch);
                messages.extend(outbox::from_outgoing(unit.shard, outgoing));
            }
            if let Some(durable) = self.durable.get(usize::from(unit.shard.number)) {
                durable.store(unit.ticket, Ordering::Release);
            }
            completions.push((unit.shard, unit.epoch, unit.completion));
        }

        self.instruments
            .published
            .increment(u64::try_from(messages.len()).unwrap_or(0));

        if caught(|| self.log.publish(messages)).is_err() {
            return self.fail_published(completions);
        }

        for (_, _, completion) in completions {
            tell(completion, Fate::Durable);
        }
    }

    /// The log has panicked over messages that are durable. What it knows of their shards is right
    /// again when they are claimed anew.
    fn fail_published(&mut self, completions: Vec<(ShardId, u64, Completion)>) {
        self.count_panic();
        let error = Arc::new(self.outcome_unknown());
        for (shard, epoch, completion) in completions {
            self.fail_epoch(shard, epoch);
            tell(completion, Fate::Dropped(Arc::clone(&error)));
        }
    }

    fn failed(&self, error: &StoreError) {
        if error.is_transient() {
            self.watch.failed(error);
        } else {
            self.watch.answered();
        }
    }

    /// The store is to undo what it was doing when it panicked.
    async fn recover(&mut self) {
        self.count_panic();
        // It has no patience to keep to, but who waits for it must be able to see that.
        drop(self.watch.begin("undoing what a panic has left"));
        match answer_of(async || self.store.recover().await).await {
            Ok(Ok(())) => self.watch.answered(),
            Ok(Err(error)) => self.failed(&error),
            Err(Panicked) => {
                self.watch.answered();
                self.count_panic();
            }
        }
    }

    fn count_panic(&mut self) {
        self.panics_in_a_row += 1;
        self.instruments.panics.increment(1);
        tracing::error!(service = %self.service, "the journal panicked and begins anew");
    }

    /// While the journal closes, that is the reason for everything that is not done any more.
    fn reason(&self, error: StoreError) -> StoreError {
        if self.watch.is_closing() {
            StoreError::Closed {
                what: self.service.to_string(),
            }
        } else {
            error
        }
    }

    fn panicked(&self) -> StoreError {
        StoreError::Panicked {
            what: self.service.to_string(),
        }
    }

    fn outcome_unknown(&self) -> StoreError {
        StoreError::OutcomeUnknown {
            what: self.service.to_string(),
        }
    }
}

fn caught<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| Panicked)
}

/// What the store answers, if it does not panic first.
async fn answer_of<T>(call: impl AsyncFnOnce() -> T) -> Result<T, Panicked> {
    let call = AssertUnwindSafe(call());
    call.catch_unwind().await.map_err(|_| Panicked)
}

/// Tells a unit its fate. When its completion panics, only what that was to do is lost: the other
/// units learn their fates all the same.
pub(super) fn tell(completion: Completion, fate: Fate) {
    if caught(|| completion(fate)).is_err() {
        tracing::error!("a completion panicked");
    }
}
