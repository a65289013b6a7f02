//! One run of a saga: a state machine over (state, input) that works off a [`SagaDefinition`].
//!
//! It decides; it does not act. Its effects are commands to send and local steps for the order to
//! take, which the caller commits in one unit with the saga's own row.
//!
//! Steps are compensated last first, those that are done *or whose outcome is unknown*. A
//! compensation that is not confirmed is sent again with growing delay, and the saga is shown as
//! stuck when that does not help; it is never dropped.

mod walk;

use std::time::Duration;

use super::{
    Action, LocalStep, Outcome, ReplyKind, SagaDefinition, SagaKind, SagaState, StepRecord,
    StepState,
};
use crate::ids::{CustomerId, OrderId};
use crate::messages::{CustomerCommand, CustomerReply};
use crate::money::Money;
use crate::order::{Order, RejectionReason};
use sagas::SagaId;
use sagas::Timestamp;

/// How patient sagas are.
#[derive(Clone, Copy, Debug)]
pub struct SagaPolicy {
    /// A saga that has not come to its end by then compensates.
    pub deadline: Duration,
    /// The first delay after which an unconfirmed compensation is sent again; it doubles each time.
    pub compensation_retry: Duration,
    /// After so many attempts the saga is shown as stuck.
    pub compensation_attempts: u32,
}

impl SagaPolicy {
    /// The longest that a saga waits from now until it is woken, whatever its row says: a clock
    /// that has stepped back must not make it wait longer. `patience` is the time from its begin
    /// to its deadline.
    #[must_use]
    pub fn longest_wait(&self, state: SagaState, attempts: u32, patience: Duration) -> Duration {
        match state {
            SagaState::Compensating => self
                .compensation_retry
                .saturating_mul(2u32.saturating_pow(attempts.min(16))),
            _ => patience,
        }
    }
}

impl Default for SagaPolicy {
    fn default() -> Self {
        SagaPolicy {
            deadline: Duration::from_secs(600),
            compensation_retry: Duration::from_secs(2),
            compensation_attempts: 8,
        }
    }
}

/// What the caller must do, in one unit with the saga's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A command to the saga's customer.
    Send(CustomerCommand),
    /// A local step of the saga's order. When the order refuses it, tell
    /// [`Saga::local_step_refused`].
    Local(LocalStep),
}

/// The state of one saga.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saga {
    pub id: SagaId,
    pub kind: SagaKind,
    pub state: SagaState,
    pub order_id: OrderId,
    pub customer_id: CustomerId,
    pub amount: Money,
    /// The order's version when the saga began: the value that is reread in the end.
    pub order_version: u64,
    /// What the customer's replies have told.
    pub customer_name: Option<String>,
    pub customer_version: Option<u64>,
    /// Why it compensates.
    pub reason: Option<RejectionReason>,
    pub steps: Vec<StepRecord>,
    /// How often the running step, or its compensation, has been attempted.
    pub attempts: u32,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub deadline: Timestamp,
    /// When the saga wants to be woken: its deadline, or the next attempt.
    pub wake_at: Option<Timestamp>,
    /// Counts the saga's changes from 1.
    pub version: u64,
}

impl Saga {
    /// Begins a saga whose first, local step has just been taken on `order`.
    #[must_use]
    pub fn begin(
        kind: SagaKind,
        order: &Order,
        policy: &SagaPolicy,
        now: Timestamp,
    ) -> (Saga, Vec<Effect>) {
        let remaining = StepRecord {
            state: StepState::Remaining,
            at: None,
            detail: None,
        };

        let deadline = now.after(policy.deadline);

        let mut saga = Saga {
            id: SagaId::derive(kind.name(), order.id.0, order.version),
            kind,
            state: SagaState::Running,
            order_id: order.id,
            customer_id: order.customer_id,
            amount: order.total,
            order_version: order.version,
            customer_name: order.customer_name.clone(),
            customer_version: None,
            reason: None,
            steps: vec![remaining; kind.definition().steps.len()],
            attempts: 1,
            started_at: now,
            updated_at: now,
            ended_at: None,
            deadline,
            wake_at: Some(deadline),
            version: 0,
        };
        saga.mark(0, StepState::Done, now, None);
        let effects = saga.changed(now, |saga, effects| saga.go_on_from(1, now, effects));
        (saga, effects)
    }

