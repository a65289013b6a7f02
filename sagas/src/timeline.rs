//! What each attempt of a step has come to, as stored beside the step and as shown to operators.
//!
//! Every saga writes it and hardly any is looked at, so it is short: times count from the saga's
//! beginning, and what follows from the definition is not stored.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::{SagaData, SagaState, Step, StepRecord, StepState, Timestamp};

/// Keeps this many of the newest attempts of each step.
pub const ATTEMPTS_KEPT: usize = 10;

/// One command to a participant, and what it was answered. Stored as its step is: an array, or an
/// object of before.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AttemptRecord {
    /// The number of the command, counted over the whole life of the saga.
    #[serde(rename = "n")]
    pub number: u32,
    /// When it was sent, in microseconds after the saga began.
    pub at: u64,
    /// The answer, if one has come.
    #[serde(rename = "re", default)]
    pub answer: Option<AnswerRecord>,
    /// Whether it asked to undo the step.
    #[serde(default)]
    pub undo: bool,
    /// Why it was refused, or why the saga waited for it no longer.
    #[serde(rename = "why", default)]
    pub cause: Option<Cow<'static, str>>,
}

/// The answer to one command.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AnswerRecord {
    /// When it came, in microseconds after the saga began.
    pub at: u64,
    /// Its wire name.
    pub name: Cow<'static, str>,
    /// What it meant.
    #[serde(default)]
    pub means: AnswerMeaning,
}

impl Serialize for AttemptRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let AttemptRecord {
            number,
            at,
            answer,
            undo,
            cause,
        } = self;
        match (answer, undo, cause) {
            (None, false, None) => (number, at).serialize(serializer),
            (_, false, None) => (number, at, answer).serialize(serializer),
            (_, true, None) => (number, at, answer, undo).serialize(serializer),
            (_, _, Some(_)) => (number, at, answer, undo, cause).serialize(serializer),
        }
    }
}

impl Serialize for AnswerRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let AnswerRecord { at, name, means } = self;
        match means {
            AnswerMeaning::Done => (at, name).serialize(serializer),
            _ => (at, name, means).serialize(serializer),
        }
    }
}

/// What an answer meant to the saga.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AnswerMeaning {
    /// The step is done, or undone.
    #[default]
    Done,
    /// The participant refuses.
    Refused,
    /// The step can no longer be undone.
    Irreversible,
    /// Nothing: it came when another command had been sent, or means nothing here.
    Ignored,
}

/// What an attempt has come to, as shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AttemptOutcome {
    /// The saga waits for its answer.
    Waiting,
    /// The saga has gone on without an answer.
    Unanswered,
    /// The step is done, or undone.
    Done,
    /// The participant refused.
    Refused,
    /// The step can no longer be undone.
    Irreversible,
    /// It was answered too late to decide anything, or with what means nothing here.
    Ignored,
}

impl AttemptOutcome {
    /// All outcomes.
    pub const ALL: [AttemptOutcome; 6] = [
        AttemptOutcome::Waiting,
        AttemptOutcome::Unanswered,
        AttemptOutcome::Done,
        AttemptOutcome::Refused,
        AttemptOutcome::Irreversible,
        AttemptOutcome::Ignored,
    ];

    /// As it stands in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            AttemptOutcome::Waiting => "WAITING",
            AttemptOutcome::Unanswered => "UNANSWERED",
            AttemptOutcome::Done => "DONE",
            AttemptOutcome::Refused => "REFUSED",
            AttemptOutcome::Irreversible => "IRREVERSIBLE",
            AttemptOutcome::Ignored => "IGNORED",
        }
    }
}

/// One attempt of a step, as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownAttempt {
    /// The number of the command, counted over the whole life of the saga.
    pub number: u32,
    /// Whether it asked to undo the step.
    pub undoes: bool,
    /// The wire name of the command; absent when the definition sends none any more.
    pub sent: Option<&'static str>,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// What it has come to.
    pub outcome: AttemptOutcome,
    /// The wire name of the answer.
    pub answer: Option<String>,
    /// When that came.
    pub answered_at: Option<Timestamp>,
    /// Why it was refused, or why the saga waited for it no longer.
    pub cause: Option<String>,
}

impl StepRecord {
    /// Notes that a command was sent.
    pub(crate) fn note_sent(&mut self, attempt: AttemptRecord) {
        let surplus = (self.attempts.len() + 1).saturating_sub(ATTEMPTS_KEPT);
        self.attempts.drain(..surplus);
        self.attempts.push(attempt);
    }
}

impl<D: SagaData> crate::Run<D> {
    /// The newest attempts of a step, oldest first.
    #[must_use]
    pub fn attempts_of(&self, step: &Step<D>, record: &StepRecord) -> Vec<ShownAttempt> {
        let goes_on = record.state == StepState::Running && self.state != SagaState::Abandoned;
        let show = |attempt: &AttemptRecord| {
            let is_newest = attempt.number == self.commands_sent;
            let answer = attempt.answer.as_ref();
            let action = match attempt.undo {
                false => Some(step.action),
                true => step.compensation,
            };
            ShownAttempt {
                number: attempt.number,
                undoes: attempt.undo,
                sent: action.and_then(|action| action.command_name(&self.data)),
                sent_at: self.time_after(attempt.at),
                outcome: match answer.map(|answer| answer.means) {
                    None if is_newest && goes_on => AttemptOutcome::Waiting,
                    None => AttemptOutcome::Unanswered,
                    Some(AnswerMeaning::Done) => AttemptOutcome::Done,
                    Some(AnswerMeaning::Refused) => AttemptOutcome::Refused,
                    Some(AnswerMeaning::Irreversible) => AttemptOutcome::Irreversible,
                    Some(AnswerMeaning::Ignored) => AttemptOutcome::Ignored,
                },
                answer: answer.map(|answer| answer.name.clone().into_owned()),
                answered_at: answer.map(|answer| self.time_after(answer.at)),
                cause: attempt.cause.clone().map(Cow::into_owned),
            }
        };
        record.attempts.iter().map(show).collect()
    }

    fn time_after(&self, micros: u64) -> Timestamp {
        self.started_at.after(Duration::from_micros(micros))
    }

    /// How long after the saga's beginning it changes now, as records have it.
    pub(crate) fn micros_now(&self) -> u64 {
        let since = self.updated_at.since(self.started_at).as_micros();
        u64::try_from(since).unwrap_or(u64::MAX)
    }
}
