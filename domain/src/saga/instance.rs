//! One run of a saga: a state machine over (state, input) that works off a [`SagaDefinition`].
//!
//! It decides; it does not act. Its effects are commands to send and local steps for the order to
//! take, which the caller commits in one unit with the saga's own row.
//!
//! Steps are compensated last first, those that are done *or whose outcome is unknown*. A
//! compensation that is not confirmed is sent again with growing delay, and the saga is shown as
//! stuck when that does not help; it is never dropped.
//!
//! Of all replies only the one to the newest command decides anything. Each command has a number,
//! the reply echoes it, and the customer carries the commands of a saga out in their order: so that
//! reply tells how things stand after everything that was sent before, and whatever earlier attempts
//! have brought about is settled when the saga ends.
//!
//! What the saga records never goes back in time. When it wants to be woken is another matter: that
//! is counted from the clock as it is, which may have stepped back.

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
use sagas::{Attempt, SagaId, Timestamp};

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
    /// The delay after a compensation's attempt of this number, counted from 1.
    #[must_use]
    pub fn delay_after(&self, attempts: u32) -> Duration {
        let doubled = attempts.saturating_sub(1).min(16);
        self.compensation_retry.saturating_mul(1 << doubled)
    }

    /// The longest that a saga waits from now until it is woken, whatever its row says: a clock
    /// that has stepped back must not make it wait longer.
    #[must_use]
    pub fn longest_wait(&self, state: SagaState, attempts: u32) -> Duration {
        match state {
            SagaState::Compensating => self.delay_after(attempts),
            _ => self.deadline,
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
    /// A command to the saga's customer, and the attempt it is; the reply echoes that.
    Send {
        command: CustomerCommand,
        attempt: Attempt,
    },
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
    /// How often the running step, or its compensation, has been attempted since it began, or since
    /// an operator had it tried again. It decides how patient the saga still is.
    pub attempts: u32,
    /// The number of the newest command it has sent: commands are counted from 1, and a number never
    /// comes twice, whoever has it try again. 0 when release 0.1 has sent all of them, without one.
    pub commands_sent: u32,
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
        let started_at = now.max(order.updated_at);

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
            commands_sent: 0,
            started_at,
            updated_at: started_at,
            ended_at: None,
            deadline,
            wake_at: Some(deadline),
            version: 0,
        };
        saga.mark(0, StepState::Done, None);
        let effects = saga.changed(now, |saga, effects| saga.go_on_from(1, effects));
        (saga, effects)
    }

    #[must_use]
    pub fn definition(&self) -> &'static SagaDefinition {
        self.kind.definition()
    }

    /// The customer has answered the command that was this attempt. A late reply, one to an earlier
    /// attempt, decides nothing; what it tells of the customer is kept.
    #[must_use]
    pub fn replied(
        &mut self,
        reply: &CustomerReply,
        attempt: Option<&Attempt>,
        policy: &SagaPolicy,
        now: Timestamp,
    ) -> Vec<Effect> {
        let decides = self.decides(reply, attempt);
        let teaches = self.teaches(reply);
        if self.state.has_ended() || (decides.is_none() && !teaches) {
            return Vec::new();
        }

        self.changed(now, |saga, effects| {
            saga.learn(reply);

            if let Some((index, outcome)) = decides {
                saga.follow(index, outcome, policy, now, effects);
            }
        })
    }

    /// What a reply means, and to which step: nothing, unless it answers the newest command.
    fn decides(
        &self,
        reply: &CustomerReply,
        attempt: Option<&Attempt>,
    ) -> Option<(usize, Outcome)> {
        let is_newest = match attempt {
            Some(attempt) => attempt.saga == self.id && attempt.number == self.commands_sent,
            // A reply to a command of release 0.1, which had no numbers. On its way forward the
            // saga had sent one command to this step, so there is nothing to mistake it for. Of its
            // compensations it may have sent several: it waits until it sends one with a number.
            None => self.commands_sent == 0 && self.state == SagaState::Running,
        };

        let (index, step) = self.running_step().filter(|_| is_newest)?;
        let awaited = if self.state == SagaState::Running {
            Some(step.action)
        } else {
            step.compensation
        };

        outcome_of(awaited?, reply.into()).map(|outcome| (index, outcome))
    }

    fn teaches(&self, reply: &CustomerReply) -> bool {
        reply.answer().is_some_and(|answer| {
            self.customer_name.as_ref() != Some(&answer.customer_name)
                || self.customer_version < Some(answer.customer_version)
        })
    }

    fn learn(&mut self, reply: &CustomerReply) {
        if let Some(answer) = reply.answer() {
            self.customer_name = Some(answer.customer_name.clone());
            self.customer_version = self.customer_version.max(Some(answer.customer_version));
        }
    }

    /// The running step, or its compensation, has this outcome.
    fn follow(
        &mut self,
        index: usize,
        outcome: Outcome,
        policy: &SagaPolicy,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        match (outcome, self.state == SagaState::Running) {
            (Outcome::Done, true) => {
                self.mark(index, StepState::Done, None);
                self.go_on_from(index + 1, effects);
            }
            (Outcome::Done, false) => {
                self.mark(index, StepState::Compensated, None);
                self.compensate_below(index, policy, now, effects);
            }
            (Outcome::Refused(reason), _) => {
                self.mark(index, StepState::Failed, Some(reason.name().to_owned()));
                self.reason = Some(reason);
                self.compensate_below(index, policy, now, effects);
            }
            (Outcome::Irreversible, _) => {
                let detail = "cannot be undone any more".to_owned();
                self.mark(index, StepState::Done, Some(detail));
                self.state = SagaState::Running;
                self.go_on_from(index + 1, effects);
            }
        }
    }

    /// The wake-up that the saga has set for `set_for` has come, whatever the clock says by now: its
    /// deadline has passed, or a compensation is unconfirmed. A wake-up that it has replaced since
    /// changes nothing.
    #[must_use]
    pub fn woken(
        &mut self,
        set_for: Timestamp,
        policy: &SagaPolicy,
        now: Timestamp,
    ) -> Vec<Effect> {
        if self.wake_at != Some(set_for) {
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
            self.mark(index, StepState::Failed, detail);
            self.reason = self.reason.or(Some(RejectionReason::TimedOut));
            self.compensate_below(index, policy, now, &mut effects);
        } else if let Some(index) = steps
            .iter()
            .position(|step| step.compensation == Some(Action::Local(refused)))
        {
            self.mark(index, StepState::Failed, detail);
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
                saga.mark(index, StepState::Running, Some(detail));
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
        self.updated_at = self.updated_at.max(now);
        change(self, &mut effects);
        self.version += 1;
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
