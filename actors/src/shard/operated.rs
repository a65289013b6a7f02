//! What operators do about parked messages. What is kept of it goes with the unit that does it.

use std::sync::Arc;

use sagas::MessageId;
use serde_json::value::RawValue;
use store::parking::Parked;
use store::row_changes::{Journaled, RowChange};
use store::tables::parked;
use store::{StoreError, parking};

use super::Shard;
use super::submit::Cause;
use crate::entities::{asks_the_same, check_readable, is_asked_again};
use crate::entity::Entity;
use crate::error::CommandError;
use crate::operator::{self, ParkedAction};
use crate::request::{Command, Request, ShardAnswer};
use crate::step::Step;

/// A change of a parked message's row, and its number among what is done to the message.
type Numbered = (RowChange, u64);

/// The number of what is done last to a message.
const LAST: u64 = u64::MAX;

const WAITS_BEHIND: &str = "it waits behind another message of the same entity";
const ASKED_ONCE: &str = "it may be that nobody would ask again for what it asks, so that it cannot be \
    discarded: mend what stops it and replay it";
const ASKS_FOR_OTHER: &str = "it can be read as it is, and would ask for something else: others count \
    on what it asks for now; mend what stops it and replay it";

impl<E: Entity> Shard<E> {
    pub(super) async fn operate_parked(&mut self, request: Request<E>) {
        let Command::Parked { id, action, by } = request.question.command.clone() else {
            return request.answer(Err(CommandError::Failed));
        };

        if let Some(binding) = request.question.binding {
            match self.bound_to(binding.key).await {
                Ok(None) => {}
                Ok(Some(bound)) if bound == binding.fingerprint => {
                    return self.submit_change(Vec::new(), request);
                }
                Ok(Some(_)) => return self.submit_refusal(CommandError::KeyReused, request),
                Err(error) => return self.answer_without_parked(Err(error), request),
            }
        }

        let found = match self.find_parked(id).await {
            Ok(Some(found)) => found,
            // It can be dropped without having been read.
            Err(error @ StoreError::Corrupt { .. }) => {
                let outline = parking::outline(&self.parts.database, id, &error).await;
                match (&action, outline) {
                    (ParkedAction::Discard, Ok(Some(outline))) => outline,
                    _ => return request.answer(Err(CommandError::Failed)),
                }
            }
            answer => return self.answer_without_parked(answer.map(drop), request),
        };

        let (binding, now) = (request.question.binding, self.parts.clock.now());
        let kept = operator::of_parked(&action, &found, by, binding, now);
        let change = match action {
            ParkedAction::Replay => self.replayed(found),
            ParkedAction::Discard => match self.standing(&found.message, &mut None).await {
                Ok(Some(message)) if !is_asked_again::<E>(&message) => {
                    Err(CommandError::Conflict(ASKED_ONCE.to_owned()))
                }
                Ok(_) => Ok(self.discarded(&found)),
                Err(_) => return request.answer(Err(CommandError::Unavailable)),
            },
            ParkedAction::Edit(body) => self.edited(found, body),
        };

        match change {
            Ok((row, number)) => {
                let kept = kept.insert(number, self.parts.shard);
                if let Some(binding) = binding {
                    let durable = self.parts.journal.durable(self.parts.shard);
                    self.bound.bind(binding, self.ticket + 1, durable);
                }
                self.submit_change(vec![row, kept], request);
            }
            Err(refusal) => self.submit_refusal(refusal, request),
        }
    }

    fn replayed(&mut self, found: Parked) -> Result<Numbered, CommandError> {
        let replayed = self.parked.replay(found, self.parts.clock.now());
        let (parked, version) = replayed.ok_or_else(waits_behind)?;
        let row = parking::to_row(&parked, self.parts.shard).update(version);
        Ok((row, version))
    }

    fn discarded(&mut self, found: &Parked) -> Numbered {
        // Of a row that cannot be read, memory knows better whose it is.
        let entity = self.parked.entity_of(found.id);
        let entity = entity.unwrap_or(found.message.entity);
        self.parked.removed(found.id, entity, self.ticket + 1);
        (parked::Model::delete(found.id.0), LAST)
    }

    fn edited(&mut self, found: Parked, body: Box<RawValue>) -> Result<Numbered, CommandError> {
        let mut edited = found.clone();
        edited.message.body = Arc::from(body);
        check_readable::<E>(&edited.message)
            .map_err(|error| CommandError::Conflict(format!("it cannot be read: {error}")))?;
        if !asks_the_same::<E>(&found.message, &edited.message) {
            return Err(CommandError::Conflict(ASKS_FOR_OTHER.to_owned()));
        }

        let (parked, version) = self.parked.edit(edited).ok_or_else(waits_behind)?;
        let row = parking::to_row(&parked, self.parts.shard).update(version);
        Ok((row, version))
    }

    /// A parked message, unless its row goes with a unit in flight.
    async fn find_parked(&self, id: MessageId) -> Result<Option<Parked>, StoreError> {
        if self.parked.is_gone(id) {
            return Ok(None);
        }
        let found = parking::find(&self.parts.database, id).await?;
        Ok(found.map(|found| self.parked.as_edited(found)))
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
        self.submit(Box::new(step), Vec::new(), Cause::Request(request));
    }

    fn submit_change(&mut self, rows: Vec<RowChange>, request: Request<E>) {
        let step = Step {
            answer: Some(Ok(ShardAnswer::Done)),
            ..Step::default()
        };
        self.submit(Box::new(step), rows, Cause::Request(request));
    }
}

fn waits_behind() -> CommandError {
    CommandError::Conflict(WAITS_BEHIND.to_owned())
}
