//! Mistakes in definitions, found when they are registered rather than when a saga runs into them.

use super::{Action, Definition, Meaning, SagaData, Step};
use crate::WireMessage;
use crate::run::SETTLEMENT;

/// What is wrong with a definition. A node does not start with one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// Two definitions share a name and a version.
    #[error("version {version} of saga {saga} is defined twice")]
    DefinitionTwice {
        /// The name they share.
        saga: &'static str,
        /// The version they share.
        version: u16,
    },
    /// A version takes over runs of itself or of a newer one.
    #[error("saga {saga} carries its version {from} over to version {version}, which is not newer")]
    CarriesOverBackwards {
        /// The saga's name.
        saga: &'static str,
        /// The version that takes over.
        version: u16,
        /// The version that is taken over.
        from: u16,
    },
    /// A definition without steps.
    #[error("saga {saga} has no steps")]
    NoSteps {
        /// The saga's name.
        saga: &'static str,
    },
    /// Two steps of one definition share a name.
    #[error("saga {saga} has two steps called {step}")]
    StepTwice {
        /// The saga's name.
        saga: &'static str,
        /// The name they share.
        step: &'static str,
    },
    /// A run that is given up waits for nobody.
    #[error("saga {saga} is settled by what somebody must confirm")]
    SettlementAwaited {
        /// The saga's name.
        saga: &'static str,
    },
    /// What follows a local effect is lost when that is refused.
    #[error("saga {saga} is settled by something after a local effect")]
    SettlementGoesOn {
        /// The saga's name.
        saga: &'static str,
    },
    /// The name of what settles a run.
    #[error("saga {saga} has a step called {}", crate::run::SETTLEMENT)]
    SettlementAsStep {
        /// The saga's name.
        saga: &'static str,
    },
    /// One of the steps is wrong in itself.
    #[error("saga {saga}, step {step}: {what}")]
    Step {
        /// The saga's name.
        saga: &'static str,
        /// The step's name.
        step: &'static str,
        /// The mistake in it.
        what: StepMistake,
    },
}

