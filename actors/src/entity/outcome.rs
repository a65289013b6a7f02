//! The outcomes of decisions, and the answers to callers.

use std::borrow::Cow;

use sagas::wire::Body;
use sagas::{Reason, SagaId, Service, Timestamp, WireMessage};
use serde::{Deserialize, Serialize};
use store::actions::OperatorAction;
use store::row_changes::RowChange;
use uuid::Uuid;

use super::Entity;
use crate::operator::Operator;
use crate::request::RequestBinding;

/// An entity's id, its version, and its times. The default is that of an entity to which nothing
/// has happened yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The entity's id.
    pub id: Uuid,
    /// Counts its events from 1.
    pub version: u64,
    /// When its first event happened.
    pub created_at: Timestamp,
    /// When its newest event happened; an entity's times never go back.
    pub updated_at: Timestamp,
}

impl Head {
    /// The head after one more event, be it the first.
    #[must_use]
    pub const fn after_event(self, id: Uuid, at: Timestamp) -> Self {
        Head {
            id,
            version: self.version + 1,
            created_at: if self.version == 0 {
                at
            } else {
                self.created_at
            },
            updated_at: at,
        }
    }
}

/// The outcome of a caller's command.
#[derive(Debug)]
pub enum Decision<E: Entity> {
    /// This happens.
    Happens(E::Event),
    /// This saga already does what the caller asks: the caller joins it, and the key of the command
    /// is bound to it.
    Joins(SagaId),
    /// What is asked for has been done already, by this saga if by any; the key of the command is
    /// bound to it.
    Done(Option<SagaId>),
    /// The state does not allow it; the text says which state and what is allowed.
    Refused(String),
    /// There is no such entity.
    NotFound,
}

/// What an operator does to an entity, for the record of all such deeds.
#[derive(Debug)]
pub struct Done {
    /// What, by its name, for example `customer.credit-limit-corrected`.
    pub action: &'static str,
    /// Who does it, and why.
    pub by: Operator,
    /// What is to be known of how it was before and after.
    pub detail: serde_json::Value,
}

impl Done {
    /// What is kept of it.
    pub(super) fn kept(self, head: Head, binding: Option<RequestBinding>) -> OperatorAction {
        OperatorAction {
            action: self.action.to_owned(),
            subject: head.id,
            entity: head.id,
            done_by: self.by.name,
            reason: self.by.reason,
            time: head.updated_at,
            detail: self.detail.to_string(),
            request: binding.map(|binding| (binding.key.as_uuid(), binding.fingerprint)),
        }
    }
}

/// The saga that takes a local step.
#[derive(Clone, Copy, Debug)]
pub struct StepOf<'a, D> {
    /// What it knows.
    pub data: &'a D,
    /// Why it compensates, if it does.
    pub reason: Option<&'a Reason>,
}

/// The entity refuses a local step of its saga.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalRefusal {
    /// Why the saga compensates, unless it does already.
    pub reason: Reason,
    /// What the step shows to operators.
    pub detail: Cow<'static, str>,
}

/// The part that a decision needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartNeeded {
    /// Identifies the part within its entity.
    pub key: Uuid,
    /// Only an earlier copy of this request can have made it.
    pub is_new: bool,
}

/// What a service tells of something that has changed nobody: it is sent as its events are, to
/// whoever follows them.
#[derive(Debug)]
pub struct Notice {
    pub(crate) name: (&'static str, u16),
    pub(crate) body: Result<Body, serde_json::Error>,
}

impl Notice {
    /// This message as a notice.
    #[must_use]
    pub fn of(message: &impl WireMessage) -> Self {
        Notice {
            name: message.wire_name(),
            body: message.encode(),
        }
    }
}

/// What an entity does when its deadline has passed.
#[derive(Debug)]
pub enum Overdue<E: Entity> {
    /// This happens to it.
    Happens(E::Event),
    /// It tells this, and waits for as long again.
    Tells(Notice),
}

/// The version of an entity that a caller has seen. Consistency tokens consist of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The service that keeps the entity.
    pub service: Service,
    /// The entity's id.
    pub entity: Uuid,
    /// Counts the entity's events from 1.
    pub version: u64,
}

/// What the caller of a command is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Answered<E: Entity> {
    /// The state after the command, or as it was found.
    pub entity: E,
    /// The saga that the command began, or joined.
    pub saga_id: Option<SagaId>,
    /// Whether that has ended.
    pub saga_ended: bool,
    /// Whether an earlier command under the same `Idempotency-Key` has had the effect.
    pub repeated: bool,
    /// Whether that one was answered with the end of its saga, or of what the entity waits for,
    /// rather than with its beginning.
    #[serde(default)]
    pub end_told: bool,
    /// Every entity that the command, or its ended saga, has changed.
    pub seen: Vec<Seen>,
}

