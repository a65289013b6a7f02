//! The actor of one entity: decides one question after the other.

mod in_flight;

use std::fmt;
use std::time::Duration;

use actix::{Actor, Context, Handler, Message};
use sagas::mistakes::{Mistake, makes};
use sagas::{Fingerprint, Reason, SagaData, SagaId, Timestamp};
use store::faults::Faults;
use store::mapping::{Recalled, Stored, recall};
use uuid::Uuid;

pub(crate) use in_flight::PartAsRead;

use in_flight::InFlight;

use super::outcome::{Before, Waiting};
use super::{Change, Decision, Entity, EntityOutcome, MAILBOX, Overdue, StepOf, Told};
use crate::loading::Snapshots;
use crate::request::RequestBinding;
use crate::step::{StepError, Turn};
use crate::supervision::{ActorError, guarded};

/// What a shard asks an entity.
#[derive(Debug)]
pub(crate) enum Ask<E: Entity> {
    /// A caller's command that makes the entity.
    Create {
        command: E::Command,
        created_by: Option<Fingerprint>,
    },
    /// A caller's command to an entity that exists. The entity remembers its key, if any, when it
    /// has an effect.
    Command {
        command: E::Command,
        binding: Option<RequestBinding>,
    },
    /// A saga's request, and the part that its decision needs.
    Request {
        request: E::Request,
        part: Option<PartAsRead<E>>,
    },
    /// A local step of the saga that knows this.
    Step {
        step: <E::Saga as SagaData>::Local,
        saga: E::Saga,
        reason: Option<Reason>,
    },
    /// The entity's own timer, set for this time, is due. It has waited at most so long.
    Overdue {
        set_for: Timestamp,
        deadline: Duration,
    },
    /// Asks nothing but the state.
    Show,
}

pub(crate) struct AskEntity<E: Entity> {
    pub ask: Ask<E>,
    pub turn: Turn,
}

impl<E: Entity> Message for AskEntity<E> {
    type Result = Result<Told<E>, ActorError>;
}

pub(crate) struct EntityActor<E: Entity> {
    id: Uuid,
    stored: Option<Stored<E>>,
    in_flight: InFlight<E>,
    snapshots: Snapshots,
    faults: Faults,
}

impl<E: Entity> EntityActor<E> {
    pub(crate) fn new(
        id: Uuid,
        stored: Option<Stored<E>>,
        snapshots: Snapshots,
        faults: Faults,
    ) -> Self {
        EntityActor {
            id,
            stored,
            in_flight: InFlight::new(),
            snapshots,
            faults,
        }
    }

    fn decide(&mut self, ask: Ask<E>, turn: Turn) -> Result<Told<E>, StepError> {
        self.in_flight.is_shown_up_to(turn.durable_at_read);

        let is_request = matches!(ask, Ask::Request { .. });
        let outcome = match ask {
            Ask::Create {
                command,
                created_by,
            } => self.create(command, created_by, turn)?,
            Ask::Command { command, binding } => self.command(command, binding, turn)?,
            Ask::Request { request, part } => self.request(&request, part, turn)?,
            Ask::Step { step, saga, reason } => {
                let saga = StepOf {
                    data: &saga,
                    reason: reason.as_ref(),
                };
                self.step(step, saga, turn)?
            }
            Ask::Overdue { set_for, deadline } => self.overdue(set_for, deadline, turn)?,
            Ask::Show => EntityOutcome::Shown,
        };

        let entity = self.entity().filter(|_| !is_request).cloned();
        Ok(Told { outcome, entity })
    }

    fn create(
        &mut self,
        command: E::Command,
        created_by: Option<Fingerprint>,
        turn: Turn,
    ) -> Result<EntityOutcome<E>, StepError> {
        if let Some(stored) = &self.stored {
            // The id follows from the key of the command.
            return Ok(if stored.created_by == created_by {
                let begun_with = stored.entity.begun_with();
                EntityOutcome::Repeated {
                    saga: begun_with.map(|name| SagaId::derive(name, self.id, 1)),
                    waited_until: None,
                }
            } else {
                EntityOutcome::KeyReused
            });
        }

        self.may_panic(E::label_of(&command));

        match E::decide(None, self.id, command) {
            Decision::Happens(event) => {
                let created_by = created_by.filter(|_| !makes(Mistake::KeyForgotten));
                let change = self.happens(event, created_by, None, turn)?;
                Ok(EntityOutcome::Changed(change))
            }
            decision => Ok(without_event(decision)),
        }
    }

