//! Sagas that a step of another saga begins, here or in another service.

use sagas::nested::{BeginSaga, NestedCommand, Parent, UndoSaga, never_begun};
use sagas::{Beginning, Definitions, Run};
use store::Message;

use super::Entities;
use super::messages::reply_to;
use crate::entity::{Ask, Entity};
use crate::saga;
use crate::step::{Decided, Step, StepError, Turn};

impl<E: Entity> Entities<E> {
    /// Begins a saga as a step of another one, or undoes it. Both commands may come again.
    pub(super) async fn nested(
        &mut self,
        message: &Message,
        command: NestedCommand,
        turn: Turn,
    ) -> Decided<E> {
        let id = command.saga();
        let Some(attempt) = message.attempt.clone() else {
            return Err(StepError::Impossible(format!(
                "nobody is named who has saga {id} begin, or undone"
            )));
        };
        let parent = Parent {
            shard: message.source,
            attempt,
            wants_undo: matches!(command, NestedCommand::Undo(_)),
        };

        let is_there = self.sagas.find(id)?.is_some();
        match command {
            NestedCommand::Begin(_) if is_there => {
                self.advance(id, saga::Ask::BeginAgain { parent }, turn)
                    .await
            }
            NestedCommand::Begin(begin) => self.begin_nested(begin, parent, turn).await,
            NestedCommand::Undo(_) if is_there => {
                self.advance(id, saga::Ask::Undo { parent }, turn).await
            }
            NestedCommand::Undo(UndoSaga { saga }) => {
                let reply = reply_to(message, parent.attempt.saga, &never_begun())?;
                Ok(Box::new(Step {
                    messages: vec![reply],
                    correlation_id: saga.0,
                    entity: saga.0,
                    time: turn.now,
                    ..Step::default()
                }))
            }
        }
    }

    async fn begin_nested(&mut self, begin: BeginSaga, parent: Parent, turn: Turn) -> Decided<E> {
        let Some(definition) = Definitions::of(E::SAGAS).newest(&begin.name) else {
            let text = format!("service {} has no saga {}", E::SERVICE, begin.name);
            return Err(StepError::Impossible(text));
        };
        let data: E::Saga = serde_json::from_str(begin.data.0.get())
            .map_err(|e| StepError::Impossible(format!("the data of saga {}: {e}", begin.saga)))?;

        let shown = self.ask(begin.entity, Ask::Show, turn).await?;
        let changed_at = shown.entity.map(|entity| entity.head().updated_at);
        let beginning = Beginning {
            id: begin.saga,
            entity: begin.entity,
            data,
            not_before: changed_at.unwrap_or(turn.now),
            parent: Some(parent),
        };

        let begun = Run::begin(definition, beginning, &self.around.policy, turn.now);
        let told = self.set_out(begun, turn)?;
        let (step, _) = self.carry_on(told, turn).await?;
        Ok(step)
    }
}
