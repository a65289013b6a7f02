//! One turn of a shard: every piece of work in order, each on its own.
//!
//! What one piece loads, drops or fails changes nothing that another sees: an entity is loaded and
//! dropped as a whole, and a piece that meets something not in memory waits until it has been read,
//! and is decided again.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use sagas::mistakes::{Mistake, makes};
use sagas::{MessageId, Timestamp};
use store::parking::Parked;
use store::{Destination, Message, StoreError};
use uuid::Uuid;

use super::submit::Cause;
use super::{Gathered, Shard};
use crate::entity::Entity;
use crate::request::Request;
use crate::step::{Decided, StepError};
use crate::supervision::{ActorError, text_of};

/// A shard tries a piece of work this many times at once, each time with a fresh actor.
pub(super) const ATTEMPTS_AT_ONCE: u32 = 2;
/// A piece may find this many times that something it needs is not in memory.
const LOADS_AT_ONCE: u32 = 3;

/// A piece of work that entities decide.
pub(super) enum Piece<'a, E: Entity> {
    Message {
        message: &'a Message,
        /// Nobody can have done any of it before.
        first_attempt: bool,
    },
    Request(&'a Request<E>),
    /// The saga, and the time that its timer was set for.
    Timer(Uuid, Timestamp),
}

/// What a shard has in hand. When it panics, that is the reason.
#[derive(Clone, Copy, Debug)]
pub(super) enum InHand {
    Message(MessageId),
    Timer(Uuid),
}

impl<E: Entity> Shard<E> {
    /// Does what has gathered. A panic in the shard itself does not end it: it reloads, and what it
    /// had in hand ends up where it stops nobody.
    pub(super) async fn guarded_turn(&mut self, gathered: Gathered<E>) {
        let turn = AssertUnwindSafe(self.turn(gathered)).catch_unwind().await;
        if let Err(panic) = turn {
            self.panicked(panic.as_ref());
        }
    }

    /// Notes a panic of the shard itself, so that it reloads.
    pub(super) fn panicked(&mut self, panic: &(dyn Any + Send)) {
        let cause = format!("the shard panicked: {}", text_of(panic));
        self.instruments.panics.increment(1);
        match self.in_hand.take() {
            Some(InHand::Message(id)) => self.refuse(id, cause.clone()),
            Some(InHand::Timer(id)) => self.put_off(id, &cause),
            None => {}
        }
        self.broken = Some(cause);
    }

    async fn turn(&mut self, gathered: Gathered<E>) {
        let Gathered {
            requests,
            messages,
            timers,
            check,
        } = gathered;

        // Nobody looks at the positions in between; a check has done it before.
        let is_event = |message: &Arc<Message>| message.destination == Destination::Events;
        if self.is_catching_up() || messages.iter().any(is_event) {
            self.pass_over_unwanted();
        }
        let messages = match self.next_messages(messages, check).await {
            Ok(messages) => messages,
            // They are read again: the position has not moved.
            Err(error) => return self.fail_turn(&error, requests),
        };

        if makes(Mistake::EndToldBeforeRepeat)
            && let Err(error) = self.tell_of_what_has_ended().await
        {
            return self.fail_turn(&error, requests);
        }

        let durable_at_read = self.parts.journal.durable(self.parts.shard);
        let retries = match self.load_parked(durable_at_read).await {
            Ok(retries) => retries,
            Err(error) => return self.fail_turn(&error, requests),
        };

        self.want(&requests, &messages, &retries, &timers);
        if let Err(error) = self.entities.load().await {
            if makes(Mistake::PositionBeforeEffect) {
                messages.iter().for_each(|message| self.pass_over(message));
            }
            return self.fail_turn(&error, requests);
        }

        self.parts.faults.panic_in_turn();
        for message in messages {
            self.message(message, durable_at_read).await;
        }

        let mut silent = None;
        for parked in retries {
            self.retry(parked, durable_at_read, &mut silent).await;
        }

        for (id, set_for) in timers {
            self.timer(id, set_for, durable_at_read).await;
        }

        for request in requests {
            self.request(request, durable_at_read).await;
        }
        self.entities.end_turn();

        // Behind the requests: one that is done again after a reload may be what its caller waits
        // for the end of, and until then its entity looks as if it waited for nothing.
        if self.broken.is_none()
            && let Err(error) = self.tell_of_what_has_ended().await
        {
            self.broken = Some(error.chain());
        }
    }

    /// What [`Mistake::PositionBeforeEffect`] does.
    fn pass_over(&mut self, message: &Message) {
        let cause = Cause::Message {
            id: message.id(),
            source: message.source_stream(),
            sequence: message.sequence,
        };
        self.submit(Box::default(), Vec::new(), cause);
    }

    fn want(
        &mut self,
        requests: &[Request<E>],
        messages: &[Arc<Message>],
        retries: &[Parked],
        timers: &[(Uuid, Timestamp)],
    ) {
        for request in requests {
            self.entities.want_for_request(request);
        }

        for message in messages {
            let first_attempt = !self.refusals.contains_key(&message.id());
            self.entities.want_for_message(message, first_attempt);
        }

        for parked in retries {
            self.entities.want_for_message(&parked.message, false);
        }

        for (id, _) in timers {
            self.entities.want_for_timer(*id);
        }
    }

