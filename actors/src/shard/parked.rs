//! Messages that wait, by entity: the first of each is tried again when its time has come, those
//! behind it follow.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use domain::{MessageId, Timestamp};
use store::Message;
use store::parking::{Parked, ParkedState};
use uuid::Uuid;

/// After so many attempts a message is quarantined.
const ATTEMPTS: u32 = 5;
const FIRST_DELAY: Duration = Duration::from_millis(200);

/// The parked messages of a shard, in memory as in the table.
#[derive(Debug, Default)]
pub(super) struct ParkedMessages {
    by_entity: HashMap<Uuid, VecDeque<Parked>>,
    next_place: u64,
}

impl ParkedMessages {
    /// `parked` comes in the order of its places.
    pub(super) fn new(parked: Vec<Parked>) -> Self {
        let next_place = parked.last().map_or(1, |last| last.place + 1);
        let mut by_entity: HashMap<Uuid, VecDeque<Parked>> = HashMap::new();
        for parked in parked {
            by_entity
                .entry(parked.message.entity)
                .or_default()
                .push_back(parked);
        }
        ParkedMessages {
            by_entity,
            next_place,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_entity.values().map(VecDeque::len).sum()
    }

    /// Whether messages of the entity wait, so that later ones must wait behind them.
    pub(super) fn holds(&self, entity: Uuid) -> bool {
        self.by_entity.contains_key(&entity)
    }

    /// Takes in a message that has failed, or waits behind one that has (`cause` is absent then).
    pub(super) fn park(
        &mut self,
        message: Message,
        attempts: u32,
        cause: Option<String>,
        now: Timestamp,
    ) -> Parked {
        let state = state_after(attempts);

        let parked = Parked {
            place: self.next_place,
            state,
            attempts,
            next_attempt_at: next_attempt(state, attempts, cause.is_some(), now),
            cause,
            parked_at: now,
            version: 1,
            message,
        };

        self.next_place += 1;

        self.by_entity
            .entry(parked.message.entity)
            .or_default()
            .push_back(parked.clone());

        parked
    }

    /// When the next message is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.by_entity
            .values()
            .filter_map(|queue| queue.front().and_then(due_at))
            .min()
    }

    /// The messages that are due, one per entity. They stay until they are settled.
    pub(super) fn due(&self, now: Timestamp) -> Vec<Message> {
        let due = |queue: &VecDeque<Parked>| {
            let first = queue.front()?;
            due_at(first)
                .filter(|at| *at <= now)
                .map(|_| first.message.clone())
        };
        self.by_entity.values().filter_map(due).collect()
    }

    /// The first message of the entity has been processed, or dropped; the next one follows at
    /// once.
    pub(super) fn settle(&mut self, entity: Uuid) {
        if let Some(queue) = self.by_entity.get_mut(&entity) {
            queue.pop_front();
            if queue.is_empty() {
                self.by_entity.remove(&entity);
            }
        }
    }

    /// The first message of the entity has failed again.
    pub(super) fn failed_again(
        &mut self,
        entity: Uuid,
        cause: String,
        final_: bool,
        now: Timestamp,
    ) -> Option<Parked> {
        let first = self.by_entity.get_mut(&entity)?.front_mut()?;
        first.attempts = if final_ {
            ATTEMPTS.max(first.attempts + 1)
        } else {
            first.attempts + 1
        };

        first.state = state_after(first.attempts);
        first.next_attempt_at = next_attempt(first.state, first.attempts, true, now);
        first.cause = Some(cause);
        first.version += 1;

        Some(first.clone())
    }

    /// An operator has a quarantined message tried again.
    pub(super) fn replay(&mut self, id: MessageId, now: Timestamp) -> Option<Parked> {
        let parked = self
            .by_entity
            .values_mut()
            .flatten()
            .find(|parked| parked.message.id() == id)?;
        parked.state = ParkedState::Waiting;
        parked.attempts = 0;
        parked.next_attempt_at = Some(now);
        parked.version += 1;
        Some(parked.clone())
    }

    /// An operator drops a message.
    pub(super) fn discard(&mut self, id: MessageId) -> bool {
        let holds = |queue: &VecDeque<Parked>| queue.iter().any(|parked| parked.message.id() == id);

        let Some(entity) = self
            .by_entity
            .iter()
            .find(|(_, queue)| holds(queue))
            .map(|(entity, _)| *entity)
        else {
            return false;
        };

        if let Some(queue) = self.by_entity.get_mut(&entity) {
            queue.retain(|parked| parked.message.id() != id);
            if queue.is_empty() {
                self.by_entity.remove(&entity);
            }
        }

        true
    }
}

fn state_after(attempts: u32) -> ParkedState {
    if attempts >= ATTEMPTS {
        ParkedState::Quarantined
    } else {
        ParkedState::Waiting
    }
}

fn next_attempt(
    state: ParkedState,
    attempts: u32,
    failed: bool,
    now: Timestamp,
) -> Option<Timestamp> {
    let waits = state == ParkedState::Waiting && failed;
    waits.then(|| {
        now.after(FIRST_DELAY.saturating_mul(2u32.saturating_pow(attempts.saturating_sub(1))))
    })
}

/// When the first message of a queue is to be tried; one that has waited behind another has no time
/// of its own.
fn due_at(first: &Parked) -> Option<Timestamp> {
    match first.state {
        ParkedState::Quarantined => None,
        ParkedState::Waiting => Some(first.next_attempt_at.unwrap_or(first.parked_at)),
    }
}
