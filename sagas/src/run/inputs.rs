//! How a run responds to its inputs: replies, wake-ups, operators, refused local steps.

use super::{Effect, Run};
use crate::mistakes::{Mistake, makes};
use crate::nested::{Incoming, NestedReply, SagaCompensated};
use crate::timeline::AnswerMeaning;
use crate::{
    Action, Attempt, Meaning, Reason, SagaData, SagaPolicy, SagaState, StepState, Timestamp,
};

/// What became of the awaited step or compensation.
enum ReplyOutcome {
    Done,
    Refused(Reason),
    Irreversible,
}

impl ReplyOutcome {
    /// As the step's timeline has it.
    fn as_noted(&self) -> (AnswerMeaning, Option<&Reason>) {
        match self {
            ReplyOutcome::Done => (AnswerMeaning::Done, None),
            ReplyOutcome::Refused(reason) => (AnswerMeaning::Refused, Some(reason)),
            ReplyOutcome::Irreversible => (AnswerMeaning::Irreversible, None),
        }
    }
}

impl<D: SagaData> Run<D> {
    /// A reply to this attempt. A late one, to an earlier attempt, decides nothing; the run still
    /// learns what it tells.
    #[must_use]
    pub fn replied(
        &mut self,
        reply: &Incoming<D>,
        attempt: Option<&Attempt>,
        policy: &SagaPolicy,
        now: Timestamp,
    ) -> Vec<Effect<D>> {
        if self.state.has_ended() {
            return Vec::new();
        }

        match self.decides(reply, attempt) {
            Some((index, outcome)) => self.changed(now, |run, effects| {
                run.learn(reply);
                let (means, cause) = outcome.as_noted();
                run.note_answered(run.commands_sent, reply, means, cause);
                run.follow(index, outcome, policy, now, effects);
            }),
            None => {
                let known = self.data.clone();
                self.learn(reply);

                let number = attempt.filter(|attempt| attempt.saga == self.id);
                let late = number.map(|attempt| attempt.number);
                let late = late.filter(|number| self.is_unanswered(*number));
                if self.data == known && late.is_none() {
                    return Vec::new();
                }
                self.changed(now, |run, _| {
                    if let Some(number) = late {
                        run.note_answered(number, reply, AnswerMeaning::Ignored, None);
                    }
                })
            }
        }
    }

    fn learn(&mut self, reply: &Incoming<D>) {
        if let Incoming::Own(reply) = reply {
            (self.definition.learn)(&mut self.data, reply);
        }
    }

    /// What a reply means, and to which step; `None` unless it answers the newest command.
    fn decides(
        &self,
        reply: &Incoming<D>,
        attempt: Option<&Attempt>,
    ) -> Option<(usize, ReplyOutcome)> {
        let is_newest = match attempt {
            Some(attempt) => attempt.saga == self.id && attempt.number == self.commands_sent,
            // A reply to a command of release 0.1, which had no numbers. On its way forward the
            // saga had sent one command to this step, so there is nothing to mistake it for. Of its
            // compensations it may have sent several: it waits until it sends one with a number.
            None => self.commands_sent == 0 && self.state == SagaState::Running,
        };

        let is_newest = is_newest || makes(Mistake::AnyReplyDecides);
        let (index, step) = self.running_step().filter(|_| is_newest)?;
        let outcome = outcome_of(self.awaited(step)?, reply)?;
        Some((index, outcome))
    }

    /// The running step, or its compensation, has this outcome.
    fn follow(
        &mut self,
        index: usize,
        outcome: ReplyOutcome,
        policy: &SagaPolicy,
        now: Timestamp,
        effects: &mut Vec<Effect<D>>,
    ) {
        match (outcome, self.goes_forward()) {
            (ReplyOutcome::Done, true) => {
                if let Some(step) = self.definition.steps.get(index) {
                    self.done(index, step);
                }
                self.go_on_from(index + 1, policy, now, effects);
            }
            (ReplyOutcome::Done, false) => {
                self.mark(index, StepState::Compensated, None);
                self.compensate_below(index, policy, now, effects);
            }
            (ReplyOutcome::Refused(reason), true) if !self.is_past_pivot() => {
                self.mark(index, StepState::Failed, Some(reason.name().to_owned()));
                self.reason = Some(reason);
                self.compensate_below(index, policy, now, effects);
            }
            // It must succeed: it is tried again when its time comes. A nested saga that has
            // compensated never completes any more, so that is another one then.
            (ReplyOutcome::Refused(reason), _) => {
                self.mark(index, StepState::Running, Some(reason.name().to_owned()));
                if let Some(step) = self.definition.steps.get(index) {
                    self.begin_anew(index, step);
                }
            }
            (ReplyOutcome::Irreversible, _) => {
                let detail = "cannot be undone any more".to_owned();
                self.mark(index, StepState::Done, Some(detail));
                self.mark_final(index);
                self.go_on_from(index + 1, policy, now, effects);
            }
        }
    }

    /// The wake-up set for `set_for` has come, whatever the clock says by now: a deadline has
    /// passed, or something is unconfirmed. A wake-up that the run has since replaced changes
    /// nothing.
    #[must_use]
    pub fn woken(
        &mut self,
        set_for: Timestamp,
        policy: &SagaPolicy,
        now: Timestamp,
    ) -> Vec<Effect<D>> {
        if self.wake_at != Some(set_for) {
            return Vec::new();
        }

        match self.state {
            SagaState::Running if self.can_be_stopped() => {
                self.stop(Reason::TIMED_OUT, None, policy, now)
            }
            SagaState::Running | SagaState::Compensating => self.changed(now, |run, effects| {
                if run.attempts < policy.attempts {
                    run.attempt_again(policy, now, effects);
                } else {
                    run.state = SagaState::Stuck;
                    run.wake_at = None;
                }
            }),
            SagaState::Stuck
            | SagaState::Completed
            | SagaState::Compensated
            | SagaState::Abandoned => Vec::new(),
        }
    }

