//! One turn of a shard: every piece of work in order.

use std::sync::Arc;

use domain::{MessageId, SagaId};
use store::rows::{Journaled, RowChange};
use store::tables::parked;
use store::{Message, StoreError, parking};

use super::logic::Logic;
use super::submit::Cause;
use super::{Gathered, OPEN_SAGAS, Shard};
use crate::gateway::CommandError;
use crate::request::{Answer, Command, Request};
use crate::step::{Step, StepError};

/// A piece of work is tried so often at once, each time with a fresh actor.
const ATTEMPTS_AT_ONCE: u32 = 2;

impl<L: Logic> Shard<L> {
    pub(super) async fn turn(&mut self, gathered: Gathered) {
        let Gathered {
            requests,
            messages,
            retries,
            timers,
            check,
        } = gathered;

        let messages = match self.next_messages(messages, check).await {
            Ok(messages) => messages,
            // They are read again: the position has not moved.
            Err(error) => return self.fail_turn(error, requests),
        };

        let durable_at_read = self.parts.journal.durable(self.parts.shard);

        for request in &requests {
            self.logic.want_for_request(request);
        }

        for message in &messages {
            self.logic
                .want_for_message(message, !self.refusals.contains_key(&message.id()));
        }

        for message in &retries {
            self.logic.want_for_message(message, false);
        }

        for saga in &timers {
            self.logic.want_for_timer(*saga);
        }

        if let Err(error) = self.logic.load().await {
            return self.fail_turn(error, requests);
        }

        for message in messages {
            self.message(message, durable_at_read).await;
        }

        for message in retries {
            self.retry(message, durable_at_read).await;
        }

        for saga in timers {
            self.timer(saga, durable_at_read).await;
        }

        for request in requests {
            self.request(request, durable_at_read).await;
        }
    }

    /// The database does not answer: everything is done again after a reload.
    fn fail_turn(&mut self, error: StoreError, requests: Vec<Request>) {
        self.again.extend(requests);
        self.broken = Some(Arc::new(error));
    }

    async fn message(&mut self, message: Arc<Message>, durable_at_read: u64) {
        let cause = Cause::Message {
            id: message.id(),
            source: message.source,
            sequence: message.sequence,
        };

        if self.broken.is_some() {
            return;
        }

        if self.parked.holds(message.entity) {
            return self.park(&message, 0, None, cause);
        }

        let refused = self.refusals.get(&message.id()).cloned();
        if let Some((refusals, reason)) =
            refused.filter(|(refusals, _)| *refusals >= ATTEMPTS_AT_ONCE)
        {
            self.refusals.remove(&message.id());
            return self.park(&message, refusals, Some(reason), cause);
        }

        match self.attempt_message(&message, durable_at_read).await {
            Ok(step) => {
                self.instruments.applied.increment(1);
                self.submit(step, Vec::new(), cause);
            }
            Err(StepError::Store(error)) => self.broken = Some(Arc::new(error)),
            Err(error) => {
                let attempts = if error.calls_for_a_fresh_actor() {
                    ATTEMPTS_AT_ONCE
                } else {
                    u32::MAX
                };
                self.park(&message, attempts, Some(error.to_string()), cause);
            }
        }
    }

    /// Tries a message, and once more with fresh actors when one has panicked. After an error
    /// nothing of the attempt is left in memory.
    async fn attempt_message(
        &mut self,
        message: &Message,
        mut durable_at_read: u64,
    ) -> Result<Step, StepError> {
        for attempt in 1.. {
            let turn = self.turn_of(durable_at_read);
            let error = match self.logic.message(message, turn).await {
                Ok(step) => return Ok(step),
                Err(error @ StepError::Store(_)) => return Err(error),
                Err(error) => error,
            };
            self.note_failure(&error);
            self.logic.drop_actors_of(message);
            self.settle().await;
            self.logic.want_for_message(message, false);
            self.logic.load().await?;

            if attempt == ATTEMPTS_AT_ONCE || !error.calls_for_a_fresh_actor() {
                return Err(error);
            }

            durable_at_read = self.ticket;
        }
        Err(StepError::NoActor)
    }

    fn note_failure(&self, error: &StepError) {
        if matches!(error, StepError::Panicked(_)) {
            self.instruments.panics.increment(1);
        }
        tracing::warn!(shard = %self.parts.shard, error = %error, "an actor failed and is loaded anew");
    }

    fn park(&mut self, message: &Message, attempts: u32, reason: Option<String>, cause: Cause) {
        let now = self.parts.clock.now();
        let parked = self.parked.park(message.clone(), attempts, reason, now);
        self.note_parked(&parked);
        let row = parking::to_row(&parked, self.parts.shard).insert();
        self.submit(Step::default(), vec![row], cause);
    }

    fn note_parked(&self, parked: &parking::Parked) {
        self.instruments.parked.increment(1);
        if parked.state == parking::ParkedState::Quarantined {
            self.instruments.quarantined.increment(1);
            let message = &parked.message;
            tracing::error!(
                message.id = %message.id(), message.name = %message.name, entity.id = %message.entity,
                cause = parked.cause.as_deref().unwrap_or(""), "a message is quarantined"
            );
        }
    }

