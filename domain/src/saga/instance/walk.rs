//! Walking a saga's steps: forwards to its end, or back over what has to be compensated.
//!
//! Local steps are taken at once, as many as follow each other; the walk halts at a remote one,
//! until its reply. When to walk, and which way, is not decided here.

use std::borrow::Cow;

use super::{Effect, Saga, SagaPolicy};
use crate::messages::{CreditRequest, CustomerCommand};
use crate::saga::{Action, RemoteCommand, SagaState, Step, StepRecord, StepState};
use sagas::{Attempt, Timestamp};

impl Saga {
    /// Takes the steps from `index` on: local ones at once, up to one that must be awaited.
    pub(super) fn go_on_from(&mut self, index: usize, effects: &mut Vec<Effect>) {
        self.attempts = 1;

        for (index, step) in self.definition().steps.iter().enumerate().skip(index) {
            match step.action {
                Action::Local(local) => {
                    self.mark(index, StepState::Done, None);
                    effects.push(Effect::Local(local));
                }
                Action::Remote { command, .. } => {
                    self.mark(index, StepState::Running, None);
                    effects.push(self.send(step, command));
                    return;
                }
            }
        }

        self.end(SagaState::Completed);
    }

    /// Compensates the steps below `index`, last first: local ones at once, up to one that must be
    /// confirmed.
    pub(super) fn compensate_below(
        &mut self,
        index: usize,
        policy: &SagaPolicy,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.state = SagaState::Compensating;

        self.attempts = 1;
        let steps = self.definition().steps;
        for (index, step) in steps.iter().enumerate().take(index).rev() {
            let happened = self.steps.get(index).is_some_and(|record| {
                matches!(
                    record.state,
                    StepState::Done | StepState::Running | StepState::Failed
                )
            });
            match step.compensation.filter(|_| happened) {
                None => {}
                Some(Action::Local(local)) => {
                    self.mark(index, StepState::Compensated, None);
                    effects.push(Effect::Local(local));
                }
                Some(Action::Remote { command, .. }) => {
                    let detail = self
                        .steps
                        .get(index)
                        .and_then(|record| record.detail.clone());
                    self.mark(index, StepState::Running, detail);
                    self.wake_at = Some(now.after(policy.delay_after(self.attempts)));
                    effects.push(self.send(step, command));
                    return;
                }
            }
        }

        self.end(SagaState::Compensated);
    }

    pub(super) fn attempt_again(
        &mut self,
        policy: &SagaPolicy,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some((_, step)) = self.running_step() else {
            return;
        };

        let Some(Action::Remote { command, .. }) = step.compensation else {
            return;
        };

        self.attempts += 1;
        self.wake_at = Some(now.after(policy.delay_after(self.attempts)));
        effects.push(self.send(step, command));
    }

    fn end(&mut self, state: SagaState) {
        self.state = state;
        self.ended_at = Some(self.updated_at);
        self.wake_at = None;
    }

    pub(super) fn mark(&mut self, index: usize, state: StepState, detail: Option<String>) {
        if let Some(record) = self.steps.get_mut(index) {
            *record = StepRecord {
                state,
                at: Some(self.updated_at),
                detail,
            };
        }
    }

    pub(super) fn running_step(&self) -> Option<(usize, &'static Step)> {
        let index = self
            .steps
            .iter()
            .position(|record| record.state == StepState::Running)?;
        self.definition().steps.get(index).map(|step| (index, step))
    }

    fn send(&mut self, step: &Step, command: RemoteCommand) -> Effect {
        self.commands_sent = self.commands_sent.saturating_add(1);

        Effect::Send {
            command: self.command(command),
            attempt: Attempt {
                saga: self.id,
                step: Cow::Borrowed(step.name),
                number: self.commands_sent,
            },
        }
    }

    fn command(&self, command: RemoteCommand) -> CustomerCommand {
        let request = CreditRequest {
            order_id: self.order_id,
            amount: self.amount,
            saga_id: self.id,
        };
        match command {
            RemoteCommand::ReserveCredit => CustomerCommand::ReserveCredit(request),
            RemoteCommand::ReleaseCredit => CustomerCommand::ReleaseCredit(request),
            RemoteCommand::RestoreCredit => CustomerCommand::RestoreCredit(request),
        }
    }
}
