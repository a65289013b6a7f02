//! The commands of callers on orders and sagas.

use domain::order::Refusal;
use domain::saga::{Saga, SagaKind};
use domain::{Order, OrderId, OrderState, SagaId};
use store::rows::Journaled;
use store::sagas::{self, StoredSaga};

use super::{OrdersLogic, answers, progress};
use crate::gateway::{CommandError, OrderAnswer, SagaAnswer, Seen};
use crate::order::{Ask, Outcome, Told};
use crate::request::{Answer, Command, Request};
use crate::saga;
use crate::step::{Step, StepError, Turn};

impl OrdersLogic {
    pub(super) async fn carry_out(
        &mut self,
        request: &mut Request,
        turn: Turn,
    ) -> Result<Step, StepError> {
        let binding = request.binding;
        match &request.command {
            Command::CreateOrder { id, request: new } => {
                let created_by = binding.map(|binding| binding.fingerprint);

                let (id, ask) = (
                    *id,
                    Ask::Create {
                        request: new.clone(),
                        created_by,
                    },
                );
                let told = self.ask_order(id, ask, turn).await?;
                self.created(id, told, turn).await
            }
            Command::CancelOrder(id) => {
                let id = *id;
                let told = self.ask_order(id, Ask::Cancel { binding }, turn).await?;
                self.cancel_requested(id, told, turn).await
            }
            Command::ShipOrder(id) => {
                let id = *id;
                let told = self.ask_order(id, Ask::Ship { binding }, turn).await?;
                shipped(id, told)
            }
            Command::RetrySaga(id) => {
                let (id, ask) = (*id, saga::Ask::Retry { binding });
                self.operate(id, ask, "only a STUCK saga can be retried", turn)
                    .await
            }
            Command::CancelSaga { id, reason } => {
                let (id, ask) = (
                    *id,
                    saga::Ask::Cancel {
                        reason: reason.clone(),
                        binding,
                    },
                );
                self.operate(id, ask, "the saga has ended", turn).await
            }
            Command::CreateCustomer { .. } | Command::Replay(_) | Command::Discard(_) => Err(
                StepError::Impossible("this shard takes no such request".to_owned()),
            ),
        }
    }

    async fn created(&mut self, id: OrderId, told: Told, turn: Turn) -> Result<Step, StepError> {
        let order = told
            .order
            .ok_or_else(|| StepError::Impossible(format!("order {id} has no state")))?;
        match told.outcome {
            Outcome::Changed(change) => self.begin(SagaKind::CreateOrder, order, *change, turn),
            Outcome::Repeated { .. } => {
                let saga = SagaId::derive(SagaKind::CreateOrder.name(), id.0, 1);
                self.joined(&order, saga, true, turn).await
            }
            _ => Ok(Step::refusing(CommandError::KeyReused, id.0)),
        }
    }

    async fn cancel_requested(
        &mut self,
        id: OrderId,
        told: Told,
        turn: Turn,
    ) -> Result<Step, StepError> {
        let Some(order) = told.order else {
            return Ok(Step::refusing(CommandError::NotFound("order"), id.0));
        };

        let begun_at = |version| SagaId::derive(SagaKind::CancelOrder.name(), id.0, version);

        match told.outcome {
            Outcome::Changed(change) => self.begin(SagaKind::CancelOrder, order, *change, turn),
            Outcome::Repeated { saga: Some(saga) } => self.joined(&order, saga, true, turn).await,
            Outcome::Joined { saga, row } => {
                let mut step = self.joined(&order, saga, false, turn).await?;
                step.rows.extend(row);
                Ok(step)
            }
            Outcome::Refused(_) if order.state == OrderState::Cancelled => {
                // The saga began one version before its last word.
                let saga = begun_at(order.version.saturating_sub(1));
                self.joined(&order, saga, false, turn).await
            }
            Outcome::Refused(refusal) => {
                Ok(Step::refusing(conflict(&order, refusal, "cancelled"), id.0))
            }
            Outcome::KeyReused => Ok(Step::refusing(CommandError::KeyReused, id.0)),
            Outcome::NotFound | Outcome::Repeated { saga: None } => {
                Ok(Step::refusing(CommandError::NotFound("order"), id.0))
            }
        }
    }

