//! Applies messages of the log, or parks them, and tries parked messages again.

use std::sync::Arc;

use sagas::mistakes::{Mistake, makes};
use sagas::{MessageId, Service};
use store::parking::Parked;
use store::row_changes::Journaled;
use store::spans::{self, Span};
use store::tables::parked;
use store::{Destination, Message, SourceStream, StoreError, parking};

use super::Shard;
use super::parked::HOPELESS;
use super::submit::Cause;
use super::work::{ATTEMPTS_AT_ONCE, InHand, Piece};
use crate::entities::{hears, is_reminder};
use crate::entity::Entity;
use crate::step::{Step, StepError};
use crate::supervision::caught;

/// At most this many entities have their parked messages tried in one turn.
const ENTITIES_AT_ONCE: usize = 32;
/// At most this many parked messages of one entity are tried in one turn.
const OF_ONE_ENTITY: u64 = 32;

impl<E: Entity> Shard<E> {
    pub(super) async fn message(&mut self, message: Arc<Message>, durable_at_read: u64) {
        if self.broken.is_some() {
            return;
        }

        if message.destination == Destination::Events && !hears::<E>(&message) {
            return self.pass(message.source_stream(), message.sequence);
        }

        let id = message.id();
        let cause = Cause::Message {
            id,
            source: message.source_stream(),
            sequence: message.sequence,
        };
        if self.parked.holds(message.entity) && !makes(Mistake::FollowerOvertakes) {
            return match self.waits_already(&message).await {
                Ok(true) => self.submit(Box::default(), Vec::new(), cause),
                Ok(false) => self.park(&message, 0, None, cause),
                Err(error) => self.broken = Some(error.chain()),
            };
        }

        let refused = self.refusals.get(&id).cloned();
        if let Some((refusals, reason)) = &refused
            && *refusals >= ATTEMPTS_AT_ONCE
        {
            self.refusals.remove(&id);
            return self.park(&message, *refusals, Some(reason.clone()), cause);
        }

        self.in_hand = Some(InHand::Message(id));
        let piece = Piece::Message {
            message: &message,
            first_attempt: refused.is_none(),
        };
        match self.attempt(piece, durable_at_read).await {
            Ok(step) if message.destination == Destination::Events && step.is_nothing() => {
                self.pass(message.source_stream(), message.sequence);
            }
            Ok(mut step) => {
                self.instruments.applied.increment(1);
                self.trace(&message, &mut step);
                let is_event = message.destination == Destination::Events;
                if is_event && makes(Mistake::PositionBeforeCommand) {
                    self.submit(Box::default(), Vec::new(), cause);
                    self.settle().await;
                    self.submit(step, Vec::new(), Cause::Reload);
                } else {
                    self.submit(step, Vec::new(), cause);
                }
            }
            Err(StepError::Store(error)) => self.broken = Some(error.chain()),
            Err(error) => {
                let attempts = match error.is_hopeless() {
                    true => HOPELESS,
                    false => ATTEMPTS_AT_ONCE,
                };
                self.park(&message, attempts, Some(error.to_string()), cause);
            }
        }
        self.in_hand = None;
    }

    /// Moves positions over the events that the log has kept back because nobody here wants them.
    pub(super) fn pass_over_unwanted(&mut self) {
        let moved = self.heard.iter().filter_map(|source| {
            let stream = SourceStream::events(*source);
            let position = self.position(stream);
            let reached = self.passed_over.after(*source, position);
            (reached > position).then_some((stream, reached))
        });

        for (stream, reached) in moved.collect::<Vec<_>>() {
            self.pass(stream, reached);
        }
    }

    /// An event is none of this service's business. Whoever reads it again passes over it again, so
    /// the position need not be written with each of them.
    fn pass(&mut self, stream: SourceStream, sequence: u64) {
        self.positions.insert(stream, sequence);
        self.passed.insert(stream);
    }

    /// Writes positions that have moved over events that nobody here wanted.
    pub(super) fn note_passed(&mut self) {
        if self.broken.is_some() {
            return;
        }
        for stream in std::mem::take(&mut self.passed) {
            self.submit(Box::default(), Vec::new(), Cause::Passed(stream));
        }
    }

    /// Whoever traces what happens is told that a message has come to its end, when that is
    /// durable.
    fn trace(&self, message: &Message, step: &mut Step<E>) {
        if spans::are_told() {
            step.traced.push(Span {
                name: format!("message {}", message.name),
                part_of: message.correlation_id,
                began: message.time,
                ended: self.parts.clock.now(),
                attributes: vec![
                    ("counterfoil.source", message.source.to_string()),
                    ("counterfoil.shard", self.parts.shard.to_string()),
                ],
            });
        }
    }

    /// A message's unit was refused, or the shard panicked over it.
    pub(super) fn refuse(&mut self, id: MessageId, cause: String) {
        let refused = self.refusals.entry(id).or_insert((0, String::new()));
        *refused = (refused.0 + 1, cause);
    }

