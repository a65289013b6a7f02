//! The result of a shard's work on one message, request or timer: the content of a unit, and the
//! answers.

use sagas::wire::WireError;
use sagas::{SagaId, Timestamp};
use store::StoreError;
use store::row_changes::RowChange;
use store::spans::Span;
use store::timers::TimerChange;
use store::unit::{OutgoingEvent, OutgoingMessage};
use uuid::Uuid;

use crate::entities::SagaEnd;
use crate::entity::{Answered, Entity};
use crate::error::CommandError;
use crate::request::{Reply, ShardAnswer};
use crate::supervision::ActorError;

/// The effects of one step, to be committed as one unit. What few of them have,
/// and is large, lies elsewhere: a step is handed on from hand to hand until it stands in a box.
#[derive(Debug)]
pub(crate) struct Step<E: Entity> {
    pub rows: Vec<RowChange>,
    pub events: Vec<OutgoingEvent>,
    /// The entity the events happened to, its version after the first of them, and when.
    pub entity: Uuid,
    pub first_version: u64,
    pub messages: Vec<OutgoingMessage>,
    pub correlation_id: Uuid,
    pub time: Timestamp,
    /// The answer to the request, sent when the unit is durable.
    pub answer: Option<Reply<E>>,
    /// The new timer of the saga that has gone on, or of the entity; absent when it stays as it is.
    pub timer: Option<TimerChange>,
    /// Whom the saga that has changed is stuck for now, if it is.
    pub stuck: Option<(SagaId, Option<Uuid>)>,
    /// A saga has ended: its followers hear how its entity is now, if it is there.
    pub ended: Option<(SagaId, Option<Box<Answered<E>>>)>,
    /// The entity no longer waits by itself: its followers hear how it is now.
    pub settled: Option<Box<Answered<E>>>,
    /// The saga that has ended, for the metrics.
    pub measured: Option<SagaEnd>,
    /// What is told when the unit is durable, while somebody traces what happens.
    pub traced: Vec<Span>,
    /// Entities that took part, so that they stay in memory until the unit is durable.
    pub touched: Vec<Uuid>,
}

impl<E: Entity> Default for Step<E> {
    fn default() -> Self {
        Step {
            rows: Vec::new(),
            events: Vec::new(),
            entity: Uuid::nil(),
            first_version: 0,
            messages: Vec::new(),
            correlation_id: Uuid::nil(),
            time: Timestamp::default(),
            answer: None,
            timer: None,
            stuck: None,
            ended: None,
            settled: None,
            measured: None,
            traced: Vec::new(),
            touched: Vec::new(),
        }
    }
}

impl<E: Entity> Step<E> {
    /// A step that only answers.
    pub(crate) fn answering(answer: ShardAnswer<E>, touched: Uuid) -> Box<Self> {
        Box::new(Step {
            answer: Some(Ok(answer)),
            touched: vec![touched],
            ..Step::default()
        })
    }

    /// A step that refuses: nothing changes, but what the refusal rests on must be durable before
    /// it is told.
    pub(crate) fn refusing(error: CommandError, touched: Uuid) -> Box<Self> {
        Box::new(Step {
            answer: Some(Err(error)),
            touched: vec![touched],
            ..Step::default()
        })
    }
}

impl<E: Entity> Step<E> {
    /// Whether nothing comes of it: neither rows nor messages.
    pub(crate) fn is_nothing(&self) -> bool {
        self.rows.is_empty() && self.events.is_empty() && self.messages.is_empty()
    }
}

/// What becomes of a piece of work. A step is large and goes through many hands, so that it stays
/// in its box.
pub(crate) type Decided<E> = Result<Box<Step<E>>, StepError>;

/// Why there is no step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// The actor gives no answer.
    #[error(transparent)]
    Actor(#[from] ActorError),
    /// The message can never be processed as it stands.
    #[error(transparent)]
    Undecodable(#[from] WireError),
    /// The row of an entity cannot be read, so nothing can be decided about it.
    #[error("{0}")]
    Unreadable(String),
    /// The entity cannot do what the message asks; only a mistake brings this about.
    #[error("{0}")]
    Impossible(String),
    /// The journal has refused what was decided, because of its own data.
    #[error("{0}")]
    Refused(String),
    /// A decision needs what is not in memory: the shard reads it and asks again. *Not loaded*
    /// never counts as *not there*.
    #[error("what the decision needs is not loaded")]
    NotLoaded,
    /// The actor's mailbox is closed: the node is shutting down, or the actor died outside a
    /// decision.
    #[error("the actor does not answer")]
    NoActor,
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StepError {
    /// Whether a fresh actor may do better.
    pub(crate) fn calls_for_a_fresh_actor(&self) -> bool {
        matches!(
            self,
            StepError::Actor(ActorError::Panicked(_)) | StepError::NoActor
        )
    }

    /// Whether a retry is of no use until somebody has done something about the cause.
    pub(crate) fn is_hopeless(&self) -> bool {
        matches!(
            self,
            StepError::Undecodable(_)
                | StepError::Unreadable(_)
                | StepError::Impossible(_)
                | StepError::Actor(ActorError::Failed(_))
        )
    }
}

/// What a step may know of its surroundings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub now: Timestamp,
    /// The ticket that the unit of this step will have.
    pub ticket: u64,
    /// The ticket up to which units were durable before anything was read for this turn. Whatever
    /// has been read shows at least these.
    pub durable_at_read: u64,
}
