//! One run of a saga: a state machine over (state, input) that carries out a [`Definition`].
//!
//! It decides; it does not act. Its effects are local ones, which the saga's own service carries
//! out, and commands to send; the caller commits them in one unit with the run's own row.
//!
//! Until its pivot a run that is stopped or refused compensates: last step first, those steps that
//! are done *or whose outcome is unknown*. After it, or once something can no longer be undone, it
//! only goes on. It repeats what nobody confirms, with growing delay; then it shows itself as
//! stuck. It never drops anything.
//!
//! Only the reply to the newest command decides anything. Each command has a number, the reply
//! echoes it, and a participant carries out the commands of a run in their order. So that reply
//! tells how things stand after everything sent before, and when the run ends, nothing of an
//! earlier attempt is left open.
//!
//! What a run records never goes back in time. When it wants to be woken is counted from the clock
//! as it is, which may have stepped back.

mod abandoning;
mod inputs;
mod nesting;
mod noting;
mod walk;

use uuid::Uuid;

pub(crate) use abandoning::SETTLEMENT;

use crate::nested::{NestedReply, Outgoing, Parent};
use crate::{
    Address, Attempt, Definition, Reason, SagaData, SagaId, SagaPolicy, SagaState, Step,
    StepRecord, StepState, Timestamp,
};

/// What the caller must do, in order and in one unit with the run's row.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect<D: SagaData> {
    /// The saga's own service carries this out. When it refuses, call [`Run::local_refused`]: its
    /// effects replace those that follow this one.
    Local {
        /// The step's name.
        step: &'static str,
        /// What to carry out.
        local: D::Local,
    },
    /// A command to send. Its reply echoes the attempt.
    Send {
        /// Who receives it.
        to: Address,
        /// What is asked.
        command: Outgoing<D>,
        /// The command's number, and the saga and step that ask.
        attempt: Attempt,
    },
    /// The answer of a nested saga to the one that has begun it.
    Answer {
        /// The saga that has begun this one.
        to: Parent,
        /// How this one has ended.
        reply: NestedReply,
    },
}

/// The state of one saga.
#[derive(Clone, Debug, PartialEq)]
pub struct Run<D: SagaData> {
    /// Identifies the saga.
    pub id: SagaId,
    /// The definition, in the version that this run follows.
    pub definition: &'static Definition<D>,
    /// How far the run has come.
    pub state: SagaState,
    /// What it works on; it lives in that entity's shard.
    pub entity: Uuid,
    /// The saga's own data.
    pub data: D,
    /// Why it compensates.
    pub reason: Option<Reason>,
    /// One for each step of the definition, in their order.
    pub steps: Vec<StepRecord>,
    /// Attempts of the running step, or of its compensation, since it began or since an operator's
    /// retry. They decide how patient the run still is.
    pub attempts: u32,
    /// The number of the newest command it has sent: commands count from 1, and no number comes
    /// twice, whoever retries. 0 when release 0.1 has sent all of them, without numbers.
    pub commands_sent: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it completed or had compensated.
    pub ended_at: Option<Timestamp>,
    /// When it compensates, unless it has ended or passed its pivot by then.
    pub deadline: Timestamp,
    /// When the run wants to be woken: a deadline, or the next attempt.
    pub wake_at: Option<Timestamp>,
    /// Counts the run's changes from 1.
    pub version: u64,
    /// The saga that it is nested in.
    pub parent: Option<Parent>,
}

/// What a run begins with.
#[derive(Clone, Debug)]
pub struct Beginning<D> {
    /// Identifies the saga.
    pub id: SagaId,
    /// What the saga works on.
    pub entity: Uuid,
    /// The saga's own data.
    pub data: D,
    /// When that entity last changed: the run's times are not before it.
    pub not_before: Timestamp,
    /// The saga that it is nested in.
    pub parent: Option<Parent>,
}

impl<D: SagaData> Run<D> {
    /// Begins a saga, with its first step.
    #[must_use]
    pub fn begin(
        definition: &'static Definition<D>,
        beginning: Beginning<D>,
        policy: &SagaPolicy,
        now: Timestamp,
    ) -> (Self, Vec<Effect<D>>) {
        Run::begin_at(0, definition, beginning, policy, now)
    }

