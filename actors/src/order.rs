//! The order actor: one order's states, decided one command after the other.

use ::sagas::Fingerprint;
use actix::{Actor, Context, Handler, Message};
use domain::countermeasures::RereadValue;
use domain::order::{OrderCreated, Refusal};
use domain::saga::{LocalStep, SagaKind};
use domain::{Order, OrderEvent, OrderId, OrderState, RejectionReason, SagaId, Timestamp};
use store::faults::Faults;
use store::mapping::{Recalled, RememberedKey, recall};
use store::rows::{Journaled, RowChange};
use store::services::orders::{self, StoredOrder};

use crate::customer::MAILBOX;
use crate::gateway::{NewOrder, RequestBinding};
use crate::step::StepError;
use crate::supervision::{ActorError, guarded};

/// What an order is asked.
#[derive(Debug)]
pub(crate) enum Ask {
    Create {
        request: NewOrder,
        created_by: Option<Fingerprint>,
    },
    /// A command of a caller. Its key, if any, is remembered when the command has an effect.
    Ship {
        binding: Option<RequestBinding>,
    },
    Cancel {
        binding: Option<RequestBinding>,
    },
    /// A local step of the order's saga.
    Local {
        step: LocalStep,
        reread: RereadValue,
        reason: Option<RejectionReason>,
        customer_name: Option<String>,
    },
}

#[derive(Debug, Message)]
#[rtype(result = "Result<Told, ActorError>")]
pub(crate) struct AskOrder {
    pub ask: Ask,
    pub now: Timestamp,
}

/// What an order tells: what happened, and the state after it.
#[derive(Debug)]
pub(crate) struct Told {
    pub outcome: Outcome,
    /// Absent when there is no such order.
    pub order: Option<Order>,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Changed(Box<Change>),
    /// A repeat under the same key, which began this saga.
    Repeated {
        saga: Option<SagaId>,
    },
    /// What is asked for is under way already, by this saga. The row is there when the order
    /// remembers the key of this request from now on.
    Joined {
        saga: SagaId,
        row: Option<RowChange>,
    },
    Refused(Refusal),
    KeyReused,
    NotFound,
}

#[derive(Debug)]
pub(crate) struct Change {
    pub event: OrderEvent,
    pub row: RowChange,
}

pub(crate) struct OrderActor {
    id: OrderId,
    stored: Option<StoredOrder>,
    faults: Faults,
}

impl OrderActor {
    pub(crate) fn new(id: OrderId, stored: Option<StoredOrder>, faults: Faults) -> Self {
        OrderActor { id, stored, faults }
    }

    fn decide(&mut self, ask: Ask, now: Timestamp) -> Result<Told, StepError> {
        let outcome = match ask {
            Ask::Create {
                request,
                created_by,
            } => self.create(request, created_by, now)?,
            Ask::Ship { binding } => self.command(binding, now, Order::ship, |_| None)?,
            Ask::Cancel { binding } => {
                self.command(binding, now, Order::request_cancel, cancel_at_work)?
            }
            Ask::Local {
                step,
                reread,
                reason,
                customer_name,
            } => self.local_step(step, reread, reason, customer_name, now)?,
        };
        Ok(Told {
            outcome,
            order: self.stored.as_ref().map(|stored| stored.entity.clone()),
        })
    }

    fn create(
        &mut self,
        request: NewOrder,
        by: Option<Fingerprint>,
        now: Timestamp,
    ) -> Result<Outcome, StepError> {
        if let Some(stored) = &self.stored {
            let same = stored.created_by == by;
            return Ok(if same {
                Outcome::Repeated { saga: None }
            } else {
                Outcome::KeyReused
            });
        }

        self.faults.panic_if(
            self.faults.plan().panic_order.as_ref(),
            request.note.as_deref(),
        );

        let created = OrderCreated {
            customer_id: request.customer_id,
            order_total: request.total,
            lines: request.lines,
            note: request.note,
        };

        let order = Order::created(self.id, &created, now);
        let stored = StoredOrder {
            entity: order,
            created_by: by,
            remembered: Vec::new(),
        };
        let row = orders::to_row(&stored, Some(&created))?.insert();
        self.stored = Some(stored);

        Ok(Outcome::Changed(Box::new(Change {
            event: OrderEvent::Created(created),
            row,
        })))
    }

