//! Requests: the commands of callers, and what operators do about parked messages.

use sagas::MessageId;
use store::row_changes::{Journaled, RowChange};
use store::tables::parked;
use store::{StoreError, parking};

use super::Shard;
use super::submit::Cause;
use super::work::Piece;
use crate::entity::Entity;
use crate::error::CommandError;
use crate::request::{Answer, Command, Request};
use crate::step::{Step, StepError};
use crate::supervision::caught;

impl<E: Entity> Shard<E> {
    pub(super) async fn request(&mut self, request: Request<E>, durable_at_read: u64) {
        if self.broken.is_some() {
            self.again.push_back(request);
            return;
        }
        if request.is_abandoned() {
            return;
        }

        match &request.question.command {
            Command::Replay(id) => return self.replay(*id, request).await,
            Command::Discard(id) => return self.discard(*id, request).await,
            Command::Create { command, .. } | Command::Entity { command, .. }
                if !self.has_room_for(command) =>
            {
                return request.answer(Err(CommandError::Overloaded));
            }
            _ => {}
        }

        let attempt = self.attempt(Piece::Request(&request), durable_at_read);
        match attempt.await {
            Ok(step) => {
                let mut request = request;
                self.wait_for_end(&mut request, &step);
                self.submit(step, Vec::new(), Cause::Request(request));
            }
            Err(StepError::Store(error)) => {
                self.again.push_back(request);
                self.broken = Some(error.chain());
            }
            Err(error) => {
                tracing::error!(shard = %self.parts.shard, error = %error, "a request fails");
                request.answer(Err(CommandError::Failed));
            }
        }
    }

    /// Whether the saga that such a command begins may begin. A service that panics over the
    /// question is asked for more soon, where that stops nobody else.
    fn has_room_for(&self, command: &E::Command) -> bool {
        let waits_for = caught(|| E::waits_for(command)).ok().flatten();
        waits_for.is_none_or(|entity| self.timers.has_room_for(entity))
    }

    /// Puts a caller that wants to wait for the end on the waiting list.
    fn wait_for_end(&mut self, request: &mut Request<E>, step: &Step<E>) {
        if let Some(Ok(Answer::Entity(answer))) = &step.answer
            && let Some(awaited) = answer.awaited()
            && let Some(follower) = request.take_follower()
        {
            let waiting = self.waiting.entry(awaited).or_default();
            waiting.retain(|caller| !caller.is_gone());
            waiting.push(follower);
        }
    }

    async fn replay(&mut self, id: MessageId, request: Request<E>) {
        match self.find_parked(id).await {
            Ok(Some(found)) => {
                let replayed = self.parked.replay(found, self.parts.clock.now());
                let Some((parked, expected_version)) = replayed else {
                    let detail = "it waits behind another message of the same entity".to_owned();
                    return self.submit_refusal(CommandError::Conflict(detail), request);
                };
                let row = parking::to_row(&parked, self.parts.shard).update(expected_version);
                self.submit_change(row, request);
            }
            answer => self.answer_without_parked(answer.map(drop), request),
        }
    }

    async fn discard(&mut self, id: MessageId, request: Request<E>) {
        match self.find_parked(id).await {
            Ok(Some(found)) => {
                let entity = found.message.entity;
                self.parked.removed(id, entity, self.ticket + 1);
                self.submit_change(parked::Model::delete(id.0), request);
            }
            // It can be dropped without having been read.
            Err(StoreError::Corrupt { .. }) => {
                let Some(entity) = self.parked.entity_of(id) else {
                    return request.answer(Err(CommandError::Failed));
                };
                self.parked.removed(id, entity, self.ticket + 1);
                self.submit_change(parked::Model::delete(id.0), request);
            }
            answer => self.answer_without_parked(answer.map(drop), request),
        }
    }

    /// A parked message, unless its row goes with a unit in flight.
    async fn find_parked(&self, id: MessageId) -> Result<Option<parking::Parked>, StoreError> {
        if self.parked.is_gone(id) {
            return Ok(None);
        }
        parking::find(&self.parts.database, id).await
    }

    fn answer_without_parked(&mut self, found: Result<(), StoreError>, request: Request<E>) {
        match found {
            Ok(()) => self.submit_refusal(CommandError::not_found("quarantined message"), request),
            Err(StoreError::Corrupt { .. }) => request.answer(Err(CommandError::Failed)),
            Err(error) => {
                self.again.push_back(request);
                self.broken = Some(error.chain());
            }
        }
    }

    /// Sends a refusal once what it rests on is durable.
    fn submit_refusal(&mut self, refusal: CommandError, request: Request<E>) {
        let step = Step {
            answer: Some(Err(refusal)),
            ..Step::default()
        };
        self.submit(step, Vec::new(), Cause::Request(request));
    }

    fn submit_change(&mut self, row: RowChange, request: Request<E>) {
        let step = Step {
            answer: Some(Ok(Answer::Done)),
            ..Step::default()
        };
        self.submit(step, vec![row], Cause::Request(request));
    }
}
