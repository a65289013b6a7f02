//! A saga goes on: its decision, and what its entity does about it, become one step.

use std::collections::VecDeque;

use sagas::mistakes::{Mistake, makes};
use sagas::nested::{NestedReply, Outgoing, Parent};
use sagas::wire::Body;
use sagas::{Address, Attempt, Effect, SagaData, SagaId, ShardId, Timestamp, WireMessage};
use store::spans::{self, Span};
use store::timers::{TimerChange, TimerSet};
use store::unit::{OutgoingEvent, OutgoingMessage};
use uuid::Uuid;

use super::Entities;
use crate::entity::{self, Answered, Change, Entity, EntityOutcome, LocalRefusal, Notice, Waiting};
use crate::saga::{Ask, SagaOutcome, Standing, Told};
use crate::step::{Decided, Step, StepError, Turn};

/// How things stand when a saga's effects have been carried out.
pub(super) struct Carried<E: Entity> {
    pub run: Standing<E::Saga>,
    /// The saga's entity, if that was asked.
    pub entity: Option<E>,
}

impl<E: Entity> Entities<E> {
    /// Asks a saga and carries its effects out.
    pub(super) async fn advance(
        &mut self,
        id: SagaId,
        ask: Ask<E::Saga>,
        turn: Turn,
    ) -> Decided<E> {
        let told = self.ask_saga(id, ask, turn).await?;
        let (step, _) = self.carry_on(told, turn).await?;
        Ok(step)
    }

    /// Carries the effects of a saga's decision out.
    pub(super) async fn carry_on(
        &mut self,
        told: Told<E::Saga>,
        turn: Turn,
    ) -> Result<(Box<Step<E>>, Carried<E>), StepError> {
        let (id, entity) = (told.run.id, told.run.entity);
        let mut step = Box::new(Step {
            correlation_id: id.0,
            entity,
            time: turn.now,
            touched: vec![id.0, entity],
            ..Step::default()
        });

        let carried = self.carry_out(&mut step, told, None, turn).await?;
        Ok((step, carried))
    }

    /// Adds what a saga has decided to a step: what its entity does, its commands, its row, its
    /// timer, its end. `entity` is the state so far, if it is known.
    pub(super) async fn carry_out(
        &mut self,
        step: &mut Step<E>,
        mut told: Told<E::Saga>,
        mut entity: Option<E>,
        turn: Turn,
    ) -> Result<Carried<E>, StepError> {
        let mut effects = VecDeque::from(std::mem::take(&mut told.effects));
        // It stays true, whatever the entity says to what follows from it.
        if let SagaOutcome::Changed { action, .. } = &mut told.outcome {
            step.rows.extend(action.take());
        }

        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Send {
                    to,
                    command,
                    attempt,
                } => step.messages.push(self.command(to, &command, attempt)?),
                Effect::Answer { to, reply } => step.messages.push(answer_to(to, &reply)?),
                Effect::Local { step: name, local } => {
                    let answer = self.local(&told, local, turn).await?;
                    match answer.outcome {
                        EntityOutcome::Changed(change) => {
                            self.add_change(step, *change, turn)?;
                        }
                        outcome => {
                            let refused = local_refused(name, outcome);
                            told = self.ask_saga(told.run.id, refused, turn).await?;
                            effects = std::mem::take(&mut told.effects).into();
                        }
                    }
                    entity = answer.entity;
                }
            }
        }

        let run = told.run;
        let SagaOutcome::Changed { row, timer, .. } = told.outcome else {
            return Ok(Carried { run, entity });
        };
        step.rows.push(row);
        step.timer = timer.or(step.timer);
        step.stuck = Some((run.id, run.stuck_for));

        if run.state.has_ended() {
            let end = (run.definition.name, run.state);
            step.measured = self.meters.ended(end, run.started_at, turn.now);
            if spans::are_told() {
                step.traced.push(Span {
                    name: format!("saga {}", run.definition.name),
                    part_of: run.id.0,
                    began: run.started_at,
                    ended: turn.now,
                    attributes: vec![("counterfoil.saga.state", run.state.name().to_owned())],
                });
            }

            if entity.is_none() {
                let shown = self.ask(run.entity, entity::Ask::Show, turn).await?;
                entity = shown.entity;
            }
            let after = |entity| Answered::after_saga(entity, run.id, &run.data);
            step.ended = Some((run.id, entity.clone().map(after).map(Box::new)));
        }

        Ok(Carried { run, entity })
    }

    async fn local(
        &mut self,
        told: &Told<E::Saga>,
        local: <E::Saga as SagaData>::Local,
        turn: Turn,
    ) -> Result<entity::Told<E>, StepError> {
        let ask = entity::Ask::Step {
            step: local,
            saga: told.run.data.clone(),
            reason: told.run.reason.clone(),
        };
        self.ask(told.run.entity, ask, turn).await
    }

    fn command(
        &self,
        to: Address,
        command: &Outgoing<E::Saga>,
        attempt: Attempt,
    ) -> Result<OutgoingMessage, StepError> {
        let (destination, entity) = (to.shard(self.around.shards), command.entity(to));
        let form = (command.wire_name(), command.encode());
        message(destination, entity, Some(attempt), form)
    }
}