    /// A caller's command: a repeat under a remembered key, a refusal, or something to carry out or
    /// to join and to remember.
    fn command(
        &mut self,
        command: E::Command,
        binding: Option<RequestBinding>,
        turn: Turn,
    ) -> Result<EntityOutcome<E>, StepError> {
        let Some(stored) = self.stored.as_mut() else {
            return Ok(without_event(E::decide(None, self.id, command)));
        };

        may_panic::<E>(&self.faults, stored.entity.label());

        if let Some(RequestBinding {
            key, fingerprint, ..
        }) = binding
        {
            match recall(&stored.remembered, key, fingerprint) {
                Recalled::Nothing => {}
                Recalled::Repeated { saga, waited_until } => {
                    return Ok(EntityOutcome::Repeated { saga, waited_until });
                }
                Recalled::Reused => return Ok(EntityOutcome::KeyReused),
            }
        }

        let done = stored.entity.done_by_operator(&command);
        match E::decide(Some(&stored.entity), self.id, command) {
            Decision::Happens(event) => {
                let mut change = self.happens(event, None, binding, turn)?;
                change.done = done.map(|done| done.kept(change.head, binding));
                Ok(EntityOutcome::Changed(change))
            }
            Decision::Joins(saga) => {
                let until = binding.and_then(|binding| binding.waits_until(turn.now));
                joined(stored, Some(saga), binding, until)
            }
            Decision::Done(saga) => {
                let found = turn.now.max(stored.entity.head().updated_at);
                joined(stored, saga, binding, Some(found))
            }
            decision => Ok(without_event(decision)),
        }
    }

    fn request(
        &mut self,
        request: &E::Request,
        part: Option<PartAsRead<E>>,
        turn: Turn,
    ) -> Result<EntityOutcome<E>, StepError> {
        let part = part.and_then(|part| self.in_flight.now(part));
        if let Some(stored) = &self.stored {
            self.may_panic(stored.entity.label());
        }

        let (event, reply) = E::react(self.entity(), request, part.as_ref());
        let Some(event) = event else {
            return Ok(EntityOutcome::Replied(reply, None));
        };

        let change = self.happens(event, None, None, turn)?;
        Ok(EntityOutcome::Replied(reply, Some(change)))
    }

    fn step(
        &mut self,
        step: <E::Saga as SagaData>::Local,
        saga: StepOf<'_, E::Saga>,
        turn: Turn,
    ) -> Result<EntityOutcome<E>, StepError> {
        match E::step(self.entity(), step, saga) {
            Err(refusal) => Ok(EntityOutcome::LocalRefused(refusal)),
            Ok(event) => {
                let change = self.happens(event, None, None, turn)?;
                Ok(EntityOutcome::Changed(change))
            }
        }
    }

    /// The entity goes by its own row, which says whether it waits, and since when. A timer that is
    /// early, damaged as it may be, is set anew; one that it has no use for goes.
    fn overdue(
        &mut self,
        set_for: Timestamp,
        deadline: Duration,
        turn: Turn,
    ) -> Result<EntityOutcome<E>, StepError> {
        let Some((entity, waits_for)) = self.entity().and_then(|e| Some((e, e.deadline()?))) else {
            return Ok(EntityOutcome::NotWaiting);
        };

        let due = entity.head().updated_at.after(deadline);
        if set_for < due {
            return Ok(EntityOutcome::NotDue { due, waits_for });
        }

        match entity.overdue() {
            None => Ok(EntityOutcome::NotWaiting),
            Some(Overdue::Tells(notice)) => Ok(EntityOutcome::Reminds(notice, waits_for)),
            Some(Overdue::Happens(event)) => {
                let change = self.happens(event, None, None, turn)?;
                Ok(EntityOutcome::Changed(change))
            }
        }
    }

