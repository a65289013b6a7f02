//! Requests: what callers ask of a shard, and how they are answered.
//!
//! A question is a value with an id: it can cross nodes, and so can its answer. Whoever asks on this
//! node is answered directly; another node is sent the answer, and tells its own caller.

use sagas::{Fingerprint, MessageId, RequestKey, SagaId, SagaState};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::entity::{Answered, Entity, Seen};
use crate::error::CommandError;
use crate::remote::RemoteCaller;

/// An `Idempotency-Key` within its method and path, and the value of the request it came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestBinding {
    pub key: RequestKey,
    pub fingerprint: Fingerprint,
}

impl RequestBinding {
    /// The key within its scope, for example `POST /orders`, and a canonical text of the value.
    #[must_use]
    pub fn new(scope: &str, key: &str, value: &[u8]) -> Self {
        RequestBinding {
            key: RequestKey::new(scope, key),
            fingerprint: Fingerprint::of(value),
        }
    }
}

/// What is asked of a shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "", rename_all = "camelCase")]
pub struct Question<E: Entity> {
    /// By which the answer finds its way back.
    pub id: Uuid,
    pub command: Command<E>,
    pub binding: Option<RequestBinding>,
    /// Whether whoever asks wants to be told of the end of the saga that the command begins, or
    /// joins, too.
    pub follows: bool,
}

/// What is to be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "", rename_all = "camelCase")]
pub enum Command<E: Entity> {
    /// An entity is made.
    Create { id: Uuid, command: E::Command },
    /// An entity that exists is asked.
    Entity { id: Uuid, command: E::Command },
    /// A stuck saga tries again.
    RetrySaga(SagaId),
    /// A saga is stopped, so that it compensates.
    CancelSaga { id: SagaId, reason: Option<String> },
    /// A quarantined message, and those parked behind it, are tried again.
    Replay(MessageId),
    /// A quarantined message is dropped.
    Discard(MessageId),
}

/// The answer to a question.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "", rename_all = "camelCase")]
pub enum Answer<E: Entity> {
    Entity(Answered<E>),
    Saga(SagaAnswer),
    Done,
}

/// The answer to a command on a saga.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SagaAnswer {
    pub saga_id: SagaId,
    /// The entity that it works on.
    pub entity: Uuid,
    pub state: SagaState,
    pub version: u64,
    /// That entity, as far as the command has seen or changed it.
    pub seen: Seen,
}

/// What a caller is told: the answer, or why the command is not carried out.
pub(crate) type Reply<E> = Result<Answer<E>, CommandError>;

/// A question and whom to answer.
#[derive(Debug)]
pub(crate) struct Request<E: Entity> {
    pub question: Question<E>,
    pub caller: Caller<E>,
}

/// Who asks.
#[derive(Debug)]
pub(crate) enum Caller<E: Entity> {
    /// Somebody on this node.
    Local {
        answer: oneshot::Sender<Reply<E>>,
        /// Told when the saga has ended. Taken out when it is put on the waiting list.
        ended: Option<Follower<E>>,
    },
    /// Somebody on another node.
    Remote(RemoteCaller),
}

/// Who waits for the end of a saga.
#[derive(Debug)]
pub(crate) enum Follower<E: Entity> {
    Local(oneshot::Sender<Answered<E>>),
    Remote {
        caller: RemoteCaller,
        question: Uuid,
    },
}

impl<E: Entity> Request<E> {
    /// Whether whoever asked has gone, so that nothing need be done any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        match &self.caller {
            Caller::Local { answer, .. } => answer.is_closed(),
            Caller::Remote(_) => false,
        }
    }

    /// Answers. Whoever asked may have gone; the effect stands all the same.
    pub(crate) fn answer(self, reply: Reply<E>) {
        match self.caller {
            Caller::Local { answer, .. } => drop(answer.send(reply)),
            Caller::Remote(caller) => caller.answer(self.question.id, reply),
        }
    }

    /// Takes out who wants to be told of the end of the saga.
    pub(crate) fn take_follower(&mut self) -> Option<Follower<E>> {
        let follows = std::mem::take(&mut self.question.follows);
        match &mut self.caller {
            Caller::Local { ended, .. } => ended.take(),
            Caller::Remote(caller) => follows.then(|| Follower::Remote {
                caller: caller.clone(),
                question: self.question.id,
            }),
        }
    }
}

impl<E: Entity> Follower<E> {
    /// Whether nobody waits any more.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Follower::Local(ended) => ended.is_closed(),
            Follower::Remote { .. } => false,
        }
    }

    /// Tells of the end. One that has stopped waiting has had its answer.
    pub(crate) fn tell(self, end: Answered<E>) {
        match self {
            Follower::Local(ended) => drop(ended.send(end)),
            Follower::Remote { caller, question } => caller.ended(question, end),
        }
    }
}