/// The answer of a nested saga to the one that has begun it.
fn answer_to(to: Parent, reply: &NestedReply) -> Result<OutgoingMessage, StepError> {
    let form = (reply.wire_name(), reply.encode());
    message(to.shard, to.attempt.saga.0, Some(to.attempt), form)
}

/// A message to an entity or a saga, from its wire name, its version and its body.
pub(super) fn message(
    destination: ShardId,
    entity: Uuid,
    attempt: Option<Attempt>,
    ((name, type_version), body): ((&'static str, u16), Result<Body, serde_json::Error>),
) -> Result<OutgoingMessage, StepError> {
    Ok(OutgoingMessage {
        destination,
        entity,
        name,
        type_version,
        attempt,
        body: written(body)?.into(),
    })
}

fn written(body: Result<Body, serde_json::Error>) -> Result<Body, StepError> {
    body.map_err(|e| StepError::Impossible(e.to_string()))
}

fn local_refused<E: Entity, D: SagaData>(step: &'static str, outcome: EntityOutcome<E>) -> Ask<D> {
    let LocalRefusal { reason, detail } = match outcome {
        EntityOutcome::LocalRefused(refusal) => refusal,
        _ => LocalRefusal {
            reason: sagas::Reason::TIMED_OUT,
            detail: format!("the {} did something else", E::KIND).into(),
        },
    };
    Ask::LocalRefused {
        step,
        reason,
        detail: detail.into_owned(),
    }
}

impl<E: Entity> Entities<E> {
    /// Adds an entity's event, and what it changes in how the entity waits by itself.
    pub(super) fn add_change(
        &self,
        step: &mut Step<E>,
        change: Change<E>,
        turn: Turn,
    ) -> Result<(), StepError> {
        let body = written(change.event.encode())?;
        let head = change.head;

        // Versions of one entity follow each other: the first one stands for all.
        if step.events.is_empty() {
            step.entity = head.id;
            step.first_version = head.version;
            step.time = head.updated_at;
        }

        step.events
            .push(OutgoingEvent::new(change.event.wire_name(), body));
        step.rows.push(change.row);
        step.rows
            .extend(change.part.filter(|_| !makes(Mistake::PartForgotten)));
        step.rows.extend(change.snapshot);
        let done = change.done;
        step.rows
            .extend(done.map(|done| done.insert(head.version, self.around.shard)));

        match change.waiting {
            Waiting::AsBefore => {}
            Waiting::For(waits_for) => {
                let due = head.updated_at.after(self.around.policy.deadline);
                step.timer = Some(self.own_timer(head.id, due, waits_for, turn.now));
            }
            Waiting::NoDeadline => step.timer = Some(no_timer(head.id)),
            Waiting::Over(entity) => {
                step.timer = Some(no_timer(head.id));
                step.settled = Some(Box::new(Answered::alone(*entity)));
            }
        }
        Ok(())
    }

    /// The timer of an entity is due.
    pub(super) async fn overdue(&mut self, id: Uuid, set_for: Timestamp, turn: Turn) -> Decided<E> {
        let deadline = self.around.policy.deadline;
        let told = self
            .ask(id, entity::Ask::Overdue { set_for, deadline }, turn)
            .await?;

        let mut step = Box::new(Step {
            correlation_id: id,
            entity: id,
            time: turn.now,
            touched: vec![id],
            ..Step::default()
        });
        match told.outcome {
            EntityOutcome::Changed(change) => self.add_change(&mut step, *change, turn)?,
            EntityOutcome::Reminds(notice, waits_for) => {
                let next = turn.now.after(deadline);
                step.timer = Some(self.own_timer(id, next, waits_for, turn.now));
                add_notice(&mut step, notice)?;
            }
            EntityOutcome::NotDue { due, waits_for } => {
                step.timer = Some(self.own_timer(id, due, waits_for, turn.now));
            }
            _ => step.timer = Some(no_timer(id)),
        }
        Ok(step)
    }

    /// The timer by which an entity that waits by itself is woken. Where the clock has stepped
    /// back, it is due later by that, but waits no longer than its deadline all the same.
    fn own_timer(
        &self,
        id: Uuid,
        wake_at: Timestamp,
        waits_for: Uuid,
        now: Timestamp,
    ) -> TimerChange {
        let set = TimerSet {
            wake_at,
            patience: wake_at.since(now).min(self.around.policy.deadline),
            waits_for,
        };
        TimerChange { id, set: Some(set) }
    }
}

fn no_timer(id: Uuid) -> TimerChange {
    TimerChange { id, set: None }
}

/// Adds what is told of something that has changed nobody.
pub(super) fn add_notice<E: Entity>(step: &mut Step<E>, notice: Notice) -> Result<(), StepError> {
    let body = written(notice.body)?;
    step.events.push(OutgoingEvent::new(notice.name, body));
    Ok(())
}
