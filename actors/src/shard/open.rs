//! Opening a shard, and reloading it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use metrics::{counter, gauge};
use sagas::ShardId;
use sagas::mistakes::{Mistake, makes};
use store::{Delivery, InboxPositions, StoreError, shards};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::bound::BoundKeys;
use super::bulk::BulkRequests;
use super::catching_up::CatchUp;
use super::early::EarlyQuestions;
use super::noted::NotedActions;
use super::parked::ParkedMessages;
use super::timers::{MANY, Timers};
use super::{Instruments, Parts, Shard};
use crate::entities::{Entities, wants};
use crate::entity::Entity;
use crate::metric_names as names;

const FIRST_BACK_OFF: Duration = Duration::from_millis(20);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(5);
/// A reload within this time of another one counts as one of a row.
const RELOADS_IN_A_ROW: Duration = Duration::from_secs(30);
/// Who leaves a shard waits at most this long for what it has submitted.
const SETTLES_WITHIN: Duration = Duration::from_secs(2);

impl<E: Entity> Shard<E> {
    pub(crate) fn new(parts: Parts<E>, entities: Entities<E>) -> Self {
        let (return_to, returned) = mpsc::unbounded_channel();
        let service = parts.shard.service.name();
        let label = || [("service", service)];
        let number = parts.shard.number.to_string();

        let instruments = Instruments {
            applied: counter!(names::INBOX_APPLIED, &label()),
            duplicates: counter!(names::INBOX_DUPLICATES, &label()),
            gaps: counter!(names::INBOX_GAPS, &label()),
            parked: counter!(names::MESSAGES_PARKED, &label()),
            quarantined: counter!(names::MESSAGES_QUARANTINED, &label()),
            panics: counter!(names::ACTOR_PANICS, &label()),
            reloads: counter!(names::SHARD_RELOADS, &label()),
            live: gauge!(names::ACTORS_LIVE, "service" => service, "shard" => number),
        };

        let number = parts.shard.number;
        let heard: BTreeSet<_> = E::HANDLERS
            .iter()
            .map(|handler| ShardId::new(handler.of, number))
            .collect();

        Shard {
            parts,
            entities,
            deliveries: nothing_arrives(),
            passed_over: Arc::default(),
            returned,
            return_to,
            epoch: 0,
            next_sequence: 1,
            ticket: 0,
            positions: InboxPositions::new(),
            heard: heard.into_iter().collect(),
            unheard: None,
            passed: BTreeSet::new(),
            expected: InboxPositions::new(),
            parked: ParkedMessages::default(),
            refusals: HashMap::new(),
            timers: Timers::default(),
            waiting: BTreeMap::new(),
            may_have_ended: false,
            again: VecDeque::new(),
            early: EarlyQuestions::default(),
            has_claimed: false,
            bulk: BulkRequests::default(),
            noted: NotedActions::default(),
            bound: BoundKeys::default(),
            broken: None,
            is_over: false,
            reloads: Reloads::default(),
            catch_up: CatchUp::default(),
            in_hand: None,
            now: sagas::Timestamp::default(),
            checked_at: Instant::now(),
            instruments,
        }
    }

    /// Takes the shard over and reads its state, and repeats that until it succeeds; false when its
    /// tenure ends meanwhile.
    pub(super) async fn open(&mut self) -> bool {
        let mut back_off = FIRST_BACK_OFF;
        let mut tenure = self.parts.tenure.clone();
        let mut must_be_confirmed = false;
        loop {
            // Whatever a node was told once, it takes over only what is its own now: nobody else's
            // since, or confirmed.
            let held = self.held().filter(|_| !must_be_confirmed);
            if held.is_some() || tenure.is_confirmed().await {
                let taken = tokio::select! {
                    biased;
                    () = tenure.ends() => return false,
                    taken = self.take_over(held) => taken,
                };
                match taken {
                    Ok(()) => {
                        self.tell(true, |parts| &parts.open);
                        self.tell_trouble(None);
                        return true;
                    }
                    Err(StoreError::Closed { .. }) => {
                        self.is_over = true;
                        return false;
                    }
                    // Another node has taken it over, or it was this one without hearing of it.
                    Err(StoreError::StaleEpoch { .. }) if held.is_some() => {
                        must_be_confirmed = true;
                        continue;
                    }
                    Err(error) => self.cannot_open(error.chain()),
                }
            } else {
                // As it should be while shards move. One that somebody else has taken over is not
                // served here any more, and readiness says so.
                tracing::debug!(shard = %self.parts.shard, "the shard is not confirmed");
                self.tell(false, |parts| &parts.open);
                self.tell_trouble(Some("nobody confirms that it is this node's".to_owned()));
            }

            if !tenure.pause(back_off).await {
                return false;
            }
            back_off = (back_off * 2).min(LONGEST_BACK_OFF);
        }
    }

