//! Messages that wait, by entity: the shard tries the first of each again when its time has come;
//! those behind it follow.
//!
//! Memory holds only when the first one of each entity is due. The messages themselves stay in
//! their table, however many there are. The table may lag behind memory by the units in flight.

mod retries;

use std::collections::HashMap;
use std::sync::Arc;

use sagas::{MessageId, Timestamp};
use serde_json::value::RawValue;
use store::Message;
use store::parking::{Parked, ParkedHead, ParkedState};
use uuid::Uuid;

use retries::{ATTEMPTS, LOOK_AGAIN, delay, due_at, next_attempt, state_after};

/// What cannot succeed counts as tried so often: it goes into quarantine at once.
pub(super) const HOPELESS: u32 = ATTEMPTS;

/// Remembers this many messages at most that are asked again.
const REMINDED: usize = 4096;

/// The parked messages of one entity.
#[derive(Debug)]
struct Queue {
    /// The first one; absent when it has been settled and the shard must look for the next one.
    head: Option<ParkedHead>,
    /// Messages up to this place have been settled.
    settled: u64,
    /// The ticket of the newest unit that parked a message here.
    parked_by: u64,
}

/// The parked messages of a shard.
#[derive(Debug, Default)]
pub(super) struct ParkedMessages {
    by_entity: HashMap<Uuid, Queue>,
    next_place: u64,
    /// Messages whose rows go with a unit in flight, with its ticket.
    gone: HashMap<MessageId, u64>,
    /// Units up to this ticket are durable.
    durable: u64,
    /// What operators have put into the place of bodies. The table may not show it yet.
    edited: HashMap<MessageId, Arc<RawValue>>,
    /// By entity and correlation: a message that others only ask for again, and the one that waits
    /// in the same words. That may be gone by now.
    reminded: HashMap<(Uuid, Uuid), (Message, MessageId)>,
}

impl ParkedMessages {
    /// As they were read: the first one of each entity, and the place of the last one.
    pub(super) fn new(heads: Vec<ParkedHead>, last_place: u64, now: Timestamp) -> Self {
        let queue = |head: ParkedHead| {
            let latest = now.after(delay(head.attempts.max(1)));
            let next_attempt_at = head.next_attempt_at.map(|at| at.min(latest));
            let queue = Queue {
                settled: 0,
                parked_by: 0,
                head: Some(ParkedHead {
                    next_attempt_at,
                    ..head
                }),
            };
            (head.entity, queue)
        };

        ParkedMessages {
            by_entity: heads.into_iter().map(queue).collect(),
            next_place: last_place + 1,
            gone: HashMap::new(),
            durable: 0,
            edited: HashMap::new(),
            reminded: HashMap::new(),
        }
    }

    /// How many entities have messages that wait.
    pub(super) fn len(&self) -> usize {
        self.by_entity.len()
    }

    /// Whether no message waits.
    pub(super) fn is_empty(&self) -> bool {
        self.by_entity.is_empty()
    }

    /// Whether messages of the entity wait, so that later ones must wait behind them.
    pub(super) fn holds(&self, entity: Uuid) -> bool {
        self.by_entity.contains_key(&entity)
    }

    /// The message that was asked again by one like this, as it was found last.
    pub(super) fn reminded_of(&self, reminder: &Message) -> Option<MessageId> {
        let key = (reminder.entity, reminder.correlation_id);
        let (before, waiting) = self.reminded.get(&key)?;
        let is_alike = before.name == reminder.name && before.body.get() == reminder.body.get();
        is_alike.then_some(*waiting)
    }

    /// Remembers which message waits, so that it need not be looked for among all of its entity the
    /// next time.
    pub(super) fn note_reminder(&mut self, reminder: &Message, waiting: MessageId) {
        if self.reminded.len() >= REMINDED {
            self.reminded.clear();
        }
        let key = (reminder.entity, reminder.correlation_id);
        self.reminded.insert(key, (reminder.clone(), waiting));
    }