    /// Folds an event in. Remembers the key of its command, if any, with the saga that begins.
    fn happens(
        &mut self,
        event: E::Event,
        created_by: Option<Fingerprint>,
        binding: Option<RequestBinding>,
        turn: Turn,
    ) -> Result<Box<Change<E>>, StepError> {
        let before = self.stored.take();
        let head = before.as_ref().map(|stored| stored.entity.head());
        let at = head.map_or(turn.now, |head| turn.now.max(head.updated_at));
        let waiting_before = before.as_ref().map(|stored| Before::of(&stored.entity));

        let (entity, created_by, remembered) = match before {
            Some(stored) => (Some(stored.entity), stored.created_by, stored.remembered),
            None => (None, created_by, Vec::new()),
        };
        let Some(entity) = E::fold(entity, self.id, &event, at) else {
            return Err(impossible::<E>(self.id, &event));
        };

        let mut stored = Stored {
            entity,
            created_by,
            remembered,
        };
        if let Some(binding) = binding {
            let saga = saga_begun_by(&stored.entity, &event);
            let until = binding.waits_until(turn.now);
            stored.remembered.push(binding.remembered(saga, until));
        }

        let row = match head {
            None => E::inserted(&stored, &event)?,
            Some(before) => E::updated(&stored, before.version)?,
        };

        let part = E::part_after(&event).and_then(|(key, part)| {
            let row = stored.entity.part_row(key, part.as_ref());
            self.in_flight.changed(turn.ticket, key, part);
            row
        });

        let snapshot = self.snapshots.due(&stored.entity);
        let head = stored.entity.head();
        let waiting = Waiting::between(waiting_before.unwrap_or_default(), &stored.entity);
        self.stored = Some(stored);
        Ok(Box::new(Change {
            event,
            row,
            part,
            snapshot,
            done: None,
            head,
            waiting,
        }))
    }

    fn entity(&self) -> Option<&E> {
        self.stored.as_ref().map(|stored| &stored.entity)
    }

    fn may_panic(&self, label: Option<&str>) {
        may_panic::<E>(&self.faults, label);
    }
}

fn may_panic<E: Entity>(faults: &Faults, label: Option<&str>) {
    faults.panic_at(E::KIND, label);
}

/// The saga that begins with this event, if one does.
fn saga_begun_by<E: Entity>(entity: &E, event: &E::Event) -> Option<SagaId> {
    let (definition, _) = entity.begins(event)?;
    let head = entity.head();
    Some(SagaId::derive(definition.name, head.id, head.version))
}

/// What is asked for is under way already, or done: the key of the command is remembered all the
/// same. The version stays as it is: only the row is written.
fn joined<E: Entity>(
    stored: &mut Stored<E>,
    saga: Option<SagaId>,
    binding: Option<RequestBinding>,
    waited_until: Option<Timestamp>,
) -> Result<EntityOutcome<E>, StepError> {
    let row = binding.map(|binding| {
        let remembered = binding.remembered(saga, waited_until);
        stored.remembered.push(remembered);
        E::updated(stored, stored.entity.head().version)
    });
    Ok(EntityOutcome::Joined(saga, row.transpose()?))
}

fn without_event<E: Entity>(decision: Decision<E>) -> EntityOutcome<E> {
    match decision {
        Decision::Joins(saga) => EntityOutcome::Joined(Some(saga), None),
        Decision::Done(saga) => EntityOutcome::Joined(saga, None),
        Decision::Refused(detail) => EntityOutcome::Refused(detail),
        Decision::Happens(_) | Decision::NotFound => EntityOutcome::NotFound,
    }
}

fn impossible<E: Entity>(id: Uuid, event: &impl fmt::Debug) -> StepError {
    StepError::Impossible(format!("{} {id} cannot have the event {event:?}", E::KIND))
}

// Nothing in it is ever pinned.
impl<E: Entity> Unpin for EntityActor<E> {}

impl<E: Entity> Actor for EntityActor<E> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX);
    }
}

impl<E: Entity> Handler<AskEntity<E>> for EntityActor<E> {
    type Result = Result<Told<E>, ActorError>;

    fn handle(&mut self, message: AskEntity<E>, context: &mut Self::Context) -> Self::Result {
        guarded(context, || self.decide(message.ask, message.turn))
    }
}

#[cfg(test)]
mod tests;
