//! Requests: what callers ask of a shard, and how it answers.
//!
//! A question is a value with an id: it can cross nodes, and so can its answer. A caller on this
//! node gets the answer directly; another node receives it and tells its own caller.

use std::time::Duration;

use sagas::{Fingerprint, MessageId, RequestKey, SagaId, SagaState, Timestamp};
use serde::{Deserialize, Serialize};
use store::mapping::RememberedKey;
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use crate::answering::{Teller, Work};
use crate::entity::{Answered, Entity, Seen};
use crate::error::CommandError;
use crate::noting::{NotedOutcome, Noting};
use crate::operator::{Operator, ParkedAction, SagaAction};
use crate::remote::RemoteCaller;
use crate::requests::{ANSWERS_WITHIN, ASKS_AGAIN_AFTER};

/// An `Idempotency-Key` within its method and path, and the value of the request it came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestBinding {
    /// Says whether two requests are the same attempt.
    pub key: RequestKey,
    /// Says whether two requests under one key ask for the same.
    pub fingerprint: Fingerprint,
    /// How long the caller waits for the end of what it asks for. A repeat may wait or not: it is
    /// answered as the first was.
    #[serde(default)]
    pub wait: Duration,
}

impl RequestBinding {
    /// The key within its scope, for example `POST /orders`, and a canonical text of the value.
    #[must_use]
    pub fn new(scope: &str, key: &str, value: &[u8]) -> Self {
        RequestBinding {
            key: RequestKey::new(scope, key),
            fingerprint: Fingerprint::of(value),
            wait: Duration::ZERO,
        }
    }

    /// The same of a caller that waits for so long.
    #[must_use]
    pub const fn waiting(self, wait: Duration) -> Self {
        RequestBinding { wait, ..self }
    }

    /// How an entity or a saga remembers it, with the saga that its command began or joined, and
    /// until when its caller waits.
    pub(crate) fn remembered(
        self,
        saga: Option<SagaId>,
        waited_until: Option<Timestamp>,
    ) -> RememberedKey {
        RememberedKey {
            key: self.key.as_uuid(),
            fingerprint: self.fingerprint,
            saga,
            waited_until,
        }
    }

    /// Until when a caller that asks now waits, if it does.
    pub(crate) fn waits_until(self, now: Timestamp) -> Option<Timestamp> {
        (!self.wait.is_zero()).then(|| now.after(self.wait))
    }
}

/// A question to a shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "", rename_all = "camelCase")]
pub struct Question<E: Entity> {
    /// The answer finds its way back from another node by this id; nil on the node that asks.
    pub id: Uuid,
    pub command: Command<E>,
    pub binding: Option<RequestBinding>,
    /// Whether the caller also wants to hear of the end of the saga that the command begins or
    /// joins.
    pub follows: bool,
}

/// What to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "", rename_all = "camelCase")]
pub enum Command<E: Entity> {
    /// Creates an entity.
    Create { id: Uuid, command: E::Command },
    /// A command to an entity that exists.
    Entity { id: Uuid, command: E::Command },
    /// An operator does something about a saga.
    Saga {
        id: SagaId,
        action: SagaAction,
        by: Operator,
    },
    /// Asks for the end of a saga: its caller has heard of its beginning.
    FollowSaga(SagaId),
    /// Asks for the end of what an entity waits for by itself.
    FollowEntity(Uuid),
    /// An operator does something about a parked message.
    Parked {
        id: MessageId,
        action: ParkedAction,
        by: Operator,
    },
    /// Keeps what an operator's request about many things has found, under its key, and then what
    /// has become of it.
    Bulk {
        found: String,
        outcome: Option<String>,
    },
    /// Keeps what an operator does to something that no shard owns, under the key of its request.
    Note(Box<Noting>),
}

/// The answer to a question.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "", rename_all = "camelCase")]
pub enum ShardAnswer<E: Entity> {
    Entity(Answered<E>),
    Saga(SagaAnswer),
    Done,
    /// What a noted request has come to, if that is known.
    Noted(Option<NotedOutcome>),
}

/// The answer to a command on a saga.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SagaAnswer {
    /// The saga that the command was for.
    pub saga_id: SagaId,
    /// The entity that it works on.
    pub entity: Uuid,
    /// The saga's state after the command.
    pub state: SagaState,
    /// The saga's version after the command.
    pub version: u64,
    /// That entity, as far as the command has seen or changed it.
    pub seen: Seen,
}

/// What a caller gets: the answer, or why the command fails.
pub(crate) type Reply<E> = Result<ShardAnswer<E>, CommandError>;

/// What a caller on this node hears of its request.
#[derive(Debug)]
pub(crate) enum Heard<E: Entity> {
    /// The answer.
    Reply(Reply<E>),
    /// The shard is another node's, which is to be asked in the place of this one.
    Moved(Box<Moved<E>>),
}

/// A request that nothing has come of here. Whoever follows asks for the end anew.
#[derive(Debug)]
pub(crate) struct Moved<E: Entity> {
    pub question: Question<E>,
    pub work: Work,
}

/// A question and whom to answer.
#[derive(Debug)]
pub(crate) struct Request<E: Entity> {
    pub question: Question<E>,
    pub caller: Caller<E>,
    /// The ticket of the unit that it has become; 0 before.
    pub ticket: u64,
    /// Whether it may have been carried out before: it has been tried, or has come from another
    /// node, which may have asked a former owner, too.
    pub may_be_done: bool,
}