    /// Takes in a message that has failed, or waits behind one that has (`cause` is absent then).
    /// `ticket` is that of the unit that parks it.
    pub(super) fn park(
        &mut self,
        message: Message,
        attempts: u32,
        cause: Option<String>,
        ticket: u64,
        now: Timestamp,
    ) -> Parked {
        let state = state_after(attempts);
        let parked = Parked {
            id: message.id(),
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

        let entity = parked.message.entity;
        let queue = self.by_entity.entry(entity).or_insert_with(|| Queue {
            head: Some(head_of(&parked)),
            settled: parked.place - 1,
            parked_by: ticket,
        });
        queue.parked_by = ticket;
        parked
    }

    /// When the next message is due. What follows a settled one is due at once.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let due = |queue: &Queue| match &queue.head {
            Some(head) => due_at(head),
            None if queue.parked_by <= self.durable => Some(Timestamp::default()),
            None => None,
        };
        self.by_entity.values().filter_map(due).min()
    }

    /// The first messages that are due, one per entity and at most `limit`. They stay until they
    /// are settled.
    pub(super) fn due(&self, now: Timestamp, limit: usize) -> Vec<ParkedHead> {
        let heads = self
            .by_entity
            .values()
            .filter_map(|queue| queue.head.as_ref());
        heads
            .filter(|head| due_at(head).is_some_and(|at| at <= now))
            .take(limit)
            .copied()
            .collect()
    }

    /// At most `limit` entities whose first message has been settled, with its place: look for the
    /// next one behind it.
    pub(super) fn without_head(&self, limit: usize) -> Vec<(Uuid, u64)> {
        let settled = self
            .by_entity
            .iter()
            .filter(|(_, queue)| queue.head.is_none());
        settled
            .take(limit)
            .map(|(entity, queue)| (*entity, queue.settled))
            .collect()
    }

    /// What a look-up has found behind the message settled last. The entity is free again when it
    /// found nothing, and everything parked for the entity was durable before the look-up.
    pub(super) fn found_next(
        &mut self,
        entity: Uuid,
        next: Option<ParkedHead>,
        durable_at_read: u64,
    ) {
        let Some(queue) = self.by_entity.get_mut(&entity) else {
            return;
        };

        match next {
            // Its row goes with a unit in flight: look for what follows it next.
            Some(head) if self.gone.contains_key(&head.id) => queue.settled = head.place,
            Some(head) => queue.head = Some(head),
            None if queue.parked_by <= durable_at_read => {
                self.by_entity.remove(&entity);
            }
            None => {}
        }
    }

    /// The entity's first message has been processed, or dropped, by the unit with this ticket.
    pub(super) fn settle(&mut self, entity: Uuid, ticket: u64) {
        if let Some(queue) = self.by_entity.get_mut(&entity)
            && let Some(head) = queue.head.take()
        {
            queue.settled = head.place;
            self.edited.remove(&head.id);
            self.gone.insert(head.id, ticket);
        }
    }

    /// The row of this message goes with the unit that has this ticket.
    pub(super) fn removed(&mut self, id: MessageId, entity: Uuid, ticket: u64) {
        if self.head(entity).is_some_and(|head| head.id == id) {
            self.settle(entity, ticket);
        } else {
            self.edited.remove(&id);
            self.gone.insert(id, ticket);
        }
    }

    /// Whether the row of this message has been removed, by a unit that may be in flight.
    pub(super) fn is_gone(&self, id: MessageId) -> bool {
        self.gone.contains_key(&id)
    }

    /// Forgets what the database shows by itself.
    pub(super) fn durable(&mut self, durable: u64) {
        self.durable = durable;
        self.gone.retain(|_, ticket| *ticket > durable);
    }

    /// The entity's first message has failed again. Gives its new row, and the version that the row
    /// in the table must have.
    pub(super) fn failed_again(
        &mut self,
        parked: Parked,
        cause: String,
        hopeless: bool,
        now: Timestamp,
    ) -> Option<(Parked, u64)> {
        let entity = parked.message.entity;
        self.change_head(parked, entity, |head| {
            head.attempts = if hopeless {
                ATTEMPTS.max(head.attempts.saturating_add(1))
            } else {
                head.attempts.saturating_add(1)
            };
            head.state = state_after(head.attempts);
            head.next_attempt_at = next_attempt(head.state, head.attempts, true, now);
        })
        .map(|(parked, expected)| {
            let cause = Some(cause);
            (Parked { cause, ..parked }, expected)
        })
    }

    /// An operator retries a message, if it is its entity's first one.
    pub(super) fn replay(&mut self, parked: Parked, now: Timestamp) -> Option<(Parked, u64)> {
        let entity = parked.message.entity;
        self.change_head(parked, entity, |head| {
            head.state = ParkedState::Waiting;
            head.attempts = 0;
            head.next_attempt_at = Some(now);
        })
    }

    /// An operator has given a message another body, if it is its entity's first one. It waits on
    /// as it did.
    pub(super) fn edit(&mut self, edited: Parked) -> Option<(Parked, u64)> {
        let (id, body) = (edited.id, Arc::clone(&edited.message.body));
        let entity = edited.message.entity;
        let changed = self.change_head(edited, entity, |_| ())?;
        self.edited.insert(id, body);
        Some(changed)
    }

    /// A message as it has been read, with the body that an operator has given it.
    pub(super) fn as_edited(&self, mut read: Parked) -> Parked {
        if let Some(body) = self.edited.get(&read.id) {
            read.message.body = Arc::clone(body);
        }
        read
    }

    /// The first message cannot be read, or its outbox does not answer. Somebody may mend its row, so
    /// it is looked at again.
    pub(super) fn give_up(&mut self, id: MessageId, now: Timestamp) {
        let heads = self.by_entity.values_mut();
        for head in heads.filter_map(|queue| queue.head.as_mut()) {
            if head.id == id {
                head.next_attempt_at = Some(now.after(LOOK_AGAIN));
            }
        }
    }

    /// The first message of its entity has been read. Says whether it is to be tried: of a row that
    /// could not be read before, nobody knew what it waits for.
    pub(super) fn is_due(&mut self, read: &Parked) -> bool {
        let queue = self.by_entity.get_mut(&read.message.entity);
        let Some(head) = queue.and_then(|queue| queue.head.as_mut()) else {
            return false;
        };
        learn(head, read);
        head.state == ParkedState::Waiting
    }

    /// The row of the first message is not there. When everything parked for its entity was durable
    /// before the look-up, somebody has removed it.
    pub(super) fn vanished(&mut self, id: MessageId, durable_at_read: u64) {
        for queue in self.by_entity.values_mut() {
            let is_head = queue.head.as_ref().is_some_and(|head| head.id == id);
            if is_head
                && queue.parked_by <= durable_at_read
                && let Some(head) = queue.head.take()
            {
                queue.settled = head.place;
            }
        }
    }

    /// The entity whose first message this is.
    pub(super) fn entity_of(&self, id: MessageId) -> Option<Uuid> {
        let heads = self
            .by_entity
            .values()
            .filter_map(|queue| queue.head.as_ref());
        heads
            .filter(|head| head.id == id)
            .map(|head| head.entity)
            .next()
    }

    /// Whether this is the first message of its entity. One that follows on a settled message
    /// becomes the first one by it.
    pub(super) fn is_first(&mut self, parked: &Parked) -> bool {
        let Some(queue) = self.by_entity.get_mut(&parked.message.entity) else {
            return false;
        };
        let head = queue.head.get_or_insert_with(|| head_of(parked));
        head.id == parked.id
    }

    pub(super) fn head(&self, entity: Uuid) -> Option<&ParkedHead> {
        self.by_entity.get(&entity)?.head.as_ref()
    }

    fn change_head(
        &mut self,
        parked: Parked,
        entity: Uuid,
        change: impl FnOnce(&mut ParkedHead),
    ) -> Option<(Parked, u64)> {
        let head = self.by_entity.get_mut(&entity)?.head.as_mut()?;
        if head.id != parked.id {
            return None;
        }

        learn(head, &parked);
        let expected_version = head.version;
        change(head);
        head.version += 1;

        let parked = Parked {
            state: head.state,
            attempts: head.attempts,
            next_attempt_at: head.next_attempt_at,
            version: head.version,
            ..parked
        };
        Some((parked, expected_version))
    }
}

/// What a row says that could not be read before.
fn learn(head: &mut ParkedHead, read: &Parked) {
    if head.id == read.id && head.version == ParkedHead::NEVER_READ {
        *head = head_of(read);
    }
}

fn head_of(parked: &Parked) -> ParkedHead {
    ParkedHead {
        id: parked.id,
        entity: parked.message.entity,
        place: parked.place,
        state: parked.state,
        attempts: parked.attempts,
        next_attempt_at: parked.next_attempt_at,
        version: parked.version,
    }
}

#[cfg(test)]
mod tests;