    /// Begins a saga whose first, local step is the command that begins it: the caller has carried
    /// it out in the same unit.
    #[must_use]
    pub fn begin_after_first_step(
        definition: &'static Definition<D>,
        beginning: Beginning<D>,
        policy: &SagaPolicy,
        now: Timestamp,
    ) -> (Self, Vec<Effect<D>>) {
        Run::begin_at(1, definition, beginning, policy, now)
    }

    fn begin_at(
        step: usize,
        definition: &'static Definition<D>,
        beginning: Beginning<D>,
        policy: &SagaPolicy,
        now: Timestamp,
    ) -> (Self, Vec<Effect<D>>) {
        let started_at = now.max(beginning.not_before);
        let steps = definition.steps.iter();

        let mut run = Run {
            id: beginning.id,
            definition,
            state: SagaState::Running,
            entity: beginning.entity,
            data: beginning.data,
            reason: None,
            steps: steps.map(|step| StepRecord::remaining(step.name)).collect(),
            attempts: 1,
            commands_sent: 0,
            started_at,
            updated_at: started_at,
            ended_at: None,
            deadline: now.after(definition.deadline.unwrap_or(policy.deadline)),
            wake_at: None,
            version: 0,
            parent: beginning.parent,
        };

        for index in 0..step {
            run.mark(index, StepState::Done, None);
        }
        let effects = run.changed(now, |run, effects| {
            run.go_on_from(step, policy, now, effects)
        });
        (run, effects)
    }

    /// Whether the run only goes on: it has passed its pivot, or something that can no longer be
    /// undone.
    #[must_use]
    pub fn is_past_pivot(&self) -> bool {
        self.steps.iter().any(|record| record.is_final)
    }

    /// Whether a stop would make it compensate. It would not when the run has ended, compensates
    /// already, or can only go on.
    #[must_use]
    pub fn can_be_stopped(&self) -> bool {
        let running = self.running_step();
        self.state == SagaState::Running && running.is_some_and(|(_, step)| !self.must_go_on(step))
    }

    /// The running step's participant: the entity that the run waits for.
    #[must_use]
    pub fn waits_for(&self) -> Option<Address> {
        let (_, step) = self.running_step()?;
        self.awaited(step)?.participant(&self.data)
    }

    /// Whether the run cannot leave the step by compensating: it is past its pivot, or this is the
    /// pivot, its outcome is unknown, and nothing undoes it.
    fn must_go_on(&self, step: &Step<D>) -> bool {
        self.is_past_pivot() || (step.is_pivot && step.compensation.is_none())
    }

    /// Whether the run goes forward, or would if it were not stuck.
    fn goes_forward(&self) -> bool {
        match self.state {
            SagaState::Running | SagaState::Completed => true,
            SagaState::Compensating | SagaState::Compensated | SagaState::Abandoned => false,
            SagaState::Stuck => {
                let running = self.running_step();
                self.is_past_pivot() || running.is_some_and(|(_, step)| self.must_go_on(step))
            }
        }
    }

    fn running_step(&self) -> Option<(usize, &'static Step<D>)> {
        let index = self
            .steps
            .iter()
            .position(|record| record.state == StepState::Running)?;
        self.definition.steps.get(index).map(|step| (index, step))
    }

    /// What the run awaits of the running step: its action, or its compensation.
    fn awaited(&self, step: &Step<D>) -> Option<crate::Action<D>> {
        if self.goes_forward() {
            Some(step.action)
        } else {
            step.compensation
        }
    }

    /// Changes the run, in one unit with what follows from it.
    fn changed(
        &mut self,
        now: Timestamp,
        change: impl FnOnce(&mut Self, &mut Vec<Effect<D>>),
    ) -> Vec<Effect<D>> {
        let mut effects = Vec::new();
        self.updated_at = self.updated_at.max(now);
        change(self, &mut effects);
        self.version += 1;
        effects
    }

    fn mark(&mut self, index: usize, state: StepState, detail: Option<String>) {
        if let Some(record) = self.steps.get_mut(index) {
            record.state = state;
            record.at = Some(self.updated_at);
            record.detail = detail;
        }
    }

    /// From here on the run only goes on.
    fn mark_final(&mut self, index: usize) {
        if let Some(record) = self.steps.get_mut(index) {
            record.is_final = true;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