    /// A caller's command: found among the remembered keys, refused, or carried out or joined and
    /// remembered. `at_work` tells the saga that does what is asked for.
    fn command(
        &mut self,
        binding: Option<RequestBinding>,
        now: Timestamp,
        decide: impl FnOnce(&Order) -> Result<OrderEvent, Refusal>,
        at_work: impl FnOnce(&Order) -> Option<SagaId>,
    ) -> Result<Outcome, StepError> {
        let Some(stored) = self.stored.as_mut() else {
            return Ok(Outcome::NotFound);
        };

        self.faults.panic_if(
            self.faults.plan().panic_order.as_ref(),
            stored.entity.customer_name.as_deref(),
        );

        if let Some(RequestBinding { key, fingerprint }) = binding {
            match recall(&stored.remembered, key, fingerprint) {
                Recalled::Nothing => {}
                Recalled::Repeated { saga } => return Ok(Outcome::Repeated { saga }),
                Recalled::Reused => return Ok(Outcome::KeyReused),
            }
        }

        let expected_version = stored.entity.version;
        match decide(&stored.entity) {
            Err(refusal) => match at_work(&stored.entity) {
                None => Ok(Outcome::Refused(refusal)),
                Some(saga) => {
                    let bound = binding.map(|binding| remember(stored, binding, Some(saga)));
                    let row = bound.map(|()| orders::to_row(stored, None)).transpose()?;
                    let row = row.map(|row| row.update(expected_version));
                    Ok(Outcome::Joined { saga, row })
                }
            },
            Ok(event) => {
                stored
                    .entity
                    .apply(&event, now.max(stored.entity.updated_at));
                if let Some(binding) = binding {
                    let saga = at_work(&stored.entity);
                    remember(stored, binding, saga);
                }
                changed(stored, event, expected_version)
            }
        }
    }

    fn local_step(
        &mut self,
        step: LocalStep,
        reread: RereadValue,
        reason: Option<RejectionReason>,
        customer_name: Option<String>,
        now: Timestamp,
    ) -> Result<Outcome, StepError> {
        let Some(stored) = self.stored.as_mut() else {
            return Ok(Outcome::NotFound);
        };

        let order = &stored.entity;
        let decided = match step {
            LocalStep::ApproveOrder => order.approve(reread, customer_name),
            LocalStep::RejectOrder => {
                order.reject(reason.unwrap_or(RejectionReason::TimedOut), customer_name)
            }
            LocalStep::ConfirmCancel => order.confirm_cancel(reread),
            LocalStep::UndoCancel => order.undo_cancel(),
            LocalStep::BeginCancel => order.request_cancel(),
            LocalStep::CreateOrder => {
                return Err(StepError::Impossible(format!(
                    "order {} exists already",
                    self.id
                )));
            }
        };

        match decided {
            Err(refusal) => Ok(Outcome::Refused(refusal)),
            Ok(event) => {
                let expected_version = stored.entity.version;
                stored
                    .entity
                    .apply(&event, now.max(stored.entity.updated_at));
                changed(stored, event, expected_version)
            }
        }
    }
}

/// The saga that cancels the order, while it is at work.
fn cancel_at_work(order: &Order) -> Option<SagaId> {
    let at_work = order.state == OrderState::CancelPending;
    at_work.then(|| SagaId::derive(SagaKind::CancelOrder.name(), order.id.0, order.version))
}

/// The order remembers the key of a command that was accepted, with the saga that it began or
/// joined.
fn remember(stored: &mut StoredOrder, binding: RequestBinding, saga: Option<SagaId>) {
    let RequestBinding { key, fingerprint } = binding;
    stored.remembered.push(RememberedKey {
        key: key.as_uuid(),
        fingerprint,
        saga,
    });
}

fn changed(
    stored: &StoredOrder,
    event: OrderEvent,
    expected_version: u64,
) -> Result<Outcome, StepError> {
    let row = orders::to_row(stored, None)?.update(expected_version);
    Ok(Outcome::Changed(Box::new(Change { event, row })))
}

impl Actor for OrderActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<AskOrder> for OrderActor {
    type Result = Result<Told, ActorError>;

    fn handle(&mut self, message: AskOrder, context: &mut Self::Context) -> Self::Result {
        guarded(context, || self.decide(message.ask, message.now))
    }
}
