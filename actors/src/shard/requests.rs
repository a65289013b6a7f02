//! Requests: the commands of callers. What operators do about parked messages is next door.

use super::Shard;
use super::followers::Waiting;
use super::submit::Cause;
use super::work::Piece;
use crate::entity::Entity;
use crate::error::CommandError;
use crate::request::{Command, Request, ShardAnswer};
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
            Command::Parked { .. } => return self.operate_parked(request).await,
            Command::Bulk { .. } => return self.keep_bulk(request).await,
            Command::Note(_) => return self.note(request).await,
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
                request.may_be_done = true;
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
        if let Some(Ok(ShardAnswer::Entity(answer))) = &step.answer
            && let Some(awaited) = answer.awaited()
            && let Some(follower) = request.take_follower()
        {
            // Of the unit that is submitted next.
            request.ticket = self.ticket + 1;
            let waiting = self.waiting.entry(awaited).or_default();
            waiting.retain(|caller| !caller.follower.is_gone());
            waiting.push(Waiting {
                follower,
                since: request.ticket,
            });
        }
    }
}
