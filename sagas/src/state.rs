//! How far a saga and each of its steps have come, as stored and as shown to operators.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::timeline::AttemptRecord;
use crate::{SagaId, Timestamp};

/// How far a saga has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SagaState {
    /// It goes forward.
    Running,
    /// It undoes what it has done, last step first.
    Compensating,
    /// It has ended: every step is done.
    Completed,
    /// It has ended: everything that happened is undone.
    Compensated,
    /// What it must do does not succeed; an operator looks at it and retries.
    Stuck,
    /// It has ended: an operator has given it up, with its last word unconfirmed.
    Abandoned,
}

impl SagaState {
    /// All states.
    pub const ALL: [SagaState; 6] = [
        SagaState::Running,
        SagaState::Compensating,
        SagaState::Completed,
        SagaState::Compensated,
        SagaState::Stuck,
        SagaState::Abandoned,
    ];

    /// As it stands in tables and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SagaState::Running => "RUNNING",
            SagaState::Compensating => "COMPENSATING",
            SagaState::Completed => "COMPLETED",
            SagaState::Compensated => "COMPENSATED",
            SagaState::Stuck => "STUCK",
            SagaState::Abandoned => "ABANDONED",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<SagaState> {
        SagaState::ALL
            .into_iter()
            .find(|state| state.name() == name)
    }

    /// Whether the saga has completed, compensated or been given up, and goes on no more.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(
            self,
            SagaState::Completed | SagaState::Compensated | SagaState::Abandoned
        )
    }
}

/// How far a step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StepState {
    /// Its turn has not come.
    Remaining,
    /// It, or its compensation, is under way.
    Running,
    /// It succeeded.
    Done,
    /// Its condition did not hold when its turn came; there is nothing to compensate.
    Skipped,
    /// It succeeded, and was undone.
    Compensated,
    /// It was refused, or its compensation was.
    Failed,
}

/// How far one step has come, by the step's name.
///
/// Every saga is stored with its records each time it changes, so one that goes well is an array
/// without the fields' names, as long as it needs to be: name, state, time, attempts. One with more
/// to it is an object, as all were before. Databases look for a detail by its name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StepRecord {
    /// Empty in rows that release 0.1 has written: there the place says which step it is.
    #[serde(default)]
    pub name: Cow<'static, str>,
    /// How far it has come.
    pub state: StepState,
    /// When the state was reached.
    #[serde(default, deserialize_with = "micros")]
    pub at: Option<Timestamp>,
    /// Its newest attempts, oldest first. Rows of before have none.
    #[serde(default)]
    pub attempts: Vec<AttemptRecord>,
    /// Whether the saga can only go on from here: the step was its pivot, or can no longer be
    /// undone.
    #[serde(default)]
    pub is_final: bool,
    /// What the step shows to operators.
    #[serde(default)]
    pub detail: Option<String>,
    /// The nested saga that the step has begun.
    #[serde(default)]
    pub nested: Option<SagaId>,
}

/// A record as an object.
#[derive(Serialize)]
struct NamedFields<'r> {
    name: &'r str,
    state: StepState,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'r str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_final: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    nested: Option<SagaId>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    attempts: &'r [AttemptRecord],
}

impl Serialize for StepRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let StepRecord { name, state, .. } = self;
        let at = self.at.map(Timestamp::micros);
        if self.detail.is_some() || self.nested.is_some() || self.is_final {
            let named = NamedFields {
                name,
                state: *state,
                at,
                detail: self.detail.as_deref(),
                is_final: self.is_final,
                nested: self.nested,
                attempts: &self.attempts,
            };
            return named.serialize(serializer);
        }

        match (at, self.attempts.as_slice()) {
            (None, []) => (name, state).serialize(serializer),
            (at, []) => (name, state, at).serialize(serializer),
            (at, attempts) => (name, state, at, attempts).serialize(serializer),
        }
    }
}

impl StepRecord {
    /// The record of a step whose turn has not come.
    #[must_use]
    pub fn remaining(name: impl Into<Cow<'static, str>>) -> Self {
        StepRecord {
            name: name.into(),
            state: StepState::Remaining,
            at: None,
            detail: None,
            is_final: false,
            nested: None,
            attempts: Vec::new(),
        }
    }
}

/// Times inside the stored steps are plain microseconds: they are written with every saga, and read
/// rarely.
fn micros<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(Option::<i64>::deserialize(deserializer)?.map(Timestamp::from_micros))
}

#[cfg(test)]
mod tests;
