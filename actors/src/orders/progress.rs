//! A saga goes on: what it decides and what its order does about it come to one step.

use ::sagas::Attempt;
use domain::countermeasures::RereadValue;
use domain::saga::{Effect, LocalStep, Saga};
use domain::{Order, SagaId};
use metrics::counter;
use store::unit::{OutgoingEvent, OutgoingMessage};

use super::{OrdersLogic, answers};
use crate::metric_names as names;
use crate::order::{self, Change, Outcome as OrderOutcome};
use crate::saga::{Ask, Outcome};
use crate::step::{SagaTimer, Step, StepError, Turn};
use crate::{customers, saga};

impl OrdersLogic {
    /// Asks a saga and carries its effects out.
    pub(super) async fn advance(
        &mut self,
        id: SagaId,
        ask: Ask,
        turn: Turn,
    ) -> Result<Step, StepError> {
        let told = self.ask_saga(id, ask, turn).await?;
        self.carry_on(told, turn).await
    }

    /// Carries the effects of a saga's decision out.
    pub(super) async fn carry_on(
        &mut self,
        mut told: saga::Told,
        turn: Turn,
    ) -> Result<Step, StepError> {
        let id = told.saga.id;
        let mut order: Option<Order> = None;
        let mut change: Option<Box<Change>> = None;

        let local = told.effects.iter().find_map(|effect| match effect {
            Effect::Local(step) => Some(*step),
            Effect::Send { .. } => None,
        });

        if let Some(local) = local {
            let answer = self.local_step(&told.saga, local, turn).await?;
            order = answer.order;
            match answer.outcome {
                OrderOutcome::Changed(happened) => change = Some(happened),
                _ => {
                    told = self
                        .ask_saga(id, Ask::LocalStepRefused(local), turn)
                        .await?
                }
            }
        }

        let mut step = Step {
            correlation_id: id.0,
            entity: told.saga.order_id.0,
            time: turn.now,
            touched: vec![id.0, told.saga.order_id.0],
            ..Step::default()
        };

        if let Some(change) = change {
            add_change(&mut step, *change, order.as_ref())?;
        }

        self.add_progress(&mut step, told, order)?;

        Ok(step)
    }

    async fn local_step(
        &mut self,
        saga: &Saga,
        step: LocalStep,
        turn: Turn,
    ) -> Result<order::Told, StepError> {
        let ask = order::Ask::Local {
            step,
            reread: RereadValue {
                expected_version: saga.order_version,
            },
            reason: saga.reason,
            customer_name: saga.customer_name.clone(),
        };
        self.ask_order(saga.order_id, ask, turn).await
    }

    /// Adds what a saga has decided: its row, its commands, its timer, its end.
    pub(super) fn add_progress(
        &self,
        step: &mut Step,
        told: saga::Told,
        order: Option<Order>,
    ) -> Result<(), StepError> {
        let Outcome::Changed(row) = told.outcome else {
            return Ok(());
        };

        step.rows.push(row);

        for effect in &told.effects {
            if let Effect::Send { command, attempt } = effect {
                step.messages
                    .push(self.command_of(&told.saga, command, attempt)?);
            }
        }

        step.timer = Some(SagaTimer {
            saga: told.saga.id,
            wake_at: told.saga.wake_at,
            waits_for: told.saga.customer_id.0,
            longest: self
                .around
                .policy
                .longest_wait(told.saga.state, told.saga.attempts),
        });

        if told.saga.state.has_ended() {
            counter!(names::SAGAS_ENDED, "type" => told.saga.kind.name(), "state" => told.saga.state.name())
                .increment(1);
            if let Some(order) = order {
                step.ended = Some((told.saga.id, answers::of_ended_saga(&order, &told.saga)));
            }
        }

        Ok(())
    }

    pub(super) fn command_of(
        &self,
        saga: &Saga,
        command: &domain::messages::CustomerCommand,
        attempt: &Attempt,
    ) -> Result<OutgoingMessage, StepError> {
        let body = command
            .encode()
            .map_err(|e| StepError::Impossible(e.to_string()))?;

        let (name, type_version) = command.wire_name();

        Ok(OutgoingMessage {
            destination: customers::shard_of(saga.customer_id.0, self.around.shards),
            entity: saga.customer_id.0,
            name,
            type_version,
            attempt: Some(attempt.clone()),
            body: body.into(),
        })
    }
}

/// Adds what has happened to an order.
pub(super) fn add_change(
    step: &mut Step,
    change: Change,
    order: Option<&Order>,
) -> Result<(), StepError> {
    let body = change
        .event
        .encode()
        .map_err(|e| StepError::Impossible(e.to_string()))?;
    step.events
        .push(OutgoingEvent::new(change.event.wire_name(), body));

    if let Some(order) = order {
        step.entity = order.id.0;
        step.first_version = order.version;
        step.time = order.updated_at;
    }

    step.rows.push(change.row);

    Ok(())
}
