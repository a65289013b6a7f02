//! The commands of callers on entities, and of operators on sagas.

use sagas::{Beginning, Definition, Definitions, Run, SagaId, Timestamp};
use store::StoreError;
use uuid::Uuid;

use super::Entities;
use super::progress::Carried;
use crate::entity::{Answered, Ask, Change, Entity, EntityOutcome, Seen, Told};
use crate::error::CommandError;
use crate::loading::Loaded;
use crate::operator::{Operator, SagaAction};
use crate::request::{Command, Request, RequestBinding, SagaAnswer, ShardAnswer};
use crate::saga::{self, Standing};
use crate::step::{Decided, Step, StepError, Turn};
use crate::supervision::caught;

/// A command that had its effect before, under the same key.
#[derive(Clone, Copy, Debug)]
struct Repeats {
    /// Until when its first caller waited for the end.
    waited_until: Option<Timestamp>,
}

impl Repeats {
    /// Whether the first answer told of this end. It is not kept what was answered, which may have
    /// been lost: it follows from the two times, of one clock.
    fn was_told_of_end(self, ended_at: Option<Timestamp>) -> bool {
        let both = self.waited_until.zip(ended_at);
        both.is_some_and(|(until, ended)| ended <= until)
    }
}

impl<E: Entity> Entities<E> {
    /// Does what a caller asks.
    pub(crate) async fn request(&mut self, request: &Request<E>, turn: Turn) -> Decided<E> {
        let binding = request.question.binding;

        match request.question.command.clone() {
            Command::Create { id, command } => {
                let ask = Ask::Create {
                    command,
                    created_by: binding.map(|binding| binding.fingerprint),
                };
                let told = self.ask(id, ask, turn).await?;
                self.told(id, told, turn).await
            }
            Command::Entity { id, command } => {
                let told = self
                    .ask(id, Ask::Command { command, binding }, turn)
                    .await?;
                self.told(id, told, turn).await
            }
            Command::Saga { id, action, by } => self.operate(id, action, (by, binding), turn).await,
            Command::FollowSaga(id) => self.followed(id, turn).await,
            Command::FollowEntity(id) => match self.ask(id, Ask::Show, turn).await?.entity {
                Some(entity) => self.joined(entity, None, None, turn).await,
                None => Ok(Step::refusing(CommandError::not_found(E::KIND), id)),
            },
            Command::Parked { .. } | Command::Bulk { .. } | Command::Note(_) => {
                Err(StepError::Impossible(
                    "what operators do to other things is no entity's business".to_owned(),
                ))
            }
        }
    }

    /// Turns what an entity decides about a caller's command into a step.
    async fn told(&mut self, id: Uuid, told: Told<E>, turn: Turn) -> Decided<E> {
        let Some(entity) = told.entity else {
            let refusal = match told.outcome {
                EntityOutcome::Refused(detail) => CommandError::Conflict(detail),
                _ => CommandError::not_found(E::KIND),
            };
            return Ok(Step::refusing(refusal, id));
        };

        match told.outcome {
            EntityOutcome::Changed(change) => self.changed(entity, change, turn).await,
            EntityOutcome::Repeated { saga, waited_until } => {
                let repeats = Some(Repeats { waited_until });
                self.joined(entity, saga, repeats, turn).await
            }
            EntityOutcome::Joined(saga, row) => {
                let mut step = self.joined(entity, saga, None, turn).await?;
                step.rows.extend(row);
                Ok(step)
            }
            EntityOutcome::Refused(detail) => {
                Ok(Step::refusing(CommandError::Conflict(detail), id))
            }
            EntityOutcome::KeyReused => Ok(Step::refusing(CommandError::KeyReused, id)),
            EntityOutcome::NotFound => Ok(Step::refusing(CommandError::not_found(E::KIND), id)),
            outcome @ (EntityOutcome::Replied(..)
            | EntityOutcome::LocalRefused(_)
            | EntityOutcome::Reminds(..)
            | EntityOutcome::NotWaiting
            | EntityOutcome::NotDue { .. }
            | EntityOutcome::Shown) => {
                let text = format!("a command to {} {id} came to {outcome:?}", E::KIND);
                Err(StepError::Impossible(text))
            }
        }
    }