    #[must_use]
    pub fn definition(&self) -> &'static SagaDefinition {
        self.kind.definition()
    }

    /// The customer has answered. A reply that the saga does not wait for (a late one, or one to an
    /// earlier attempt) has no effect; what it tells of the customer is kept.
    #[must_use]
    pub fn replied(
        &mut self,
        reply: &CustomerReply,
        policy: &SagaPolicy,
        now: Timestamp,
    ) -> Vec<Effect> {
        if self.state.has_ended() {
            return Vec::new();
        }
        self.changed(now, |saga, effects| {
            if let Some(answer) = reply.answer() {
                saga.customer_name = Some(answer.customer_name.clone());
                saga.customer_version = saga.customer_version.max(Some(answer.customer_version));
            }

            let Some((index, step)) = saga.running_step() else {
                return;
            };

            let forward = saga.state == SagaState::Running;
            let awaited = if forward {
                Some(step.action)
            } else {
                step.compensation
            };

            let Some(outcome) = awaited.and_then(|action| outcome_of(action, reply.into())) else {
                return;
            };

            match (outcome, forward) {
                (Outcome::Done, true) => {
                    saga.mark(index, StepState::Done, now, None);
                    saga.go_on_from(index + 1, now, effects);
                }
                (Outcome::Done, false) => {
                    saga.mark(index, StepState::Compensated, now, None);
                    saga.compensate_below(index, policy, now, effects);
                }
                (Outcome::Refused(reason), _) => {
                    saga.mark(
                        index,
                        StepState::Failed,
                        now,
                        Some(reason.name().to_owned()),
                    );
                    saga.reason = Some(reason);
                    saga.compensate_below(index, policy, now, effects);
                }
                (Outcome::Irreversible, _) => {
                    saga.mark(
                        index,
                        StepState::Done,
                        now,
                        Some("cannot be undone any more".to_owned()),
                    );
                    saga.state = SagaState::Running;
                    saga.go_on_from(index + 1, now, effects);
                }
            }
        })
    }

    /// The time the saga asked to be woken at has come: its deadline has passed, or a compensation
    /// is unconfirmed.
    #[must_use]
    pub fn woken(&mut self, policy: &SagaPolicy, now: Timestamp) -> Vec<Effect> {
        if self.wake_at.is_none_or(|wake_at| wake_at > now) {
            return Vec::new();
        }
        match self.state {
            SagaState::Running => self.stop(RejectionReason::TimedOut, None, policy, now),
            SagaState::Compensating if self.attempts >= policy.compensation_attempts => self
                .changed(now, |saga, _| {
                    saga.state = SagaState::Stuck;
                    saga.wake_at = None;
                }),
            SagaState::Compensating => self.changed(now, |saga, effects| {
                saga.attempt_again(policy, now, effects)
            }),
            SagaState::Stuck | SagaState::Completed | SagaState::Compensated => Vec::new(),
        }
    }

    /// An operator stops the saga. One that compensates already goes on doing so.
    #[must_use]
    pub fn cancelled(
        &mut self,
        detail: Option<String>,
        policy: &SagaPolicy,
        now: Timestamp,
    ) -> Vec<Effect> {
        match self.state {
            SagaState::Running => {
                self.stop(RejectionReason::CancelledByOperator, detail, policy, now)
            }
            _ => Vec::new(),
        }
    }

    /// An operator has a stuck saga try its compensation again.
    #[must_use]
    pub fn retried(&mut self, policy: &SagaPolicy, now: Timestamp) -> Vec<Effect> {
        if self.state != SagaState::Stuck {
            return Vec::new();
        }
        self.changed(now, |saga, effects| {
            saga.state = SagaState::Compensating;
            saga.attempts = 0;
            match saga.running_step() {
                Some(_) => saga.attempt_again(policy, now, effects),
                None => saga.compensate_below(saga.steps.len(), policy, now, effects),
            }
        })
    }

    /// The order refuses a local step: the value reread is another. The effects of this call
    /// replace those of the call that asked for the step.
    #[must_use]
    pub fn local_step_refused(
        &mut self,
        refused: LocalStep,
        policy: &SagaPolicy,
        now: Timestamp,
    ) -> Vec<Effect> {
        self.ended_at = None;
        let mut effects = Vec::new();
        let steps = self.definition().steps;
        let detail = Some("the order has changed".to_owned());

        if let Some(index) = steps
            .iter()
            .position(|step| step.action == Action::Local(refused))
        {
            self.mark(index, StepState::Failed, now, detail);
            self.reason = self.reason.or(Some(RejectionReason::TimedOut));
            self.compensate_below(index, policy, now, &mut effects);
        } else if let Some(index) = steps
            .iter()
            .position(|step| step.compensation == Some(Action::Local(refused)))
        {
            self.mark(index, StepState::Failed, now, detail);
            self.state = SagaState::Stuck;
            self.wake_at = None;
        }

        effects
    }

    fn stop(
        &mut self,
        reason: RejectionReason,
        detail: Option<String>,
        policy: &SagaPolicy,
        now: Timestamp,
    ) -> Vec<Effect> {
        self.changed(now, |saga, effects| {
            saga.reason = Some(reason);

            let from = saga
                .running_step()
                .map_or(saga.steps.len(), |(index, _)| index + 1);

            if let Some((index, _)) = saga.running_step() {
                let detail = detail.unwrap_or_else(|| reason.name().to_owned());
                saga.mark(index, StepState::Running, now, Some(detail));
            }

            saga.compensate_below(from, policy, now, effects);
        })
    }

    fn changed(
        &mut self,
        now: Timestamp,
        change: impl FnOnce(&mut Saga, &mut Vec<Effect>),
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        change(self, &mut effects);
        self.version += 1;
        self.updated_at = now;
        effects
    }
}

fn outcome_of(action: Action, reply: ReplyKind) -> Option<Outcome> {
    let Action::Remote { replies, .. } = action else {
        return None;
    };
    replies
        .iter()
        .find(|(kind, _)| *kind == reply)
        .map(|(_, outcome)| *outcome)
}

#[cfg(test)]
mod tests;