/// What is wrong with a step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepMistake {
    #[error("it awaits {reply}, which is no reply")]
    UnknownReply { reply: &'static str },
    #[error("it says twice what {reply} means")]
    ReplyTwice { reply: &'static str },
    #[error("none of its replies means that it is done")]
    NeverDone,
    #[error("none of the replies to its compensation means that it is done")]
    NeverCompensated,
    #[error("{reply} refuses its compensation; a compensation succeeds, or is irreversible")]
    CompensationRefused { reply: &'static str },
    #[error("its refusal {reply} has no reason")]
    NoReason { reply: &'static str },
    #[error("it comes after the pivot, so nothing will ever compensate it")]
    CompensatedAfterPivot,
    #[error("it comes after the pivot, so its deadline cannot stop the saga")]
    DeadlineAfterPivot,
    #[error("it is a pivot after the pivot")]
    SecondPivot,
    #[error("it is the pivot, and may be skipped")]
    ConditionalPivot,
    #[error("only a compensation can undo a nested saga")]
    UndoAsAction,
    #[error("only a step that begins a nested saga can be compensated by undoing it")]
    UndoOfNothing,
    #[error("a compensation cannot begin a nested saga")]
    NestedAsCompensation,
    #[error(
        "it is the last one, and awaits a reply: it needs a compensation or to be the pivot, \
         or a stop leaves it open"
    )]
    LastLeftOpen,
}

impl<D: SagaData> Definition<D> {
    /// What is wrong with the definition; empty when it can be registered.
    #[must_use]
    pub fn mistakes(&self) -> Vec<Mistake> {
        let saga = self.name;
        let mut mistakes = Vec::new();

        if self.steps.is_empty() {
            mistakes.push(Mistake::NoSteps { saga });
        }

        for carry_over in self.carried_over {
            if carry_over.from >= self.version {
                mistakes.push(Mistake::CarriesOverBackwards {
                    saga,
                    version: self.version,
                    from: carry_over.from,
                });
            }
        }

        self.check_settlement(&mut mistakes);

        for (place, step) in self.steps.iter().enumerate() {
            let mut earlier = self.steps.iter().take(place);
            if earlier.any(|earlier| earlier.name == step.name) {
                mistakes.push(Mistake::StepTwice {
                    saga,
                    step: step.name,
                });
            }

            let mut found = Vec::new();
            self.check_action(step, &mut found);
            self.check_compensation(step, &mut found);
            self.check_place(place, step, &mut found);
            mistakes.extend(found.into_iter().map(|what| Mistake::Step {
                saga,
                step: step.name,
                what,
            }));
        }

        mistakes
    }

    fn check_settlement(&self, mistakes: &mut Vec<Mistake>) {
        let saga = self.name;
        let settlement = self.settled_by.unwrap_or_default();

        if settlement.iter().any(Action::is_awaited) {
            mistakes.push(Mistake::SettlementAwaited { saga });
        }
        let before_last = settlement
            .split_last()
            .map_or(&[][..], |(_, before)| before);
        if before_last
            .iter()
            .any(|action| matches!(action, Action::Local(_)))
        {
            mistakes.push(Mistake::SettlementGoesOn { saga });
        }
        if self.step(SETTLEMENT).is_some() {
            mistakes.push(Mistake::SettlementAsStep { saga });
        }
    }

    fn check_action(&self, step: &Step<D>, mistakes: &mut Vec<StepMistake>) {
        match step.action {
            Action::Ask { replies, .. } => {
                check_replies::<D>(replies, mistakes);
                if !can_be_done(replies) {
                    mistakes.push(StepMistake::NeverDone);
                }
            }
            Action::UndoNested { .. } => mistakes.push(StepMistake::UndoAsAction),
            Action::Local(_) | Action::Notify { .. } | Action::Nested { .. } => {}
        }
    }

    fn check_compensation(&self, step: &Step<D>, mistakes: &mut Vec<StepMistake>) {
        match step.compensation {
            Some(Action::Ask { replies, .. }) => {
                check_replies::<D>(replies, mistakes);
                if !can_be_done(replies) {
                    mistakes.push(StepMistake::NeverCompensated);
                }
                let refusal = |(_, meaning): &&(_, _)| matches!(meaning, Meaning::Refused(_));
                if let Some((reply, _)) = replies.iter().find(refusal) {
                    mistakes.push(StepMistake::CompensationRefused { reply });
                }
            }
            Some(Action::Nested { .. }) => mistakes.push(StepMistake::NestedAsCompensation),
            Some(Action::UndoNested { .. }) if !matches!(step.action, Action::Nested { .. }) => {
                mistakes.push(StepMistake::UndoOfNothing);
            }
            _ => {}
        }
    }

    fn check_place(&self, place: usize, step: &Step<D>, mistakes: &mut Vec<StepMistake>) {
        let mut earlier = self.steps.iter().take(place);
        let is_after_pivot = earlier.any(|earlier| earlier.is_pivot);
        let is_last = place + 1 == self.steps.len();

        if is_after_pivot && step.compensation.is_some() {
            mistakes.push(StepMistake::CompensatedAfterPivot);
        }
        if is_after_pivot && step.deadline.is_some() {
            mistakes.push(StepMistake::DeadlineAfterPivot);
        }
        if is_after_pivot && step.is_pivot {
            mistakes.push(StepMistake::SecondPivot);
        }
        if step.is_pivot && step.when.is_some() {
            mistakes.push(StepMistake::ConditionalPivot);
        }

        let is_settled = is_after_pivot || step.is_pivot || step.compensation.is_some();
        if is_last && step.action.is_awaited() && !is_settled {
            mistakes.push(StepMistake::LastLeftOpen);
        }
    }
}

fn can_be_done(replies: &[(&str, Meaning)]) -> bool {
    replies.iter().any(|(_, meaning)| *meaning == Meaning::Done)
}

fn check_replies<D: SagaData>(
    replies: &'static [(&'static str, Meaning)],
    mistakes: &mut Vec<StepMistake>,
) {
    for (place, (reply, meaning)) in replies.iter().enumerate() {
        let known = D::Reply::WIRE_NAMES;
        if !known.iter().any(|(name, _)| name == reply) {
            mistakes.push(StepMistake::UnknownReply { reply });
        }

        let mut earlier = replies.iter().take(place);
        if earlier.any(|(earlier, _)| earlier == reply) {
            mistakes.push(StepMistake::ReplyTwice { reply });
        }

        if *meaning == Meaning::Refused("") {
            mistakes.push(StepMistake::NoReason { reply });
        }
    }
}

#[cfg(test)]
mod tests;
