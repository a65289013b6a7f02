//! Messages of the log: what sagas ask of entities, and what answers they get.

use sagas::handler::{Handler, Heard, Told};
use sagas::mistakes::{Mistake, makes};
use sagas::wire::WireError;
use sagas::{Incoming, SagaId, ShardId, WireMessage};
use store::Message;
use store::unit::OutgoingMessage;
use uuid::Uuid;

use super::Entities;
use super::progress::{self, add_notice};
use crate::entity::{Ask, Entity, EntityOutcome, PartAsRead};
use crate::saga;
use crate::step::{Decided, Step, StepError, Turn};

impl<E: Entity> Entities<E> {
    /// A saga asks an entity, which replies.
    pub(super) async fn asked(
        &mut self,
        message: &Message,
        request: E::Request,
        turn: Turn,
    ) -> Decided<E> {
        let id = message.entity;
        let part = self.part_as_read(id, &request)?;
        let asked_by = message.attempt.as_ref().map(|attempt| attempt.saga);
        let asked_by = asked_by.or_else(|| E::asked_by(&request));

        let told = self
            .ask(
                id,
                Ask::Request {
                    request: request.clone(),
                    part,
                },
                turn,
            )
            .await?;
        let EntityOutcome::Replied(reply, change) = told.outcome else {
            return Err(StepError::Impossible(format!(
                "{} {id} did not reply",
                E::KIND
            )));
        };

        let mut step = Box::new(Step {
            correlation_id: message.correlation_id,
            time: turn.now,
            entity: id,
            touched: vec![id],
            ..Step::default()
        });
        let replies = change.is_some() || !makes(Mistake::RepeatWithoutReply);
        let notice = match asked_by {
            Some(_) => None,
            None if makes(Mistake::RefusalNotTold) => None,
            None => E::notice(&request, &reply).filter(|_| change.is_none()),
        };
        if let Some(saga) = asked_by.filter(|_| replies) {
            step.messages.push(reply_to(message, saga, &reply)?);
        }
        if let Some(change) = change {
            self.add_change(&mut step, *change, turn)?;
        }
        if let Some(notice) = notice {
            add_notice(&mut step, notice)?;
        }
        Ok(step)
    }

    /// Something has happened in another service: what a handler makes of it is sent on by this
    /// one. A step without a message says that it is none of this service's business.
    ///
    /// Of an event that cannot be read nobody knows whether it is. It goes into quarantine, as
    /// commands do that cannot be read: whoever waits for what it would have brought about goes on
    /// by its deadline, and for a release nobody waits.
    pub(super) fn heard(&self, message: &Message, turn: Turn) -> Decided<E> {
        if let Some(cause) = message.unreadable() {
            return Err(StepError::Unreadable(cause.to_owned()));
        }

        let mut step = Box::new(Step {
            correlation_id: message.correlation_id,
            time: turn.now,
            entity: message.entity,
            ..Step::default()
        });
        if let Some((entity, command)) = command_of::<E>(message)? {
            let destination = ShardId::of(E::SERVICE, entity, self.around.shards);
            let form = (command.wire_name(), command.encode());
            let command = progress::message(destination, entity, None, form)?;
            step.messages.push(command);
        }
        Ok(step)
    }

    /// The part that the decision on a request needs, as the database has it. `None` means that
    /// there is none, which was read or is known; a part that nobody has looked for is an error.
    fn part_as_read(
        &mut self,
        id: Uuid,
        request: &E::Request,
    ) -> Result<Option<PartAsRead<E>>, StepError> {
        let Some(needed) = E::part_of(request) else {
            return Ok(None);
        };
        let Some(live) = self.entities.find(id)? else {
            return Err(StepError::NotLoaded);
        };

        let stored = match live.parts.get(&needed.key) {
            Some(Ok(stored)) => stored.clone(),
            Some(Err(cause)) => return Err(StepError::Unreadable(cause.clone())),
            None if makes(Mistake::NotLoadedTakenForAbsent) => None,
            None => return Err(StepError::NotLoaded),
        };
        Ok(Some(PartAsRead {
            key: needed.key,
            stored,
        }))
    }

    /// Somebody answers a saga of this service.
    pub(super) async fn replied(&mut self, message: &Message, turn: Turn) -> Decided<E> {
        let (name, version) = (&message.name, message.type_version);
        let reply = Incoming::<E::Saga>::decode(name, version, message.body.get())?;
        let id = SagaId(message.entity);
        if self.sagas.find(id)?.is_none() {
            return Err(StepError::Impossible(format!("there is no saga {id}")));
        }

        let panics = match &reply {
            Incoming::Own(reply) => self.around.faults.plans("saga", E::label_of_reply(reply)),
            Incoming::Nested(_) => false,
        };
        let ask = saga::Ask::Reply {
            reply,
            attempt: message.attempt.clone(),
            panics,
        };
        self.advance(id, ask, turn).await
    }
}

/// What a handler makes of an event, if there is one for it.
pub(super) fn command_of<E: Entity>(message: &Message) -> Told<E::Request> {
    let Some(handler) = handler_of::<E>(message) else {
        return match message.unreadable().is_some() && hears::<E>(message) {
            true => Err(WireError::UnknownType {
                name: message.name.to_string(),
                version: message.type_version,
            }),
            false => Ok(None),
        };
    };
    (handler.command)(&Heard {
        entity: message.entity,
        name: &message.name,
        type_version: message.type_version,
        body: message.body.get(),
    })
}

/// Whether something comes of an event here. One that cannot be read is wanted: it is told of where
/// it is heard.
pub(super) fn wants<E: Entity>(event: &Message) -> bool {
    !matches!(command_of::<E>(event), Ok(None))
}

/// Whether an event is heard. One whose row in the outbox is damaged has lost its name: it may be
/// any of those that its service tells.
pub(super) fn hears<E: Entity>(message: &Message) -> bool {
    let of = message.source.service;
    let is_of_it = |handler: &Handler<E::Request>| handler.of == of;

    match message.unreadable() {
        Some(_) => E::HANDLERS.iter().any(is_of_it) && !makes(Mistake::UnreadableEventPassedOver),
        None => handler_of::<E>(message).is_some(),
    }
}

/// The handler that hears this event. One that was parked is known by its source and its name, too.
pub(super) fn handler_of<E: Entity>(message: &Message) -> Option<&'static Handler<E::Request>> {
    let of = message.source.service;
    E::HANDLERS
        .iter()
        .find(|handler| handler.hears(of, &message.name))
}

/// The reply to a message: it goes back to the sender, and echoes the attempt.
pub(super) fn reply_to(
    message: &Message,
    saga: SagaId,
    reply: &impl WireMessage,
) -> Result<OutgoingMessage, StepError> {
    let form = (reply.wire_name(), reply.encode());
    progress::message(message.source, saga.0, message.attempt.clone(), form)
}