    /// A command has had an event. The saga that begins with the event shares its step.
    async fn changed(&mut self, entity: E, change: Box<Change<E>>, turn: Turn) -> Decided<E> {
        let head = entity.head();
        let begins = entity.begins(&change.event);
        let mut step = Box::new(Step {
            touched: vec![head.id],
            correlation_id: head.id,
            ..Step::default()
        });
        self.add_change(&mut step, *change, turn)?;

        let answered = match begins {
            None => Answered::alone(entity),
            Some((definition, data)) => {
                let told = self.begin(&entity, definition, data, turn)?;
                let saga = told.run.id;
                step.correlation_id = saga.0;
                step.touched.push(saga.0);

                // Its next steps may be the entity's, too.
                let carried = self.carry_out(&mut step, told, Some(entity), turn).await?;

                // A saga that has nobody to ask ends at once.
                match (&step.ended, carried.entity) {
                    (Some((_, Some(end))), _) => Answered::clone(end),
                    (_, Some(entity)) => Answered::with_saga(entity, saga),
                    (_, None) => {
                        let text = format!("{} {} is gone", E::KIND, head.id);
                        return Err(StepError::Impossible(text));
                    }
                }
            }
        };

        step.answer = Some(Ok(ShardAnswer::Entity(answered)));
        Ok(step)
    }

    /// A saga begins: its first, local step was the caller's command.
    fn begin(
        &mut self,
        entity: &E,
        definition: &'static Definition<E::Saga>,
        data: E::Saga,
        turn: Turn,
    ) -> Result<saga::Told<E::Saga>, StepError> {
        let head = entity.head();
        let beginning = Beginning {
            id: SagaId::derive(definition.name, head.id, head.version),
            entity: head.id,
            data,
            not_before: head.updated_at,
            parent: None,
        };

        let policy = &self.around.policy;
        let begun = Run::begin_after_first_step(definition, beginning, policy, turn.now);
        self.set_out(begun, turn)
    }

    /// A caller asks for what a saga is doing already, or has done: the answer shows the entity as
    /// it is now.
    async fn joined(
        &mut self,
        entity: E,
        saga: Option<SagaId>,
        repeats: Option<Repeats>,
        turn: Turn,
    ) -> Decided<E> {
        let head = entity.head();
        let id = head.id;
        let (answered, ended_at) = match saga {
            None => {
                let ended_at = entity.is_settled().then_some(head.updated_at);
                (Answered::alone(entity), ended_at)
            }
            Some(saga) => {
                let run = self.shown(saga, turn).await?;
                let answered = if run.state.has_ended() {
                    Answered::after_saga(entity, saga, &run.data)
                } else {
                    Answered::with_saga(entity, saga)
                };
                (answered, run.ended_at)
            }
        };

        let answer = ShardAnswer::Entity(Answered {
            repeated: repeats.is_some(),
            end_told: repeats.is_some_and(|repeats| repeats.was_told_of_end(ended_at)),
            ..answered
        });
        Ok(Step::answering(answer, id))
    }

    /// A caller asks for the end of a saga: the answer shows the entity as it is now.
    async fn followed(&mut self, id: SagaId, turn: Turn) -> Decided<E> {
        if self.sagas.find(id)?.is_none() {
            return Ok(Step::refusing(CommandError::not_found("saga"), id.0));
        }

        let entity = self.shown(id, turn).await?.entity;
        match self.ask(entity, Ask::Show, turn).await?.entity {
            Some(entity) => self.joined(entity, Some(id), None, turn).await,
            None => Ok(Step::refusing(CommandError::not_found(E::KIND), entity)),
        }
    }

    /// A saga as it is, in memory or not.
    async fn shown(&mut self, saga: SagaId, turn: Turn) -> Result<Standing<E::Saga>, StepError> {
        if self.sagas.is_live(saga) {
            return Ok(self.ask_saga(saga, saga::Ask::Show, turn).await?.run);
        }

        let mut found =
            store::sagas::load(&self.around.database, &Definitions::of(E::SAGAS), &[saga]).await?;
        match found.remove(&saga) {
            Some(Ok(stored)) => Ok(Standing::of(&stored.saga)),
            Some(Err(error)) => Err(StepError::Unreadable(error.chain())),
            None => Err(StepError::Impossible(format!("there is no saga {saga}"))),
        }
    }

