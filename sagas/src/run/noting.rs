//! What a run notes of its attempts, for whoever looks at its timeline. It decides nothing.

use super::Run;
use crate::nested::Incoming;
use crate::timeline::{AnswerMeaning, AnswerRecord, AttemptRecord};
use crate::{Reason, SagaData};

impl<D: SagaData> Run<D> {
    /// A command of this step has been sent, the newest one.
    pub(super) fn note_sent(&mut self, index: usize) {
        let attempt = AttemptRecord {
            number: self.commands_sent,
            at: self.micros_now(),
            undo: !self.goes_forward(),
            answer: None,
            cause: None,
        };
        // The last word of a run that is given up belongs to no step.
        if let Some(record) = self.steps.get_mut(index) {
            record.note_sent(attempt);
        }
    }

    /// Whether nothing is known of what came of a command.
    pub(super) fn is_unanswered(&self, number: u32) -> bool {
        let mut attempts = self.steps.iter().flat_map(|record| &record.attempts);
        attempts.any(|attempt| attempt.number == number && attempt.answer.is_none())
    }

    /// A command has been answered. What decides stands in the place of what did not.
    pub(super) fn note_answered(
        &mut self,
        number: u32,
        reply: &Incoming<D>,
        means: AnswerMeaning,
        cause: Option<&Reason>,
    ) {
        let at = self.micros_now();
        if let Some(attempt) = self.attempt(number) {
            let name = reply.wire_name().0.into();
            attempt.answer = Some(AnswerRecord { at, name, means });
            if let Some(reason) = cause {
                attempt.cause = Some(reason.name().to_owned().into());
            }
        }
    }

    /// The run waits no longer for the answer to its newest command.
    pub(super) fn note_given_up(&mut self, reason: &Reason) {
        let number = self.commands_sent;
        if let Some(attempt) = self.attempt(number) {
            attempt.cause = Some(reason.name().to_owned().into());
        }
    }

    fn attempt(&mut self, number: u32) -> Option<&mut AttemptRecord> {
        let steps = self.steps.iter_mut();
        let mut attempts = steps.flat_map(|record| &mut record.attempts);
        attempts.find(|attempt| attempt.number == number)
    }
}
