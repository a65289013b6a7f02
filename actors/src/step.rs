//! What a shard's work on one message, request or timer comes to: the content of a unit, and the
//! answers.

use domain::wire::WireError;
use domain::{SagaId, Timestamp};
use store::StoreError;
use store::rows::RowChange;
use store::unit::{OutgoingEvent, OutgoingMessage};
use uuid::Uuid;

use crate::gateway::{CommandError, OrderAnswer};
use crate::request::Answer;
use crate::supervision::Panicked;

/// The effects of one step, to be committed as one unit.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub rows: Vec<RowChange>,
    pub events: Vec<OutgoingEvent>,
    /// The entity the events happened to, its version after the first of them, and when.
    pub entity: Uuid,
    pub first_version: u64,
    pub messages: Vec<OutgoingMessage>,
    pub correlation_id: Uuid,
    pub time: Timestamp,
    /// What the request is answered when the unit is durable.
    pub answer: Option<Result<Answer, CommandError>>,
    /// When a saga wants to be woken from now on.
    pub timer: Option<(SagaId, Option<Timestamp>)>,
    /// A saga has ended: those who wait for it are told.
    pub ended: Option<(SagaId, OrderAnswer)>,
    /// Entities that took part, so that they stay in memory until the unit is durable.
    pub touched: Vec<Uuid>,
}

impl Step {
    /// A step that only answers.
    pub(crate) fn answering(answer: Answer, touched: Uuid) -> Self {
        Step {
            answer: Some(Ok(answer)),
            touched: vec![touched],
            ..Step::default()
        }
    }

    /// A step that refuses: nothing changes, but what the refusal rests on must be durable before
    /// it is told.
    pub(crate) fn refusing(error: CommandError, touched: Uuid) -> Self {
        Step {
            answer: Some(Err(error)),
            touched: vec![touched],
            ..Step::default()
        }
    }
}

/// Why there is no step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// The message can never be processed as it stands.
    #[error(transparent)]
    Undecodable(#[from] WireError),
    /// The entity cannot do what the message asks, which nothing but a mistake brings about.
    #[error("{0}")]
    Impossible(String),
    /// The actor's mailbox is closed: the node is shutting down, or the actor died outside a
    /// decision.
    #[error("the actor does not answer")]
    NoActor,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StepError {
    /// Whether a fresh actor may do better.
    pub(crate) fn calls_for_a_fresh_actor(&self) -> bool {
        matches!(self, StepError::Panicked(_) | StepError::NoActor)
    }
}

/// What a step may know of its surroundings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub now: Timestamp,
    /// The ticket that the unit of this step will have.
    pub ticket: u64,
    /// The ticket up to which units were durable before the shard's last read of the database.
    pub durable_at_read: u64,
}