    /// Those of these sagas that have ended, and of these entities that no longer wait, durably,
    /// each with the entity as that is now.
    pub(crate) async fn ended(
        &self,
        followed: &[Uuid],
    ) -> Result<Vec<(Uuid, Answered<E>)>, StoreError> {
        let mut told = self.ended_sagas(followed).await?;
        if E::HANDLERS.is_empty() {
            return Ok(told);
        }

        let found = self.around.source().load::<E>(followed).await?;
        let entities = found
            .into_iter()
            .filter_map(|(id, read)| Some((id, read.ok()?.stored)));
        for (id, stored) in entities {
            let end = || {
                let is_settled = stored.entity.is_settled();
                is_settled.then(|| Answered::alone(stored.entity))
            };
            told.extend(caught(end).ok().flatten().map(|end| (id, end)));
        }
        Ok(told)
    }

    async fn ended_sagas(&self, followed: &[Uuid]) -> Result<Vec<(Uuid, Answered<E>)>, StoreError> {
        let database = &self.around.database;
        let sagas: Vec<_> = followed.iter().copied().map(SagaId).collect();
        let found = store::sagas::load(database, &Definitions::of(E::SAGAS), &sagas).await?;
        let runs = found.into_values().filter_map(Result::ok);
        let ended = runs.map(|stored| stored.saga);
        let ended: Vec<_> = ended.filter(|run| run.state.has_ended()).collect();

        let ids: Vec<Uuid> = ended.iter().map(|run| run.entity).collect();
        let mut entities = self.around.source().load::<E>(&ids).await?;
        let mut told = Vec::new();
        for run in ended {
            let Some(Ok(Loaded { stored, .. })) = entities.remove(&run.entity) else {
                continue;
            };
            // A service that panics over one of them keeps nobody from hearing of the others.
            let end = || Answered::after_saga(stored.entity, run.id, &run.data);
            told.extend(caught(end).ok().map(|end| (run.id.0, end)));
        }
        Ok(told)
    }

    async fn operate(
        &mut self,
        id: SagaId,
        action: SagaAction,
        (by, binding): (Operator, Option<RequestBinding>),
        turn: Turn,
    ) -> Decided<E> {
        if self.sagas.find(id)?.is_none() {
            return Ok(Step::refusing(CommandError::not_found("saga"), id.0));
        }

        let ask = saga::Ask::Operate {
            action,
            by,
            binding,
        };
        let told = self.ask_saga(id, ask, turn).await?;

        match told.outcome {
            saga::SagaOutcome::NotPossible => {
                let state = told.run.state;
                let why = match (action, state.has_ended()) {
                    (SagaAction::Retry, _) => "only a STUCK saga can be retried",
                    (SagaAction::Abandon, _) => "only a STUCK saga can be given up",
                    (SagaAction::Cancel, true) => "the saga has ended",
                    (SagaAction::Cancel, false) => "the saga can only go on",
                };
                let detail = format!("{why}; it is {}", state.name());
                Ok(Step::refusing(CommandError::Conflict(detail), id.0))
            }
            saga::SagaOutcome::KeyReused => Ok(Step::refusing(CommandError::KeyReused, id.0)),
            saga::SagaOutcome::Unchanged
            | saga::SagaOutcome::Untimely(_)
            | saga::SagaOutcome::Changed { .. } => {
                let (mut step, Carried { run, entity }) = self.carry_on(told, turn).await?;
                let seen = self.seen(run.entity, entity, turn).await?;
                step.answer = Some(Ok(ShardAnswer::Saga(SagaAnswer {
                    saga_id: run.id,
                    entity: run.entity,
                    state: run.state,
                    version: run.version,
                    seen,
                })));
                Ok(step)
            }
        }
    }

    /// The saga's entity, as the command has seen or changed it.
    async fn seen(&mut self, id: Uuid, changed: Option<E>, turn: Turn) -> Result<Seen, StepError> {
        let entity = match changed {
            Some(entity) => Some(entity),
            None => self.ask(id, Ask::Show, turn).await?.entity,
        };

        Ok(Seen {
            service: E::SERVICE,
            entity: id,
            version: entity.map_or(0, |entity| entity.head().version),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_answer_told_of_an_end_that_came_while_its_caller_waited() {
        let at = |micros| Some(Timestamp::from_micros(micros));
        for (waited_until, ended_at, told) in [
            (at(20), at(19), true),
            (at(20), at(20), true),
            (at(20), at(21), false),
            (at(20), None, false),
            (None, at(1), false),
        ] {
            let repeats = Repeats { waited_until };
            assert_eq!(repeats.was_told_of_end(ended_at), told, "{ended_at:?}");
        }
    }
}
