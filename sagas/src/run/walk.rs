//! Walking a run's steps: forwards to its end, or back over what has to be compensated.
//!
//! The walk takes consecutive local steps and notices at once, and halts where somebody must
//! confirm. Others decide when to walk, and which way.

use super::{Effect, Run};
use crate::definition::nested_id;
use crate::mistakes::{Mistake, makes};
use crate::nested::{BeginSaga, NestedCommand, NestedData, Outgoing, UndoSaga};
use crate::{
    Action, Attempt, SagaData, SagaPolicy, SagaState, Step, StepRecord, StepState, Timestamp,
};

impl<D: SagaData> Run<D> {
    /// Takes the steps from `index` on: local ones at once, up to one that must be awaited.
    pub(super) fn go_on_from(
        &mut self,
        index: usize,
        policy: &SagaPolicy,
        now: Timestamp,
        effects: &mut Vec<Effect<D>>,
    ) {
        self.state = SagaState::Running;
        self.attempts = 1;
        let definition = self.definition;

        for (index, step) in definition.steps.iter().enumerate().skip(index) {
            if step.when.is_some_and(|holds| !holds(&self.data)) {
                self.mark(index, StepState::Skipped, None);
                continue;
            }

            if step.action.is_awaited() {
                self.mark(index, StepState::Running, None);
                self.begin_anew(index, step);
                effects.extend(self.carried_out(index, step, step.action));
                self.wake_at = Some(self.next_wake_up(step, policy, now));
                return;
            }

            self.done(index, step);
            effects.extend(self.carried_out(index, step, step.action));
        }

        self.end(SagaState::Completed, effects);
    }

    /// A step is done.
    pub(super) fn done(&mut self, index: usize, step: &Step<D>) {
        self.mark(index, StepState::Done, None);
        if step.is_pivot {
            self.mark_final(index);
        }
    }

    /// When a run that awaits this step wants to be woken: by a deadline, or to try again.
    fn next_wake_up(&self, step: &Step<D>, policy: &SagaPolicy, now: Timestamp) -> Timestamp {
        if self.is_past_pivot() {
            return now.after(policy.delay_after(self.attempts));
        }

        // The deadline was set by the clock as it was then.
        let longest = self.definition.deadline.unwrap_or(policy.deadline);
        let deadline = self.deadline.min(now.after(longest));

        match step.deadline {
            Some(of_step) => deadline.min(now.after(of_step)),
            None => deadline,
        }
    }

    /// Compensates the steps below `index`, last first: local ones at once, up to one that must be
    /// confirmed.
    pub(super) fn compensate_below(
        &mut self,
        index: usize,
        policy: &SagaPolicy,
        now: Timestamp,
        effects: &mut Vec<Effect<D>>,
    ) {
        self.state = SagaState::Compensating;
        self.attempts = 1;
        let definition = self.definition;

        for (index, step) in definition.steps.iter().enumerate().take(index).rev() {
            let Some(record) = self.steps.get(index) else {
                continue;
            };

            let (state, detail) = (record.state, record.detail.clone());
            let is_unknown = state == StepState::Running;
            if is_unknown && makes(Mistake::UnknownNotCompensated) {
                self.mark(index, StepState::Failed, detail);
                continue;
            }
            if !(is_unknown || state == StepState::Done) {
                continue;
            }

            match step.compensation {
                // The step only asked something and changed nothing.
                None if state == StepState::Running => {
                    self.mark(index, StepState::Failed, detail);
                }
                None => {}
                Some(compensation) if compensation.is_awaited() => {
                    self.mark(index, StepState::Running, detail);
                    effects.extend(self.carried_out(index, step, compensation));
                    self.wake_at = Some(now.after(policy.delay_after(self.attempts)));
                    return;
                }
                Some(compensation) => {
                    self.mark(index, StepState::Compensated, None);
                    effects.extend(self.carried_out(index, step, compensation));
                }
            }
        }

        self.end(SagaState::Compensated, effects);
    }

    /// Sends the command of the running step, or of its compensation, once more.
    pub(super) fn attempt_again(
        &mut self,
        policy: &SagaPolicy,
        now: Timestamp,
        effects: &mut Vec<Effect<D>>,
    ) {
        let Some((index, step)) = self.running_step() else {
            return;
        };
        let Some(action) = self.awaited(step) else {
            return;
        };

        self.attempts += 1;
        self.wake_at = Some(now.after(policy.delay_after(self.attempts)));
        effects.extend(self.carried_out(index, step, action));
    }

    pub(super) fn end(&mut self, state: SagaState, effects: &mut Vec<Effect<D>>) {
        self.state = state;
        self.ended_at = Some(self.updated_at);
        self.wake_at = None;
        effects.extend(self.answer());
    }

    /// A nested saga begun anew is a different one.
    pub(super) fn begin_anew(&mut self, index: usize, step: &Step<D>) {
        if let Action::Nested { .. } = step.action
            && let Some(record) = self.steps.get_mut(index)
        {
            record.nested = Some(nested_id(self.id, step.name, self.commands_sent + 1));
        }
    }

    pub(super) fn carried_out(
        &mut self,
        index: usize,
        step: &Step<D>,
        action: Action<D>,
    ) -> Option<Effect<D>> {
        let nested = || {
            let record: Option<&StepRecord> = self.steps.get(index);
            record.and_then(|record| record.nested)
        };

        let (to, command) = match action {
            Action::Local(local) => {
                let step = step.name;
                return Some(Effect::Local { step, local });
            }
            Action::Ask { to, command, .. } | Action::Notify { to, command } => {
                (to(&self.data), Outgoing::Own(command(&self.data)))
            }
            Action::Nested { on, saga, data } => {
                let to = on(&self.data);
                let begin = BeginSaga {
                    saga: nested()?,
                    name: saga.to_owned(),
                    entity: to.entity,
                    data: NestedData(data(&self.data)),
                };
                (to, Outgoing::Nested(NestedCommand::Begin(begin)))
            }
            Action::UndoNested { on } => {
                let undo = UndoSaga { saga: nested()? };
                (on(&self.data), Outgoing::Nested(NestedCommand::Undo(undo)))
            }
        };

        self.commands_sent = self.commands_sent.saturating_add(1);
        if action.is_awaited() {
            self.note_sent(index);
        }
        Some(Effect::Send {
            to,
            command,
            attempt: Attempt {
                saga: self.id,
                step: step.name.into(),
                number: self.commands_sent,
            },
        })
    }
}