    /// A saga begins: its row, its first command, and the order's change in one step.
    fn begin(
        &mut self,
        kind: SagaKind,
        order: Order,
        change: crate::order::Change,
        turn: Turn,
    ) -> Result<Step, StepError> {
        let (saga, effects) = Saga::begin(kind, &order, &self.around.policy, turn.now);
        let stored = StoredSaga {
            saga,
            remembered: Vec::new(),
        };
        let row = sagas::to_row(&stored, self.around.shard)?.insert();
        let saga = stored.saga.clone();
        self.start_saga(stored);

        let mut step = Step::answering(
            Answer::Order(answers::of_begun_saga(&order, &saga)),
            order.id.0,
        );
        step.correlation_id = saga.id.0;
        step.touched.push(saga.id.0);
        progress::add_change(&mut step, change, Some(&order))?;

        let told = saga::Told {
            outcome: saga::Outcome::Changed(row),
            effects,
            saga,
        };
        self.add_progress(&mut step, told, Some(order))?;

        Ok(step)
    }

    /// A caller asks for what a saga is doing already, or has done: the answer shows the order as
    /// it is now.
    async fn joined(
        &mut self,
        order: &Order,
        saga: SagaId,
        repeated: bool,
        turn: Turn,
    ) -> Result<Step, StepError> {
        let shown = if self.sagas.is_live(saga) {
            Some(self.ask_saga(saga, saga::Ask::Show, turn).await?.saga)
        } else {
            let mut found = store::sagas::load(&self.around.database, &[saga]).await?;
            let stored = found.remove(&saga).transpose();
            stored
                .map_err(|error| StepError::Unreadable(error.chain()))?
                .map(|stored| stored.saga)
        };

        let shown =
            shown.ok_or_else(|| StepError::Impossible(format!("there is no saga {saga}")))?;
        let answer = if shown.state.has_ended() {
            answers::of_ended_saga(order, &shown)
        } else {
            answers::of_begun_saga(order, &shown)
        };

        Ok(Step::answering(
            Answer::Order(OrderAnswer { repeated, ..answer }),
            order.id.0,
        ))
    }

    async fn operate(
        &mut self,
        id: SagaId,
        ask: saga::Ask,
        not_possible: &str,
        turn: Turn,
    ) -> Result<Step, StepError> {
        if self.sagas.find(id)?.is_none() {
            return Ok(Step::refusing(CommandError::NotFound("saga"), id.0));
        }

        let told = self.ask_saga(id, ask, turn).await?;

        match told.outcome {
            saga::Outcome::NotPossible => {
                let detail = format!("{not_possible}; it is {}", told.saga.state.name());
                Ok(Step::refusing(CommandError::Conflict(detail), id.0))
            }
            saga::Outcome::KeyReused => Ok(Step::refusing(CommandError::KeyReused, id.0)),
            saga::Outcome::Unchanged | saga::Outcome::Changed(_) => {
                let saga = told.saga.clone();
                let mut step = self.carry_on(told, turn).await?;
                let seen = if step.events.is_empty() {
                    saga.order_version
                } else {
                    step.first_version
                };
                step.answer = Some(Ok(Answer::Saga(saga_answer(&saga, seen))));
                Ok(step)
            }
        }
    }
}

fn saga_answer(saga: &Saga, order_version: u64) -> SagaAnswer {
    SagaAnswer {
        saga_id: saga.id,
        order_id: saga.order_id,
        state: saga.state,
        version: saga.version,
        seen: Seen {
            service: domain::ORDERS,
            entity: saga.order_id.0,
            version: order_version,
        },
    }
}

fn shipped(id: OrderId, told: Told) -> Result<Step, StepError> {
    let Some(order) = told.order else {
        return Ok(Step::refusing(CommandError::NotFound("order"), id.0));
    };
    let answer = Answer::Order(answers::without_saga(&order));

    match told.outcome {
        Outcome::Changed(change) => {
            let mut step = Step::answering(answer, id.0);
            step.correlation_id = id.0;
            progress::add_change(&mut step, *change, Some(&order))?;
            Ok(step)
        }
        Outcome::Repeated { .. } => Ok(Step::answering(answer, id.0)),
        Outcome::Refused(_) if order.state == OrderState::Shipped => {
            Ok(Step::answering(answer, id.0))
        }
        Outcome::Refused(refusal) => Ok(Step::refusing(conflict(&order, refusal, "shipped"), id.0)),
        Outcome::KeyReused => Ok(Step::refusing(CommandError::KeyReused, id.0)),
        Outcome::NotFound | Outcome::Joined { .. } => {
            Ok(Step::refusing(CommandError::NotFound("order"), id.0))
        }
    }
}

fn conflict(order: &Order, refusal: Refusal, done: &str) -> CommandError {
    let state = order.state.name();
    CommandError::Conflict(match refusal {
        Refusal::Locked(lock) => format!(
            "the order is {state}: its saga {} is at work; only an APPROVED order can be {done}",
            lock.held_by.name()
        ),
        Refusal::NotIn(_) | Refusal::Changed => {
            format!("the order is {state}; only an APPROVED order can be {done}")
        }
    })
}