impl<E: Entity> Answered<E> {
    /// The entity alone.
    pub(crate) fn alone(entity: E) -> Self {
        let head = entity.head();
        let mut seen = vec![Seen {
            service: E::SERVICE,
            entity: head.id,
            version: head.version,
        }];
        seen.extend(entity.seen());

        Answered {
            entity,
            saga_id: None,
            saga_ended: false,
            repeated: false,
            end_told: false,
            seen,
        }
    }

    /// Who tells of the end to a caller that follows: the saga, or the entity itself. `None` when
    /// there is no end to wait for.
    pub(crate) fn awaited(&self) -> Option<Uuid> {
        match self.saga_id {
            Some(saga) => (!self.saga_ended).then_some(saga.0),
            None => (!self.entity.is_settled()).then(|| self.entity.head().id),
        }
    }

    /// The entity while a saga is at work on it.
    pub(crate) fn with_saga(entity: E, saga: SagaId) -> Self {
        Answered {
            saga_id: Some(saga),
            ..Answered::alone(entity)
        }
    }

    /// The entity after its saga, with every entity that the saga has changed.
    pub(crate) fn after_saga(entity: E, saga: SagaId, data: &E::Saga) -> Self {
        let mut answered = Answered::with_saga(entity, saga);
        answered.saga_ended = true;
        answered.seen.extend(E::seen_by(data));
        answered
    }
}

/// What an entity tells its shard: what came of the question, and the state after it.
#[derive(Debug)]
pub(crate) struct Told<E: Entity> {
    pub outcome: EntityOutcome<E>,
    /// Absent when there is no such entity, and after a request of a saga: an entity may be large,
    /// and nobody looks at it then.
    pub entity: Option<E>,
}

/// The outcome of a question to an entity.
#[derive(Debug)]
pub(crate) enum EntityOutcome<E: Entity> {
    Changed(Box<Change<E>>),
    /// A saga's request has its reply, whether anything has changed or not.
    Replied(E::Reply, Option<Box<Change<E>>>),
    /// A repeat under the same key, which began or joined this saga.
    Repeated {
        saga: Option<SagaId>,
        waited_until: Option<Timestamp>,
    },
    /// What is asked for is under way already, or done, by this saga if by any. The row is there
    /// when the entity remembers the key of this command from now on.
    Joined(Option<SagaId>, Option<RowChange>),
    Refused(String),
    LocalRefused(LocalRefusal),
    KeyReused,
    NotFound,
    /// A timer is due, and the entity tells that it still waits for this one.
    Reminds(Notice, Uuid),
    /// A timer is due, and the entity has no deadline.
    NotWaiting,
    /// A timer is due, and the entity's deadline is another one.
    NotDue {
        due: Timestamp,
        waits_for: Uuid,
    },
    /// The question was only for the state.
    Shown,
}

/// One event and the rows that follow from it: the entity's, that of the part it has changed, and
/// that of a snapshot which is due.
#[derive(Debug)]
pub(crate) struct Change<E: Entity> {
    pub event: E::Event,
    pub row: RowChange,
    pub part: Option<RowChange>,
    pub snapshot: Option<RowChange>,
    /// What is kept of it when an operator has done it.
    pub done: Option<OperatorAction>,
    /// Of the entity after it.
    pub head: Head,
    pub waiting: Waiting<E>,
}

/// What an event changes in how an entity waits by itself.
#[derive(Debug)]
pub(crate) enum Waiting<E: Entity> {
    /// It waits for nobody, as before, or goes on waiting without a deadline.
    AsBefore,
    /// It waits for this one, and has a deadline.
    For(Uuid),
    /// It has no deadline any more, and waits on.
    NoDeadline,
    /// It has waited, and waits no longer.
    Over(Box<E>),
}

impl<E: Entity> Waiting<E> {
    pub(super) fn between(before: Before, after: &E) -> Self {
        match after.deadline() {
            Some(waits_for) => Waiting::For(waits_for),
            None if before.waited && after.is_settled() => Waiting::Over(Box::new(after.clone())),
            None if before.had_deadline => Waiting::NoDeadline,
            None => Waiting::AsBefore,
        }
    }
}

/// How an entity waited by itself before an event.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    waited: bool,
    had_deadline: bool,
}

impl Before {
    pub(super) fn of<E: Entity>(entity: &E) -> Self {
        Before {
            waited: !entity.is_settled(),
            had_deadline: entity.deadline().is_some(),
        }
    }
}