    /// The epoch at which this node has held the shard in this tenure, if it has.
    fn held(&self) -> Option<u64> {
        (self.has_claimed && self.epoch > 0).then_some(self.epoch)
    }

    fn cannot_open(&self, cause: String) {
        tracing::warn!(
            shard = %self.parts.shard, error = %cause,
            "the shard cannot be opened yet"
        );
        self.tell_trouble(Some(cause));
    }

    /// Drops everything in memory and begins again from what is durable. The claim passes through
    /// the journal behind all units submitted before, so that their fates are known when it
    /// answers. Reloads in a row wait, longer each time.
    pub(super) async fn reload(&mut self) -> bool {
        if let Some(cause) = self.broken.take() {
            tracing::warn!(shard = %self.parts.shard, cause, "the shard reloads");
            self.tell_trouble(Some(cause));
        }
        self.instruments.reloads.increment(1);
        self.parts.status.reloads.fetch_add(1, Ordering::Relaxed);
        self.entities.forget();

        let durable = self.parts.journal.durable(self.parts.shard);
        let delay = self.reloads.next(Instant::now(), durable);
        if !self.parts.tenure.pause(delay).await || !self.open().await {
            return false;
        }

        self.take_returned();
        self.give_followers_back();
        // What came back belongs to the epoch before, which is over.
        self.broken = None;
        self.may_have_ended = true;
        true
    }

    /// Lets go of a shard that is no longer this node's. What was submitted becomes durable, or has
    /// failed, before the next owner may find it; a journal that stands still is not waited for,
    /// because the epoch keeps its commits out.
    pub(super) async fn leave(&mut self) {
        self.tell(false, |parts| &parts.open);
        if self.has_claimed {
            // Whether it settled or not, what is durable is decided by the epoch.
            let _ = tokio::time::timeout(SETTLES_WITHIN, self.settle()).await;
        }

        self.deliveries = nothing_arrives();
        self.take_returned();
        while let Ok(request) = self.parts.requests.try_recv() {
            self.again.push_back(request);
        }
        for request in std::mem::take(&mut self.again) {
            self.turn_away(request);
        }

        // Whoever waits for the end of a saga hears nothing more from here, and asks the next
        // owner.
        self.waiting.clear();
        if !makes(Mistake::MemoryKeptOnLeave) {
            self.entities.forget();
        }
        self.parked = ParkedMessages::default();
        self.bulk = BulkRequests::default();
        self.noted = NotedActions::default();
        self.bound = BoundKeys::default();
        self.timers.clear();
        self.refusals.clear();
        self.expected.clear();
        self.catch_up = CatchUp::default();
        self.broken = None;
        self.tell_trouble(None);
        self.keep_in_bounds();
        self.has_claimed = false;
        self.epoch = 0;
        self.tell(false, |parts| &parts.held);
        tracing::info!(shard = %self.parts.shard, "the shard is another node's now");
    }

    /// Tells that the shard is one of these, or no longer.
    fn tell(&self, is_one: bool, which: fn(&Parts<E>) -> &watch::Sender<BTreeSet<ShardId>>) {
        let shard = self.parts.shard;
        which(&self.parts).send_if_modified(|shards| match is_one {
            true => shards.insert(shard),
            false => shards.remove(&shard),
        });
    }

