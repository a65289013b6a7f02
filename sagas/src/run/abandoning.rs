//! An operator gives a stuck run up: it ends without a confirmation of what it must undo.
//!
//! Nothing may hang on such a saga for good: no semantic lock, and nothing that it holds with
//! others. So it says its last word without waiting for anybody. Everything it has sent keeps its
//! order, and what it sends now comes after all of it, so that participants end where the last word
//! leaves them, whenever they get to it. The definition says what that word is; without one it is
//! the rest of the compensations.

use super::{Effect, Run};
use crate::mistakes::{Mistake, makes};
use crate::{Action, SagaData, SagaState, Step, StepState, Timestamp};

/// The name under which a settlement is carried out; a definition's steps have others.
pub(crate) const SETTLEMENT: &str = "abandon";

/// What the step shows whose outcome nobody has confirmed.
const UNCONFIRMED: &str = "abandoned: nobody has confirmed it";

impl<D: SagaData> Run<D> {
    /// An operator gives up a run that is stuck. One that was given up before says its last word to
    /// the participants once more: somebody may have discarded it.
    #[must_use]
    pub fn abandoned(&mut self, now: Timestamp) -> Vec<Effect<D>> {
        match self.state {
            SagaState::Stuck => self.changed(now, Run::give_up),
            SagaState::Abandoned => self.changed(now, Run::say_again),
            SagaState::Running
            | SagaState::Compensating
            | SagaState::Completed
            | SagaState::Compensated => Vec::new(),
        }
    }

    fn give_up(&mut self, effects: &mut Vec<Effect<D>>) {
        let goes_forward = self.goes_forward();
        let running = self.running_step().map(|(index, _)| index);

        match self.definition.settled_by {
            Some(settlement) => self.settle(settlement, effects),
            None if goes_forward => {}
            None => self.compensate_unconfirmed(effects),
        }
        effects.retain(is_said);

        if let Some(index) = running {
            self.mark(index, StepState::Failed, Some(UNCONFIRMED.to_owned()));
        }
        if let Some(index) = running.filter(|_| goes_forward) {
            self.mark_final(index);
        }
        self.end(SagaState::Abandoned, effects);
    }

    fn settle(&mut self, settlement: &[Action<D>], effects: &mut Vec<Effect<D>>) {
        for action in settlement {
            let step = Step::new(SETTLEMENT, *action);
            effects.extend(self.carried_out(self.steps.len(), &step, *action));
        }
    }

    /// The rest of the compensations, last step first. What others do comes before what the saga's
    /// own service does: should that refuse, nothing of the rest is lost.
    fn compensate_unconfirmed(&mut self, effects: &mut Vec<Effect<D>>) {
        let definition = self.definition;
        let mut locals = Vec::new();

        for (index, step) in definition.steps.iter().enumerate().rev() {
            let state = self.steps.get(index).map(|record| record.state);
            let Some(compensation) = step.compensation else {
                continue;
            };
            if !matches!(state, Some(StepState::Done | StepState::Running)) {
                continue;
            }

            if let Action::Local(local) = compensation {
                self.mark(index, StepState::Compensated, None);
                let step = step.name;
                locals.push(Effect::Local { step, local });
            } else {
                self.mark(index, StepState::Failed, Some(UNCONFIRMED.to_owned()));
                effects.extend(self.carried_out(index, step, compensation));
            }
        }

        effects.extend(locals);
    }

    fn say_again(&mut self, effects: &mut Vec<Effect<D>>) {
        let definition = self.definition;

        if let Some(settlement) = definition.settled_by {
            self.settle(settlement, effects);
        } else {
            for (index, step) in definition.steps.iter().enumerate().rev() {
                let has_failed = self
                    .steps
                    .get(index)
                    .is_some_and(|record| record.state == StepState::Failed);
                if let Some(compensation) = step.compensation.filter(|_| has_failed) {
                    effects.extend(self.carried_out(index, step, compensation));
                }
            }
        }

        effects.retain(|effect| matches!(effect, Effect::Send { .. }));
    }

    /// The saga's service refuses a local effect of the last word: what the saga held there is held
    /// no more. The rest of it stands.
    pub(super) fn refused_when_abandoned(&mut self, step: &str, detail: &str) -> Vec<Effect<D>> {
        let definition = self.definition;
        let mut effects = Vec::new();

        if let Some((refused, _)) = definition.step(step) {
            self.mark(refused, StepState::Failed, Some(detail.to_owned()));
            for step in definition.steps.iter().take(refused).rev() {
                if let Some(Action::Local(local)) = step.compensation {
                    let step = step.name;
                    effects.push(Effect::Local { step, local });
                }
            }
        }

        effects.extend(self.answer());
        effects
    }
}

/// Whether an effect of the last word is carried out.
fn is_said<D: SagaData>(effect: &Effect<D>) -> bool {
    match effect {
        Effect::Send { .. } => !makes(Mistake::AbandonedWithoutRelease),
        Effect::Local { .. } => !makes(Mistake::AbandonedKeepsLock),
        Effect::Answer { .. } => true,
    }
}