    /// Whether a message is a reminder of one that waits. Otherwise those to an entity that nobody
    /// mends would be ever more.
    async fn waits_already(&mut self, message: &Message) -> Result<bool, StoreError> {
        // One over which a handler panics waits behind the others until it is tried.
        if !caught(|| is_reminder::<E>(message)).unwrap_or(false) {
            return Ok(false);
        }

        let (database, shard) = (&self.parts.database, self.parts.shard);
        if let Some(known) = self.parked.reminded_of(message)
            && parking::shard_of(database, known).await? == Some(shard)
        {
            return Ok(!self.parked.is_gone(known));
        }

        let alike = parking::alike(database, shard, message).await?;
        let waiting = alike.into_iter().find(|id| !self.parked.is_gone(*id));
        if let Some(waiting) = waiting {
            self.parked.note_reminder(message, waiting);
        }
        Ok(waiting.is_some())
    }

    fn park(&mut self, message: &Message, attempts: u32, reason: Option<String>, cause: Cause<E>) {
        let now = self.parts.clock.now();
        let ticket = self.ticket + 1;
        let parked = self
            .parked
            .park(message.clone(), attempts, reason, ticket, now);
        self.note_parked(&parked);

        let row = parking::to_row(&parked, self.parts.shard).insert();
        self.submit(Box::default(), vec![row], cause);
    }

    fn note_parked(&self, parked: &Parked) {
        self.instruments.parked.increment(1);

        if parked.state == parking::ParkedState::Quarantined {
            self.instruments.quarantined.increment(1);
            let message = &parked.message;
            tracing::error!(
                message.id = %parked.id, message.name = %message.name,
                entity.id = %message.entity, cause = parked.cause.as_deref().unwrap_or(""),
                "a message is quarantined"
            );
        }
    }

    /// Reads the parked messages that are due, each with some that wait behind it, and looks for
    /// those that follow on settled ones.
    pub(super) async fn load_parked(
        &mut self,
        durable_at_read: u64,
    ) -> Result<Vec<Parked>, StoreError> {
        self.parked.durable(durable_at_read);
        if self.parked.is_empty() {
            return Ok(Vec::new());
        }

        let (database, shard) = (self.parts.database.clone(), self.parts.shard);

        for (entity, settled) in self.parked.without_head(ENTITIES_AT_ONCE) {
            let next = parking::next_behind(&database, shard, entity, settled).await?;
            self.parked.found_next(entity, next, durable_at_read);
        }

        let mut loaded = Vec::new();
        for head in self.parked.due(self.now, ENTITIES_AT_ONCE) {
            let queue = parking::from_head(&database, shard, &head, OF_ONE_ENTITY).await;
            match queue {
                Ok(queue) if queue.is_empty() => self.parked.vanished(head.id, durable_at_read),
                Ok(queue) if queue.first().is_some_and(|read| self.parked.is_due(read)) => {
                    let queue = queue.into_iter();
                    loaded.extend(queue.map(|read| self.parked.as_edited(read)));
                }
                Ok(_) => {}
                Err(StoreError::Corrupt { what, source }) => {
                    tracing::error!(
                        message.id = %head.id, error = %source,
                        "{what} cannot be read: its entity waits until somebody mends or drops it"
                    );
                    self.parked.give_up(head.id, self.now);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(loaded)
    }

    /// Tries a parked message again. `silent` is a service whose store has not answered in this turn.
    pub(super) async fn retry(
        &mut self,
        parked: Parked,
        durable_at_read: u64,
        silent: &mut Option<Service>,
    ) {
        if self.broken.is_some() || self.parked.is_gone(parked.id) {
            return;
        }
        // One that waits behind another has its turn when that has been processed.
        if !self.parked.is_first(&parked) {
            return;
        }

        let id = parked.id;
        let standing = match self.standing(&parked.message, silent).await {
            Ok(standing) => standing,
            Err(error) => {
                tracing::debug!(message.id = %id, %error, "the outbox of an event cannot be read");
                return self.parked.give_up(id, self.now);
            }
        };

        self.in_hand = Some(InHand::Message(id));
        let result = match (self.refusals.remove(&id), &standing) {
            // Like a panic, it may succeed on another state, so it gets as many attempts.
            (Some((_, reason)), _) => Err(StepError::Refused(reason)),
            (None, None) => Ok(Box::default()),
            (None, Some(message)) => {
                let piece = Piece::Message {
                    message,
                    first_attempt: false,
                };
                self.attempt(piece, durable_at_read).await
            }
        };
        self.in_hand = None;

        match result {
            Ok(mut step) => {
                self.instruments.applied.increment(1);
                self.trace(&parked.message, &mut step);
                self.parked.settle(parked.message.entity, self.ticket + 1);
                let row = parked::Model::delete(id.0);
                self.submit(step, vec![row], Cause::Retry(id));
            }
            Err(StepError::Store(error)) => self.broken = Some(error.chain()),
            Err(error) => self.retry_failed(parked, &error),
        }
    }

    fn retry_failed(&mut self, parked: Parked, error: &StepError) {
        let (id, now) = (parked.id, self.parts.clock.now());
        let failed = self
            .parked
            .failed_again(parked, error.to_string(), error.is_hopeless(), now);

        if let Some((parked, expected_version)) = failed {
            self.note_parked(&parked);
            let row = parking::to_row(&parked, self.parts.shard).update(expected_version);
            self.submit(Box::default(), vec![row], Cause::Retry(id));
        }
    }
}