    /// The database does not answer: the shard repeats everything after a reload.
    fn fail_turn(&mut self, error: &StoreError, requests: Vec<Request<E>>) {
        self.again.extend(requests);
        self.broken = Some(error.chain());
    }

    /// Tries a piece of work, and once more with fresh actors when one has panicked. After an error
    /// nothing of the attempt is left in memory.
    pub(super) async fn attempt(
        &mut self,
        piece: Piece<'_, E>,
        durable_at_read: u64,
    ) -> Decided<E> {
        let (mut failures, mut loads) = (0, 0);

        loop {
            let error = match self.decide(&piece, durable_at_read).await {
                Ok(step) => return Ok(step),
                Err(error @ StepError::Store(_)) => return Err(error),
                Err(error) => error,
            };

            if !makes(Mistake::FailedActorKept) {
                self.drop_actors(&piece);
            }
            // What is read from now on must show everything that was decided before.
            self.settle().await;

            if matches!(error, StepError::NotLoaded) {
                loads += 1;
                if loads == LOADS_AT_ONCE {
                    return Err(error);
                }
            } else {
                self.note_failure(&error);
                failures += 1;
                if failures == ATTEMPTS_AT_ONCE || !error.calls_for_a_fresh_actor() {
                    return Err(error);
                }
            }
            self.want_again(&piece);
            self.entities.load().await?;
        }
    }

    async fn decide(&mut self, piece: &Piece<'_, E>, durable_at_read: u64) -> Decided<E> {
        let turn = self.turn_of(durable_at_read);
        let entities = &mut self.entities;
        // It stays where it is: it is large, and to hand it on would copy it.
        let mut decided = pin!(async {
            match piece {
                Piece::Message { message, .. } => entities.message(message, turn).await,
                Piece::Request(request) => entities.request(request, turn).await,
                Piece::Timer(id, set_for) => entities.timer(*id, *set_for, turn).await,
            }
        });

        // A service is asked outside its actors, too: what a saga begins with, or whom it asks.
        let panicked = |panic: Box<dyn Any + Send>| ActorError::Panicked(text_of(panic.as_ref()));
        let decided = AssertUnwindSafe(decided.as_mut()).catch_unwind().await;
        decided.unwrap_or_else(|panic| Err(panicked(panic).into()))
    }

    fn drop_actors(&mut self, piece: &Piece<'_, E>) {
        match piece {
            Piece::Message { message, .. } => self.entities.drop_actors_of(message),
            Piece::Request(request) => self.entities.drop_actors_of_request(request),
            Piece::Timer(id, _) => self.entities.drop_actors_of_timer(*id),
        }
    }

    fn want_again(&mut self, piece: &Piece<'_, E>) {
        match piece {
            Piece::Message {
                message,
                first_attempt,
            } => self.entities.want_for_message(message, *first_attempt),
            Piece::Request(request) => self.entities.want_for_request(request),
            Piece::Timer(id, _) => self.entities.want_for_timer(*id),
        }
    }

    fn note_failure(&self, error: &StepError) {
        if matches!(error, StepError::Actor(ActorError::Panicked(_))) {
            self.instruments.panics.increment(1);
        }
        tracing::warn!(shard = %self.parts.shard, error = %error, "a decision failed");
    }

    async fn timer(&mut self, id: Uuid, set_for: Timestamp, durable_at_read: u64) {
        if self.broken.is_some() {
            return;
        }

        self.in_hand = Some(InHand::Timer(id));
        let attempt = self.attempt(Piece::Timer(id, set_for), durable_at_read);
        match attempt.await {
            Ok(step) => self.submit(step, Vec::new(), Cause::Timer(id)),
            Err(StepError::Store(error)) => self.broken = Some(error.chain()),
            Err(error) => self.put_off(id, &error.to_string()),
        }
        self.in_hand = None;
    }

    /// A saga cannot be woken. Its row still says when it wants to be; the shard tries ever more
    /// rarely.
    pub(super) fn put_off(&mut self, id: Uuid, cause: &str) {
        let delay = self.timers.put_off(id, self.parts.clock.now());
        tracing::error!(
            shard = %self.parts.shard, saga.id = %id, cause, again_in = ?delay,
            "a saga or entity cannot be woken"
        );
    }

    /// Lets entities go that nobody needs, and shows what the shard has in memory.
    pub(super) fn keep_in_bounds(&mut self) {
        let durable = match makes(Mistake::PassivatedInFlight) {
            true => u64::MAX,
            false => self.parts.journal.durable(self.parts.shard),
        };
        self.entities.passivate(durable);
        let live = self.entities.live();
        self.instruments
            .live
            .set(u32::try_from(live).map_or(f64::MAX, f64::from));
        let status = &self.parts.status;
        status.live_actors.store(live, Ordering::Relaxed);
        status.timers.store(self.timers.len(), Ordering::Relaxed);
        status.parked.store(self.parked.len(), Ordering::Relaxed);
    }
}