    fn tell_trouble(&self, cause: Option<String>) {
        let trouble = self.parts.status.trouble.lock();
        // Nothing panics while it holds the lock.
        *trouble.unwrap_or_else(PoisonError::into_inner) = cause;
    }

    /// Raises the epoch and reads the state; with `held` only if the shard is still at that epoch.
    async fn take_over(&mut self, held: Option<u64>) -> Result<(), StoreError> {
        let shard = self.parts.shard;
        // Subscribed before the positions are read: what is sent from now on arrives, and what was
        // sent before is behind the heads.
        if self.deliveries.is_closed() {
            let heard = self.parts.log.listen(shard, &self.heard, wants::<E>);
            self.deliveries = heard.deliveries;
            self.passed_over = heard.passed;
        }

        self.has_claimed = true;
        self.tell(true, |parts| &parts.held);
        let node = &self.parts.node;
        let claim = self.parts.journal.claim(shard, node, held).await?;
        // It is held from here on, whatever can be read of it.
        self.epoch = claim.epoch;
        let state = shards::load(&self.parts.database, shard).await?;
        if self.next_sequence == 1 || !makes(Mistake::SequenceNotReread) {
            self.next_sequence = claim.next_sequence;
        }

        if self.positions.is_empty() || !makes(Mistake::PositionsNotReread) {
            self.positions = state.positions;
        }
        self.passed.clear();
        self.now = self.parts.clock.now();
        // Messages on their way when the shard closed do not come by themselves: the first check
        // reads them.
        self.catch_up_from_now();

        let heads = match makes(Mistake::ParkedForgotten) {
            true => Vec::new(),
            false => state.parked,
        };
        self.bulk = BulkRequests::default();
        self.noted = NotedActions::default();
        self.bound = BoundKeys::default();
        self.parked = ParkedMessages::new(heads, state.last_parked_place, self.now);
        self.timers.clear();
        for stored in state.timers {
            if makes(Mistake::TimersForgotten) {
                continue;
            }
            self.timers.restore(&stored, self.now);
        }
        for (saga, waits_for) in self.entities.stuck_sagas(MANY).await? {
            self.timers.is_stuck(saga.0, Some(waits_for));
        }
        tracing::debug!(shard = %shard, epoch = claim.epoch, "the shard is open");

        Ok(())
    }
}

/// What a shard that is not open receives.
fn nothing_arrives() -> mpsc::Receiver<Delivery> {
    mpsc::channel(1).1
}

/// Counts reloads, so that those that bring nothing wait ever longer.
#[derive(Debug, Default)]
pub(super) struct Reloads {
    last: Option<Instant>,
    /// The ticket up to which units were durable at the last one.
    durable: u64,
    without_progress: u32,
}

impl Reloads {
    /// How long the next one waits: not at all when it is the first for a while; shortly when units
    /// have become durable since the last one; twice as long each time when none has.
    fn next(&mut self, now: Instant, durable: u64) -> Duration {
        let soon = |last: Instant| now.duration_since(last) < RELOADS_IN_A_ROW;
        let in_a_row = self.last.is_some_and(soon);
        let progress = durable > self.durable;
        self.last = Some(now);
        self.durable = durable;

        if !in_a_row {
            self.without_progress = 0;
            return Duration::ZERO;
        }
        self.without_progress = match progress {
            true => 0,
            false => self.without_progress.saturating_add(1),
        };

        FIRST_BACK_OFF
            .saturating_mul(2u32.saturating_pow(self.without_progress))
            .min(LONGEST_BACK_OFF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reloads_that_bring_nothing_wait_ever_longer() {
        let mut reloads = Reloads::default();
        let start = Instant::now();
        let delays: Vec<_> = (0..12).map(|_| reloads.next(start, 0)).collect();
        assert_eq!(delays[..4], [0, 40, 80, 160].map(Duration::from_millis));
        assert_eq!(delays[11], LONGEST_BACK_OFF);

        assert_eq!(reloads.next(start, 1), FIRST_BACK_OFF);
        assert_eq!(reloads.next(start + RELOADS_IN_A_ROW, 1), Duration::ZERO);
    }
}
