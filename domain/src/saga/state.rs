//! How far a saga and each of its steps have come: what is stored of them, and shown to operators.

use serde::{Deserialize, Serialize};

use sagas::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SagaState {
    Running,
    Compensating,
    Completed,
    Compensated,
    Stuck,
}

impl SagaState {
    pub const ALL: [SagaState; 5] = [
        SagaState::Running,
        SagaState::Compensating,
        SagaState::Completed,
        SagaState::Compensated,
        SagaState::Stuck,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SagaState::Running => "RUNNING",
            SagaState::Compensating => "COMPENSATING",
            SagaState::Completed => "COMPLETED",
            SagaState::Compensated => "COMPENSATED",
            SagaState::Stuck => "STUCK",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<SagaState> {
        SagaState::ALL
            .into_iter()
            .find(|state| state.name() == name)
    }

    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, SagaState::Completed | SagaState::Compensated)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StepState {
    Remaining,
    Running,
    Done,
    Compensated,
    Failed,
}

/// How far one step has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    pub state: StepState,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "micros")]
    pub at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
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
