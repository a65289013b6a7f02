//! Catching up: before its timers are due, a shard reads what was sent to it until then.
//!
//! A timer says that no answer has come. Answers that are durable already are read before, so
//! timers rest when the shard has opened and when it has stood still, until it has read what there
//! was at that moment. An entity that waits by itself hears in two hops, the first of them in
//! another shard, which may have been closed or stood still: its deadline rests until all have read
//! what there was when it was due.

use std::time::Duration;

use sagas::Timestamp;
use store::{InboxPositions, SourceStream};
use tokio::time::Instant;

use super::Shard;
use crate::entity::Entity;

/// A shard waits this long for the others to open; then it goes by what is known of them.
const OTHERS_OPEN_WITHIN: Duration = Duration::from_secs(5);
/// In the place of a head that may not be the newest: the next check reads from that source,
/// whatever is known of it.
const LOOK_THERE: u64 = u64::MAX;
/// Timers rest no longer when nothing of what the shard lacks has come for this long.
const NOTHING_COMES_FOR: Duration = Duration::from_secs(10);

/// How far a shard has caught up with what others sent before.
#[derive(Debug, Default)]
pub(super) struct CatchUp {
    stage: Stage,
    /// Up to this time, by the clock, what others sent is to be read.
    begun_at: Timestamp,
    /// And up to this it has been.
    level_at: Timestamp,
    /// The store of another service has not answered when it was looked at last.
    held_up: bool,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Done,
    /// Other shards may not be open, or may not have heard everything yet.
    Others(Instant),
    /// What the others have sent when they had heard everything may not be known of yet.
    LooksAgain(Instant),
    /// It reads up to these heads.
    Reading {
        /// When it came closer last.
        since: Instant,
        /// How much it lacked then, in sequences.
        lacked: u64,
        target: InboxPositions,
    },
}

impl CatchUp {
    /// Up to which time it is known that nothing is to be read any more.
    pub(super) fn level_at(&self) -> Timestamp {
        self.level_at
    }

    /// Notes whether all outboxes have answered the last check.
    pub(super) fn is_held_up(&mut self, held_up: bool) {
        self.held_up = held_up;
    }

    /// Whether it is worth while to look again soon.
    pub(super) fn gets_on(&self) -> bool {
        !self.is_done() && !self.held_up
    }

    fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    fn reading(target: InboxPositions) -> Stage {
        Stage::Reading {
            since: Instant::now(),
            lacked: u64::MAX,
            target,
        }
    }
}

impl<E: Entity> Shard<E> {
    /// Timers rest from now on, until what others have sent by now is read.
    pub(super) fn catch_up_from_now(&mut self) {
        self.unheard = None;
        self.expected = self.heads();
        if !self.parts.log.has_exact_heads() {
            self.look_at_all_sources();
        }
        self.catch_up.begun_at = self.now;
        self.catch_up.held_up = false;
        self.catch_up.stage = Stage::Others(Instant::now());
    }

    /// The next check reads from this source, whatever is known of it.
    pub(super) fn look_there(&mut self, stream: SourceStream) {
        self.expected.insert(stream, LOOK_THERE);
    }

    /// Whether timers rest.
    pub(super) fn is_catching_up(&self) -> bool {
        !self.catch_up.is_done()
    }

    /// Checks how far the shard has caught up with what others sent.
    pub(super) async fn look_behind(&mut self) {
        match self.catch_up.stage {
            Stage::Others(since) => {
                let waits = self.looks_at_sources() && since.elapsed() < NOTHING_COMES_FOR;
                if !waits && self.are_others_level(since).await {
                    self.look_at_what_others_sent(since);
                }
            }
            Stage::LooksAgain(since) => {
                if !self.looks_at_sources() || since.elapsed() >= NOTHING_COMES_FOR {
                    self.read_up_to_heads();
                }
            }
            Stage::Done | Stage::Reading { .. } => {}
        }

        if let Stage::Reading { target, .. } = &self.catch_up.stage {
            let lacks =
                |(stream, head): (&SourceStream, &u64)| head.saturating_sub(self.position(*stream));
            let lacking: u64 = target.iter().map(lacks).sum();
            self.come_closer(lacking);
        }
    }

    /// Whether the next check reads from sources of which it is not known how far they have come.
    fn looks_at_sources(&self) -> bool {
        self.expected.values().any(|head| *head == LOOK_THERE)
    }

    async fn are_others_level(&mut self, since: Instant) -> bool {
        let open = self.parts.log.knows_all_heads() || since.elapsed() >= OTHERS_OPEN_WITHIN;
        open && self.have_others_heard(since).await
    }

    fn look_at_what_others_sent(&mut self, since: Instant) {
        if self.parts.log.has_exact_heads() {
            self.read_up_to_heads();
        } else {
            self.look_at_all_sources();
            self.catch_up.stage = Stage::LooksAgain(since);
        }
    }

    fn look_at_all_sources(&mut self) {
        let heads = self.expected.values_mut();
        heads.for_each(|head| *head = LOOK_THERE);
    }

    fn read_up_to_heads(&mut self) {
        let target = self.heads();
        self.expected.clone_from(&target);
        self.catch_up.stage = CatchUp::reading(target);
    }

    /// Notes how much is still lacking. When nothing more comes for a while, nothing will.
    fn come_closer(&mut self, lacking: u64) {
        let Stage::Reading { since, lacked, .. } = &mut self.catch_up.stage else {
            return;
        };

        if lacking < *lacked {
            (*since, *lacked) = (Instant::now(), lacking);
        }
        if lacking == 0 || since.elapsed() >= NOTHING_COMES_FOR {
            self.catch_up.stage = Stage::Done;
            self.catch_up.level_at = self.catch_up.begun_at;
        }
    }
}
