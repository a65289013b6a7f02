//! How far a saga and each of its steps have come, as stored and as shown to operators.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Empty in rows that release 0.1 has written: there the place says which step it is.
    #[serde(default)]
    pub name: Cow<'static, str>,
    /// How far it has come.
    pub state: StepState,
    /// When the state was reached.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "micros")]
    pub at: Option<Timestamp>,
    /// What the step shows to operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Whether the saga can only go on from here: the step was its pivot, or can no longer be
    /// undone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_final: bool,
    /// The nested saga that the step has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nested: Option<SagaId>,
    /// Its newest attempts, oldest first. Rows of before have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<AttemptRecord>,
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
mod micros {
    use super::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(Timestamp::micros).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<i64>::deserialize(deserializer)?.map(Timestamp::from_micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{AnswerMeaning, AnswerRecord};

    fn attempt(number: u32, answer: Option<AnswerMeaning>) -> AttemptRecord {
        AttemptRecord {
            number,
            at: 3,
            undo: number > 1,
            answer: answer.map(|means| AnswerRecord {
                at: 5,
                name: "stock.done".into(),
                means,
            }),
            cause: (number > 1).then_some("TIMED_OUT".into()),
        }
    }

    #[test]
    fn stored_steps_read_back() {
        let full = StepRecord {
            state: StepState::Running,
            at: Some(Timestamp::from_micros(7)),
            detail: Some("stop".to_owned()),
            is_final: true,
            nested: Some(SagaId(uuid::Uuid::from_u128(1))),
            attempts: vec![
                attempt(1, Some(AnswerMeaning::Done)),
                attempt(2, Some(AnswerMeaning::Ignored)),
                attempt(3, None),
            ],
            ..StepRecord::remaining("pay")
        };

        for record in [full, StepRecord::remaining("pay")] {
            let json = serde_json::to_string(&record).unwrap();
            assert_eq!(serde_json::from_str::<StepRecord>(&json).unwrap(), record);
        }
    }

    /// Data of years ago must still be readable.
    #[test]
    fn steps_of_release_0_1_are_read_without_a_name() {
        let json = r#"[{"state":"DONE","at":1795848976846890},{"state":"RUNNING","detail":"x"}]"#;
        let records: Vec<StepRecord> = serde_json::from_str(json).unwrap();
        assert_eq!(records[0].state, StepState::Done);
        assert!(records.iter().all(|record| record.name.is_empty()));
        assert!(records.iter().all(|record| record.attempts.is_empty()));
    }

    /// Every saga writes it, three times.
    #[test]
    fn an_attempt_that_went_well_is_short() {
        let done = AttemptRecord {
            undo: false,
            cause: None,
            ..attempt(1, Some(AnswerMeaning::Done))
        };
        let json = serde_json::to_string(&done).unwrap();
        assert_eq!(json, r#"{"n":1,"at":3,"re":{"at":5,"name":"stock.done"}}"#);
    }
}