    /// An operator stops the run. One that compensates already, or can only go on, does so.
    #[must_use]
    pub fn cancelled(
        &mut self,
        detail: Option<String>,
        policy: &SagaPolicy,
        now: Timestamp,
    ) -> Vec<Effect<D>> {
        if self.can_be_stopped() {
            self.stop(Reason::CANCELLED_BY_OPERATOR, detail, policy, now)
        } else {
            Vec::new()
        }
    }

    /// An operator has a stuck run try again.
    #[must_use]
    pub fn retried(&mut self, policy: &SagaPolicy, now: Timestamp) -> Vec<Effect<D>> {
        if self.state != SagaState::Stuck {
            return Vec::new();
        }

        let forward = self.goes_forward();
        self.changed(now, |run, effects| {
            run.attempts = 0;
            run.state = if forward {
                SagaState::Running
            } else {
                SagaState::Compensating
            };

            match (run.running_step(), run.refused_step()) {
                (Some(_), _) => run.attempt_again(policy, now, effects),
                (None, Some(index)) if forward => run.go_on_from(index, policy, now, effects),
                (None, Some(index)) => {
                    run.mark(index, StepState::Done, None);
                    run.compensate_below(index + 1, policy, now, effects);
                }
                (None, None) if forward => run.go_on_from(run.steps.len(), policy, now, effects),
                (None, None) => run.compensate_below(run.steps.len(), policy, now, effects),
            }
        })
    }

    /// The step whose local effect made the run stuck. When compensating, that is the lowest one
    /// that failed: a step above it may have been refused on the way forward.
    fn refused_step(&self) -> Option<usize> {
        self.steps
            .iter()
            .position(|record| record.state == StepState::Failed)
    }

    /// The saga's service refuses the local effect of a step. The effects before it stand; the
    /// effects of this call replace those that follow it, in the same unit.
    #[must_use]
    pub fn local_refused(
        &mut self,
        step: &str,
        reason: Reason,
        detail: &str,
        policy: &SagaPolicy,
        now: Timestamp,
    ) -> Vec<Effect<D>> {
        if self.state == SagaState::Abandoned {
            return self.refused_when_abandoned(step, detail);
        }

        let mut effects = Vec::new();
        let forward = self.goes_forward();
        let Some((index, _)) = self.definition.step(step) else {
            return effects;
        };

        self.ended_at = None;
        self.take_back(index, forward);
        self.mark(index, StepState::Failed, Some(detail.to_owned()));
        if let Some(record) = self.steps.get_mut(index) {
            record.is_final = false;
        }

        if forward && !self.is_past_pivot() {
            self.reason.get_or_insert(reason);
            self.compensate_below(index, policy, now, &mut effects);
        } else {
            self.state = SagaState::Stuck;
            self.wake_at = None;
        }

        effects
    }

    /// Takes back what was to follow the step at `index` in this unit: it has not happened.
    fn take_back(&mut self, index: usize, forward: bool) {
        let steps = self.steps.iter_mut().enumerate();

        if forward {
            for (_, record) in steps.skip(index + 1) {
                *record = crate::StepRecord::remaining(record.name.clone());
            }
        } else {
            for (_, record) in steps.take(index) {
                if matches!(record.state, StepState::Compensated | StepState::Running) {
                    record.state = StepState::Done;
                }
            }
        }
    }

    pub(super) fn stop(
        &mut self,
        reason: Reason,
        detail: Option<String>,
        policy: &SagaPolicy,
        now: Timestamp,
    ) -> Vec<Effect<D>> {
        self.changed(now, |run, effects| {
            let running = run.running_step().map(|(index, _)| index);
            let from = running.map_or(run.steps.len(), |index| index + 1);

            if let Some(index) = running {
                let detail = detail.unwrap_or_else(|| reason.name().to_owned());
                run.mark(index, StepState::Running, Some(detail));
                run.note_given_up(&reason);
            }

            run.reason = Some(reason);
            run.compensate_below(from, policy, now, effects);
        })
    }
}

fn outcome_of<D: SagaData>(awaited: Action<D>, reply: &Incoming<D>) -> Option<ReplyOutcome> {
    match (awaited, reply) {
        (Action::Ask { replies, .. }, Incoming::Own(reply)) => {
            use crate::WireMessage;
            let (name, _) = reply.wire_name();
            let (_, meaning) = replies.iter().find(|(known, _)| *known == name)?;
            Some(match meaning {
                Meaning::Done => ReplyOutcome::Done,
                Meaning::Refused(reason) => ReplyOutcome::Refused(Reason::named(reason)),
                Meaning::Irreversible => ReplyOutcome::Irreversible,
            })
        }
        (Action::Nested { .. }, Incoming::Nested(reply)) => Some(match reply {
            NestedReply::Completed(_) => ReplyOutcome::Done,
            NestedReply::Compensated(SagaCompensated { reason }) => {
                ReplyOutcome::Refused(reason.clone().unwrap_or(Reason::UNDONE))
            }
            NestedReply::Irreversible(_) => ReplyOutcome::Irreversible,
        }),
        (Action::UndoNested { .. }, Incoming::Nested(reply)) => match reply {
            NestedReply::Compensated(_) => Some(ReplyOutcome::Done),
            NestedReply::Irreversible(_) => Some(ReplyOutcome::Irreversible),
            // It answers the command that began it, which was not the newest.
            NestedReply::Completed(_) => None,
        },
        _ => None,
    }
}