    /// Tries a parked message again.
    async fn retry(&mut self, message: Message, durable_at_read: u64) {
        if self.broken.is_some() {
            return;
        }

        let id = message.id();

        let refused = self.refusals.remove(&id);
        let result = match refused {
            Some((_, reason)) => Err(StepError::Impossible(reason)),
            None => self.attempt_message(&message, durable_at_read).await,
        };

        match result {
            Ok(step) => {
                self.instruments.applied.increment(1);
                self.parked.settle(message.entity);
                self.submit(step, vec![parked::Model::delete(id.0)], Cause::Retry(id));
            }
            Err(StepError::Store(error)) => self.broken = Some(Arc::new(error)),
            Err(error) => {
                let hopeless = matches!(error, StepError::Undecodable(_));
                let now = self.parts.clock.now();
                let failed =
                    self.parked
                        .failed_again(message.entity, error.to_string(), hopeless, now);
                if let Some(parked) = failed {
                    self.note_parked(&parked);
                    let row = parking::to_row(&parked, self.parts.shard).update(parked.version - 1);
                    self.submit(Step::default(), vec![row], Cause::Retry(id));
                }
            }
        }
    }

    async fn timer(&mut self, saga: SagaId, durable_at_read: u64) {
        if self.broken.is_some() {
            return;
        }

        let turn = self.turn_of(durable_at_read);

        match self.logic.timer(saga, turn).await {
            Ok(step) => self.submit(step, Vec::new(), Cause::Timer),
            Err(StepError::Store(error)) => self.broken = Some(Arc::new(error)),
            Err(error) => {
                // Its row still says when it wants to be woken; a little later is soon enough.
                self.note_failure(&error);
                self.logic.drop_actors_of_saga(saga);
                self.settle().await;
                let later = self
                    .parts
                    .clock
                    .now()
                    .after(std::time::Duration::from_secs(1));
                self.set_timer(saga, Some(later));
            }
        }
    }

    async fn request(&mut self, mut request: Request, durable_at_read: u64) {
        if self.broken.is_some() {
            self.again.push_back(request);
            return;
        }

        match request.command {
            Command::Replay(id) => return self.replay(id, request),
            Command::Discard(id) => return self.discard(id, request),
            Command::CreateOrder { .. } if self.timers.len() >= OPEN_SAGAS => {
                return request.answer(Err(CommandError::Overloaded));
            }
            _ => {}
        }

        match self.attempt_request(&mut request, durable_at_read).await {
            Ok(step) => {
                self.wait_for_saga(&mut request, &step);
                self.submit(step, Vec::new(), Cause::Request(request));
            }
            Err(StepError::Store(error)) => {
                self.again.push_back(request);
                self.broken = Some(Arc::new(error));
            }
            Err(error) => {
                tracing::error!(shard = %self.parts.shard, error = %error, "a request fails");
                request.answer(Err(CommandError::Failed));
            }
        }
    }

    /// As [`attempt_message`](Self::attempt_message).
    async fn attempt_request(
        &mut self,
        request: &mut Request,
        mut durable_at_read: u64,
    ) -> Result<Step, StepError> {
        for attempt in 1.. {
            let turn = self.turn_of(durable_at_read);
            let error = match self.logic.request(request, turn).await {
                Ok(step) => return Ok(step),
                Err(error @ StepError::Store(_)) => return Err(error),
                Err(error) => error,
            };
            self.note_failure(&error);
            self.logic.drop_actors_of_request(request);
            self.settle().await;
            self.logic.want_for_request(request);
            self.logic.load().await?;

            if attempt == ATTEMPTS_AT_ONCE || !error.calls_for_a_fresh_actor() {
                return Err(error);
            }

            durable_at_read = self.ticket;
        }
        Err(StepError::NoActor)
    }

    /// Puts a caller that wants to wait for the end of the saga on the waiting list.
    fn wait_for_saga(&mut self, request: &mut Request, step: &Step) {
        if let Some(Ok(Answer::Order(answer))) = &step.answer
            && let Some(saga) = answer.saga_id
            && !answer.saga_ended
            && let Some(ended) = request.ended.take()
        {
            let waiting = self.waiting.entry(saga).or_default();
            waiting.retain(|caller| !caller.is_closed());
            waiting.push(ended);
        }
    }

    fn replay(&mut self, id: MessageId, request: Request) {
        let Some(parked) = self.parked.replay(id, self.parts.clock.now()) else {
            return request.answer(Err(CommandError::NotFound("quarantined message")));
        };
        let row = parking::to_row(&parked, self.parts.shard).update(parked.version - 1);
        self.submit_change(row, request);
    }

    fn discard(&mut self, id: MessageId, request: Request) {
        if !self.parked.discard(id) {
            return request.answer(Err(CommandError::NotFound("quarantined message")));
        }
        self.submit_change(parked::Model::delete(id.0), request);
    }

    fn submit_change(&mut self, row: RowChange, request: Request) {
        let step = Step {
            answer: Some(Ok(Answer::Done)),
            ..Step::default()
        };
        self.submit(step, vec![row], Cause::Request(request));
    }
}