/// Who asks.
#[derive(Debug)]
pub(crate) enum Caller<E: Entity> {
    /// Somebody on this node.
    Local {
        answer: Teller<E>,
        /// Hears when the saga has ended. The shard takes it out when it puts the caller on the
        /// waiting list.
        ended: Option<Follower<E>>,
    },
    /// Somebody on another node.
    Remote {
        caller: RemoteCaller,
        /// The tenure of the shard that is asked.
        tenure: u64,
        /// Whether it was asked before that.
        before: bool,
        /// When the question came.
        since: Instant,
    },
}

/// Who waits for the end of a saga.
#[derive(Debug)]
pub(crate) enum Follower<E: Entity> {
    Local(oneshot::Sender<Answered<E>>),
    Remote {
        caller: RemoteCaller,
        question: Uuid,
        /// When it asked.
        since: Instant,
    },
}

impl<E: Entity> Request<E> {
    /// One of a caller on this node.
    pub(crate) fn new(
        question: Question<E>,
        answer: Teller<E>,
        ended: Option<Follower<E>>,
    ) -> Self {
        Request {
            question,
            caller: Caller::Local { answer, ended },
            ticket: 0,
            may_be_done: false,
        }
    }

    /// One of another node, to the shard in this of its tenures here.
    pub(crate) fn from_afar(question: Question<E>, caller: RemoteCaller, tenure: u64) -> Self {
        let caller = Caller::Remote {
            caller,
            tenure,
            before: false,
            since: Instant::now(),
        };
        Request {
            question,
            caller,
            ticket: 0,
            may_be_done: true,
        }
    }

    /// One of another node that was asked before this tenure. It is not carried out here.
    pub(crate) fn from_before(question: Question<E>, caller: RemoteCaller, tenure: u64) -> Self {
        let mut request = Request::from_afar(question, caller, tenure);
        if let Caller::Remote { before, .. } = &mut request.caller {
            *before = true;
        }
        request
    }

    /// Tells whoever asked before the tenure that has begun now to ask again; gives back any other.
    pub(crate) fn unless_before(self) -> Option<Self> {
        match self.caller {
            Caller::Remote {
                caller,
                before: true,
                ..
            } => {
                caller.moved::<E>(self.question.id);
                None
            }
            _ => Some(self),
        }
    }

    /// Whether the caller has gone, so that there is nothing left to do.
    pub(crate) fn is_abandoned(&self) -> bool {
        match &self.caller {
            Caller::Local { answer, .. } => answer.is_for_nobody(),
            // Nobody says from afar that he has hung up, but nobody waits longer.
            Caller::Remote { since, .. } => since.elapsed() >= ANSWERS_WITHIN,
        }
    }

    /// Answers. The caller may have gone; the effect stands all the same.
    pub(crate) fn answer(self, reply: Reply<E>) {
        match self.caller {
            // Who stands on the waiting list is told of the end.
            Caller::Local { answer, ended } => answer.answer(reply, ended.is_none()),
            Caller::Remote { caller, .. } => caller.answer(self.question.id, reply),
        }
    }

    /// Lets go of a request to a shard that is another node's, of which nothing has come here.
    /// Somebody on this node asks that one. Whoever asked from afar hears of it from the next
    /// owner, which reads the questions of the last seconds itself.
    pub(crate) fn pass_on(self) {
        let Caller::Local { answer, ended } = self.caller else {
            return;
        };
        answer.moved(Question {
            follows: ended.is_some(),
            ..self.question
        });
    }

    /// The tenure that it has come to, if it is one from another node.
    pub(crate) fn tenure(&self) -> Option<u64> {
        match self.caller {
            Caller::Local { .. } => None,
            Caller::Remote { tenure, .. } => Some(tenure),
        }
    }

    /// Takes out the follower who wants to hear of the saga's end.
    pub(crate) fn take_follower(&mut self) -> Option<Follower<E>> {
        let follows = std::mem::take(&mut self.question.follows);
        match &mut self.caller {
            Caller::Local { ended, .. } => ended.take(),
            Caller::Remote { caller, .. } => follows.then(|| Follower::Remote {
                caller: caller.clone(),
                question: self.question.id,
                since: Instant::now(),
            }),
        }
    }

    /// Takes its follower back: it is to be done again.
    pub(crate) fn take_back(&mut self, follower: Follower<E>) {
        self.question.follows = true;
        if let (Caller::Local { ended, .. }, Follower::Local(_)) = (&mut self.caller, &follower) {
            *ended = Some(follower);
        }
    }
}

impl<E: Entity> Follower<E> {
    /// Whether nobody waits any more.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Follower::Local(ended) => ended.is_closed(),
            // Nobody says from afar that he has hung up, but whoever waits asks again.
            Follower::Remote { since, .. } => since.elapsed() > 2 * ASKS_AGAIN_AFTER,
        }
    }

    /// Tells the follower of the end. One that has stopped waiting has had its answer.
    pub(crate) fn tell(self, end: Answered<E>) {
        match self {
            Follower::Local(ended) => drop(ended.send(end)),
            Follower::Remote {
                caller, question, ..
            } => caller.ended(question, end),
        }
    }
}
