//! Opening a shard, and reloading it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use metrics::{counter, gauge};
use store::{Destination, StoreError, shards};
use tokio::sync::mpsc;

use super::logic::Logic;
use super::parked::ParkedMessages;
use super::{Instruments, Parts, Shard};
use crate::metric_names as names;

const FIRST_BACK_OFF: Duration = Duration::from_millis(20);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(5);

impl<L: Logic> Shard<L> {
    pub(crate) fn new(parts: Parts, logic: L) -> Self {
        let deliveries = parts
            .log
            .subscribe(Destination::Shard(parts.shard))
            .deliveries;

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

        Shard {
            parts,
            logic,
            deliveries,
            returned,
            return_to,
            epoch: 0,
            next_sequence: 1,
            ticket: 0,
            positions: store::Positions::new(),
            expected: store::Positions::new(),
            parked: ParkedMessages::default(),
            refusals: HashMap::new(),
            timers: BTreeSet::new(),
            timer_of: HashMap::new(),
            waiting: HashMap::new(),
            again: VecDeque::new(),
            broken: None,
            instruments,
        }
    }

    /// Takes the shard over and reads its state, as often as it takes; false when the node stops
    /// meanwhile.
    pub(super) async fn open(&mut self) -> bool {
        let mut back_off = FIRST_BACK_OFF;
        loop {
            match self.take_over().await {
                Ok(()) => return true,
                Err(StoreError::Closed { .. }) => return false,
                Err(error) => {
                    tracing::warn!(shard = %self.parts.shard, error = %error, "the shard cannot be opened yet");
                }
            }
            tokio::select! {
                _ = self.parts.stop.wait_for(|stop| *stop) => return false,
                () = tokio::time::sleep(back_off) => back_off = (back_off * 2).min(LONGEST_BACK_OFF),
            }
        }
    }

    /// Drops everything in memory and begins again from what is durable. The claim passes through
    /// the journal behind all units submitted before, so that the fate of each is known when it
    /// answers.
    pub(super) async fn reload(&mut self) -> bool {
        if let Some(error) = self.broken.take() {
            tracing::warn!(shard = %self.parts.shard, error = %error, "the shard reloads");
        }
        self.instruments.reloads.increment(1);
        self.logic.forget();
        if !self.open().await {
            return false;
        }
        self.take_returned();
        // What came back belongs to the epoch before, which is over.
        self.broken = None;
        true
    }

    async fn take_over(&mut self) -> Result<(), StoreError> {
        let shard = self.parts.shard;
        let claim = self.parts.journal.claim(shard, &self.parts.node).await?;
        let state = shards::load(&self.parts.database, shard).await?;
        self.epoch = claim.epoch;
        self.next_sequence = claim.next_sequence;

        self.positions = state.positions;
        // What was on its way when the shard closed does not come by itself: the first check reads
        // it.
        let heads = self.parts.log.sources().into_iter();

        self.expected = heads
            .map(|source| {
                (
                    source,
                    self.parts.log.head(source, Destination::Shard(shard)),
                )
            })
            .collect();

        self.parked = ParkedMessages::new(state.parked);
        self.timers.clear();
        self.timer_of.clear();

        for (saga, wake_at) in state.timers {
            self.set_timer(saga, Some(wake_at));
        }

        tracing::debug!(shard = %shard, epoch = claim.epoch, "the shard is open");

        Ok(())
    }
}
