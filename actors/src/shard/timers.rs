//! The timers of a shard: when which saga is to be woken, and how many sagas wait for whom. An
//! entity that waits by itself, in a choreography, counts as a saga does.
//!
//! A timer is a row of its own, committed with the unit that sets it. In memory it is due when the
//! clock says so, but never later than its patience allows, counted from when it was set or read: a
//! clock that steps back must not turn seconds into hours.

use std::collections::BTreeSet;
use std::time::Duration;

use foldhash::HashMap;
use sagas::Timestamp;
use sagas::mistakes::{Mistake, makes};
use store::timers::{StoredTimer, TimerChange, TimerSet};
use uuid::Uuid;

/// At most this many open sagas wait for one entity: when its service does not keep up, or its
/// messages are in quarantine, the shard refuses new ones.
const WAITING_FOR_ONE: usize = 1024;
/// With more open sagas than this in a shard, only entities that few wait for get more.
pub(super) const MANY: usize = 4_096;
/// A shard has at most this many open sagas.
const MOST: usize = 16_384;
/// A shard wakes at most this many sagas in one turn.
const AT_ONCE: usize = 256;
/// How many those may have then.
const WAITING_FOR_ONE_OF_MANY: usize = 16;

const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
struct Set {
    /// When it is due by the clock of this process.
    due: Timestamp,
    /// As its row has it.
    wake_at: Timestamp,
    waits_for: Uuid,
    /// Whether it may be one of an entity that waits by itself. Of one that was read nobody knows.
    by_itself: bool,
}

impl Set {
    /// Whether it may be an entity that waits by itself, due since a later time.
    fn is_ahead_of(&self, level: Timestamp) -> bool {
        self.by_itself && self.due > level
    }

    /// It is due within its patience from now.
    fn new(set: &TimerSet, by_itself: bool, now: Timestamp) -> Self {
        Set {
            by_itself,
            due: match makes(Mistake::StepBackUnbounded) {
                true => set.wake_at,
                false => set.wake_at.min(now.after(set.patience)),
            },
            wake_at: set.wake_at,
            waits_for: set.waits_for,
        }
    }
}

/// The timers in memory, as the rows have them.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Timestamp, Uuid)>,
    set: HashMap<Uuid, Set>,
    waiting_for: HashMap<Uuid, usize>,
    /// Sagas that nobody wakes, until an operator does, and whom each waits for.
    stuck: HashMap<Uuid, Uuid>,
    /// How often in a row waking a saga has failed. Kept over reloads.
    failures: HashMap<Uuid, u32>,
}

impl Timers {
    /// How many sagas have a timer.
    pub(super) fn len(&self) -> usize {
        self.set.len()
    }

    /// Whether a saga has one. One that goes on by itself does.
    pub(super) fn has(&self, id: Uuid) -> bool {
        self.set.contains_key(&id)
    }

    /// Whether a saga that will wait for this entity may begin. It refuses whoever has too many
    /// open; others go on all the same.
    pub(super) fn has_room_for(&self, entity: Uuid) -> bool {
        let waiting = self.waiting_for.get(&entity).copied().unwrap_or(0);
        let few = self.len() < MANY || waiting < WAITING_FOR_ONE_OF_MANY;
        waiting < WAITING_FOR_ONE && few && self.len() < MOST
    }

    /// Sets, moves or removes the timer of a saga, or of an entity that waits by itself.
    pub(super) fn set(&mut self, timer: &TimerChange, by_itself: bool, now: Timestamp) {
        let id = timer.id;
        self.remove(id);
        if let Some(set) = &timer.set {
            self.insert(id, Set::new(set, by_itself, now));
        }
    }

    /// A saga is stuck, and waits for this entity; or it is not, or no longer. A stuck one keeps
    /// its place among those that wait: its entity would get ever more of them otherwise.
    pub(super) fn is_stuck(&mut self, saga: Uuid, waits_for: Option<Uuid>) {
        let before = match waits_for {
            Some(waits_for) => {
                *self.waiting_for.entry(waits_for).or_insert(0) += 1;
                self.stuck.insert(saga, waits_for)
            }
            None => self.stuck.remove(&saga),
        };
        if let Some(before) = before {
            self.waits_no_longer_for(before);
        }
    }

    /// Waking a saga has failed: it is due again, as its row still says, but later each time.
    /// Gives the time until then.
    pub(super) fn put_off(&mut self, id: Uuid, now: Timestamp) -> Option<Duration> {
        let failures = self.failures.entry(id).or_insert(0);
        *failures = failures.saturating_add(1);
        let delay = back_off(*failures);

        let set = self.remove(id)?;
        self.insert(
            id,
            Set {
                due: now.after(delay),
                ..set
            },
        );
        Some(delay)
    }

    /// A saga has been woken, and what came of it is durable.
    pub(super) fn woken(&mut self, id: Uuid) {
        self.failures.remove(&id);
    }

    /// Some of the sagas to wake now, the longest overdue first, each with the time that its timer
    /// was set for. They keep their timers until they say what comes next. Entities that wait by
    /// themselves are left out if they are due since a later time than `level`.
    pub(super) fn due(&self, now: Timestamp, level: Timestamp) -> Vec<(Uuid, Timestamp)> {
        let due = self.overdue(now).filter(|(_, set)| !set.is_ahead_of(level));
        let due = due.take(AT_ONCE);
        due.map(|(id, set)| (id, set.wake_at)).collect()
    }

    /// Whether some are left out so.
    pub(super) fn is_ahead_of(&self, level: Timestamp, now: Timestamp) -> bool {
        self.overdue(now).any(|(_, set)| set.is_ahead_of(level))
    }

    fn overdue(&self, now: Timestamp) -> impl Iterator<Item = (Uuid, &Set)> {
        let due = self.due.iter().take_while(move |(due, _)| *due <= now);
        due.filter_map(|(_, id)| Some((*id, self.set.get(id)?)))
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Drops all timers. Remembers what has failed, so that a reload does not make it due at once.
    pub(super) fn clear(&mut self) {
        self.due.clear();
        self.set.clear();
        self.stuck.clear();
        self.waiting_for.clear();
    }

    /// Takes in a timer that was read from its row. One whose waking has failed is not due before
    /// its delay is over.
    pub(super) fn restore(&mut self, timer: &StoredTimer, now: Timestamp) {
        let id = timer.id;
        let mut set = Set::new(&timer.set, true, now);
        if let Some(failures) = self.failures.get(&id) {
            set.due = set.due.max(now.after(back_off(*failures)));
        }

        self.remove(id);
        self.insert(id, set);
    }

    fn insert(&mut self, id: Uuid, set: Set) {
        self.due.insert((set.due, id));
        *self.waiting_for.entry(set.waits_for).or_insert(0) += 1;
        self.set.insert(id, set);
    }

    fn remove(&mut self, id: Uuid) -> Option<Set> {
        let set = self.set.remove(&id)?;
        self.due.remove(&(set.due, id));
        self.waits_no_longer_for(set.waits_for);
        Some(set)
    }

    fn waits_no_longer_for(&mut self, entity: Uuid) {
        if let Some(waiting) = self.waiting_for.get_mut(&entity) {
            *waiting -= 1;
            if *waiting == 0 {
                self.waiting_for.remove(&entity);
            }
        }
    }
}

fn back_off(failures: u32) -> Duration {
    FIRST_BACK_OFF
        .saturating_mul(2u32.saturating_pow(failures.saturating_sub(1)))
        .min(LONGEST_BACK_OFF)
}

#[cfg(test)]
mod tests;
