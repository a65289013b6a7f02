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

    /// A record with something in each field.
    fn full(attempts: Vec<AttemptRecord>) -> StepRecord {
        StepRecord {
            state: StepState::Running,
            at: Some(Timestamp::from_micros(7)),
            detail: Some("stop".to_owned()),
            is_final: true,
            nested: Some(SagaId(uuid::Uuid::from_u128(1))),
            attempts,
            ..StepRecord::remaining("pay")
        }
    }

    #[test]
    fn stored_steps_read_back() {
        let full = full(vec![
            attempt(1, Some(AnswerMeaning::Done)),
            attempt(2, Some(AnswerMeaning::Ignored)),
            attempt(3, None),
        ]);

        // Whatever comes last, what comes before it stays in its place.
        let mut records = vec![full];
        let forget: [fn(&mut StepRecord); 5] = [
            |record| record.nested = None,
            |record| record.detail = None,
            |record| record.is_final = false,
            |record| record.attempts.clear(),
            |record| record.at = None,
        ];
        for forget in forget {
            let mut next = records[records.len() - 1].clone();
            forget(&mut next);
            records.push(next);
        }
        records.push(StepRecord::remaining("pay"));

        for record in records {
            let json = serde_json::to_string(&record).unwrap();
            let read: StepRecord = serde_json::from_str(&json).unwrap();
            assert_eq!(read, record, "{json}");
        }
    }

    #[test]
    fn steps_that_were_stored_as_objects_are_read() {
        let json = r#"{"name":"pay","state":"RUNNING","at":7,"detail":"stop","is_final":true,
            "nested":"00000000-0000-0000-0000-000000000001",
            "attempts":[{"n":2,"at":3,"undo":true,"why":"TIMED_OUT",
            "re":{"at":5,"name":"stock.done","means":"IGNORED"}},{"n":3,"at":9}]}"#;
        let record: StepRecord = serde_json::from_str(json).unwrap();
        let expected = full(vec![
            attempt(2, Some(AnswerMeaning::Ignored)),
            AttemptRecord {
                at: 9,
                undo: false,
                cause: None,
                ..attempt(3, None)
            },
        ]);
        assert_eq!(record, expected);
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

    /// It is what databases look for.
    #[test]
    fn what_a_step_shows_is_stored_by_name() {
        let record = StepRecord {
            detail: Some("stop".to_owned()),
            ..StepRecord::remaining("pay")
        };
        let json = serde_json::to_string(&record).unwrap();
        assert!(json.contains(r#""detail":"stop""#), "{json}");
    }

    /// Every saga writes it, three times.
    #[test]
    fn a_step_that_went_well_is_short() {
        let done = AttemptRecord {
            undo: false,
            cause: None,
            ..attempt(1, Some(AnswerMeaning::Done))
        };
        let record = StepRecord {
            state: StepState::Done,
            at: Some(Timestamp::from_micros(8)),
            attempts: vec![done],
            ..StepRecord::remaining("pay")
        };
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(json, r#"["pay","DONE",8,[[1,3,[5,"stock.done"]]]]"#);
    }
}
