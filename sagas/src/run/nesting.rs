//! A run that is nested in another saga: the parent begins it and undoes it, and gets its answer.

use super::{Effect, Run};
use crate::nested::{NestedReply, NoDetails, Parent, SagaCompensated};
use crate::{Reason, SagaData, SagaPolicy, SagaState, Timestamp};

impl<D: SagaData> Run<D> {
    /// The parent repeats the command that has begun this run. The answer comes when the run has
    /// ended.
    #[must_use]
    pub fn begun_again(&mut self, parent: Parent, now: Timestamp) -> Vec<Effect<D>> {
        if !self.is_newer(&parent) {
            return Vec::new();
        }

        self.changed(now, |run, effects| {
            run.parent = Some(parent);
            if run.state.has_ended() {
                effects.extend(run.answer());
            }
        })
    }

    /// The parent undoes this run, whether it is under way or has ended.
    #[must_use]
    pub fn undone(
        &mut self,
        parent: Parent,
        policy: &SagaPolicy,
        now: Timestamp,
    ) -> Vec<Effect<D>> {
        if !self.is_newer(&parent) {
            return Vec::new();
        }
        self.parent = Some(parent);

        match self.state {
            SagaState::Running if self.can_be_stopped() => {
                self.stop(Reason::UNDONE, None, policy, now)
            }
            SagaState::Completed if !self.is_past_pivot() => self.changed(now, |run, effects| {
                run.ended_at = None;
                run.reason = Some(Reason::UNDONE);
                run.compensate_below(run.steps.len(), policy, now, effects);
            }),
            SagaState::Completed | SagaState::Compensated | SagaState::Abandoned => {
                self.changed(now, |run, effects| effects.extend(run.answer()))
            }
            // The answer comes when the run has ended, one way or the other.
            SagaState::Running | SagaState::Compensating | SagaState::Stuck => {
                self.changed(now, |_, _| ())
            }
        }
    }

    /// Commands of the parent come in their order, and may come again.
    fn is_newer(&self, parent: &Parent) -> bool {
        self.parent
            .as_ref()
            .is_none_or(|known| parent.attempt.number > known.attempt.number)
    }

    /// What a run that has ended answers its parent.
    pub(super) fn answer(&self) -> Option<Effect<D>> {
        let to = self.parent.clone()?;

        // What was given up after its pivot stands, as far as it came.
        let has_happened = self.state == SagaState::Completed
            || (self.state == SagaState::Abandoned && self.is_past_pivot());

        let reply = match has_happened {
            true if to.wants_undo => NestedReply::Irreversible(NoDetails {}),
            true => NestedReply::Completed(NoDetails {}),
            false => NestedReply::Compensated(SagaCompensated {
                reason: self.reason.clone(),
            }),
        };

        Some(Effect::Answer { to, reply })
    }
}
