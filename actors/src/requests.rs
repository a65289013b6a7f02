//! The door of one service: sends commands to whichever shard they belong to.

mod accepted;
mod doors;
mod kept;
#[cfg(feature = "shop")]
mod looking;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sagas::mistakes::{Mistake, makes};
use sagas::{SagaId, ShardId};
use store::cluster::{Assigned, Transport};
use store::{Clock, Journal, Loading, ServiceDatabase, StoreError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::answering::{Listener, Work, answering};
use crate::entity::{Answered, Entity};
use crate::error::CommandError;
use crate::loading::Source;
use crate::operator::{Operator, SagaAction};
use crate::remote::{Awaited, Place, QuestionFromAfar};
use crate::request::{
    Command, Follower, Heard, Moved, Question, Reply, Request, RequestBinding, SagaAnswer,
    ShardAnswer,
};

pub(crate) use accepted::ASKS_AGAIN_AFTER;
use accepted::UnderWay;
pub use accepted::{Accepted, Follow};
pub(crate) use doors::Door;
pub use doors::{Doors, NotTakenIn};

/// A caller has an answer within this time, whatever a store does.
pub(crate) const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// So many ids are tried for one whose shard is here: enough where one shard of fifty is.
const LOCAL_ID_TRIES: usize = 256;
/// The door does not wait for a store that has not answered for this long.
const STANDS_STILL_AFTER: Duration = Duration::from_secs(3);

/// Sends commands to the shards of a service. Cheap to clone.
#[derive(Debug)]
pub struct Requests<E: Entity>(Arc<Inner<E>>);

#[derive(Debug)]
pub(crate) struct Inner<E: Entity> {
    /// This node's name, to which other nodes send their answers.
    pub node: String,
    pub shards: u16,
    /// The ways to the shards that this node may own.
    pub senders: HashMap<ShardId, mpsc::Sender<Request<E>>>,
    /// Which of them it owns now.
    pub assigned: watch::Receiver<Assigned>,
    pub database: ServiceDatabase,
    /// Where entities come from.
    pub loading: Loading,
    /// Writes to it, when shards of the service are this node's.
    pub journal: Option<Journal>,
    /// Makes the ids of new entities.
    pub clock: Clock,
    /// Lets go of callers that wait for sagas.
    pub release: CancellationToken,
    /// The way to the shards of other nodes, when there are any.
    pub transport: Option<Arc<dyn Transport>>,
    pub awaited: Awaited<E>,
}

/// A request under way, and the receivers of what comes of it.
#[derive(Debug)]
struct Sent<E: Entity> {
    shard: ShardId,
    answer: Listener<E>,
    /// Tells of the end of the saga, as long as somebody is to. It closes when there is no end to
    /// tell of, or something else has come of the request: then the answer says what.
    ended: Option<oneshot::Receiver<Answered<E>>>,
    /// Where another node tells of it. Given back when this is dropped.
    #[expect(dead_code, reason = "it is held, and nothing else")]
    place: Option<Place<E>>,
}

impl<E: Entity> Requests<E> {
    pub(crate) fn new(inner: Inner<E>) -> Self {
        Requests(Arc::new(inner))
    }

    /// Creates an entity. Its id follows from the key of the request, so that a repeat finds it;
    /// without a key it is new.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn create(
        &self,
        command: E::Command,
        binding: Option<RequestBinding>,
        follow: Follow,
    ) -> Result<Accepted<E>, CommandError> {
        let id = binding.map_or_else(|| self.new_id(), |binding| binding.key.as_uuid());
        self.follow(id, Command::Create { id, command }, binding, follow)
            .await
    }

    /// Asks an entity that exists.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn ask(
        &self,
        id: Uuid,
        command: E::Command,
        binding: Option<RequestBinding>,
        follow: Follow,
    ) -> Result<Accepted<E>, CommandError> {
        self.follow(id, Command::Entity { id, command }, binding, follow)
            .await
    }

    async fn follow(
        &self,
        id: Uuid,
        command: Command<E>,
        binding: Option<RequestBinding>,
        follow: Follow,
    ) -> Result<Accepted<E>, CommandError> {
        let sent = self.send(self.shard_of(id), command, binding, follow)?;
        let under_way = UnderWay::new(self.clone(), sent);
        match under_way.follows() {
            true => Ok(Accepted::from(under_way)),
            false => Ok(Accepted::from(under_way.answered().await?)),
        }
    }

    /// Asks for the end of a saga of this entity, or of what the entity waits for by itself:
    /// whoever was to tell of it may not own its shard any more.
    async fn follow_on(
        &self,
        id: Uuid,
        saga: Option<SagaId>,
    ) -> Result<(Answered<E>, Sent<E>), CommandError> {
        let command = saga.map_or(Command::FollowEntity(id), Command::FollowSaga);
        let mut sent = self.send(self.shard_of(id), command, None, Follow::saga())?;
        match self.answered(&mut sent).await? {
            ShardAnswer::Entity(answer) => Ok((answer, sent)),
            _ => Err(CommandError::Failed),
        }
    }

    /// The id of a new entity, in a shard that this node owns if it owns any: then no other node
    /// need be asked.
    fn new_id(&self) -> Uuid {
        let assigned = self.0.assigned.borrow();
        if !assigned.keys().any(|shard| shard.service == E::SERVICE) {
            return self.0.clock.new_id();
        }
        let is_here = |id: &Uuid| assigned.contains_key(&self.shard_of(*id));
        let mut ids = std::iter::repeat_with(|| self.0.clock.new_id()).take(LOCAL_ID_TRIES);
        ids.find(is_here).unwrap_or_else(|| self.0.clock.new_id())
    }

    /// An entity as it is durable.
    ///
    /// # Errors
    /// [`CommandError::Unavailable`] when the store does not answer, [`CommandError::Failed`] when
    /// the entity's row cannot be read.
    pub async fn state(&self, id: Uuid) -> Result<Option<E>, CommandError> {
        let source = Source {
            database: &self.0.database,
            shard: self.shard_of(id),
            loading: self.0.loading,
        };
        let mut found = read(source.load::<E>(&[id])).await?;
        match found.remove(&id).transpose() {
            Ok(loaded) => Ok(loaded.map(|loaded| loaded.stored.entity)),
            Err(error) => {
                tracing::error!(error = %error.chain(), "an entity cannot be read");
                Err(CommandError::Failed)
            }
        }
    }

    /// An operator does something about a saga.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn operate_saga(
        &self,
        saga: SagaId,
        action: SagaAction,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> Result<SagaAnswer, CommandError> {
        // A saga lives in the shard of its entity. Whoever knows its id has seen it committed.
        let Some(entity) = self.entity_of(saga).await? else {
            return Err(CommandError::not_found("saga"));
        };

        let id = saga;
        let command = Command::Saga { id, action, by };
        let shard = self.shard_of(entity);
        let mut sent = self.send(shard, command, binding, Follow::Nothing)?;
        match self.answered(&mut sent).await? {
            ShardAnswer::Saga(answer) => Ok(answer),
            _ => Err(CommandError::Failed),
        }
    }

    /// The entity of a saga of this service; `None` when there is no such saga.
    pub(crate) async fn entity_of(&self, saga: SagaId) -> Result<Option<Uuid>, CommandError> {
        read(store::sagas::entity_of(&self.0.database, saga)).await
    }

    /// How many callers of this node wait for another one.
    #[cfg(test)]
    pub(crate) fn awaited(&self) -> usize {
        self.0.awaited.len()
    }

    fn shard_of(&self, entity: Uuid) -> ShardId {
        ShardId::of(E::SERVICE, entity, self.0.shards)
    }

    fn owns(&self, shard: ShardId) -> bool {
        self.0.assigned.borrow().contains_key(&shard)
    }

    /// Whether the store of the service has not answered for a while, so that waiting for it is of
    /// no use. (A write that fails now and then is repeated.)
    fn stands_still(&self) -> bool {
        let standing = self.0.journal.as_ref().and_then(Journal::standing);
        standing.is_some_and(|standing| standing.since.elapsed() >= STANDS_STILL_AFTER)
    }

    fn send(
        &self,
        shard: ShardId,
        command: Command<E>,
        binding: Option<RequestBinding>,
        follow: Follow,
    ) -> Result<Sent<E>, CommandError> {
        let (follows, work) = match follow {
            Follow::Nothing => (false, Work::default()),
            Follow::Saga(work) => (true, work),
        };
        let question = Question {
            id: Uuid::nil(),
            command,
            binding,
            follows,
        };

        if !self.owns(shard) {
            return self.send_far(shard, Moved { question, work });
        }

        let (answer, received) = answering(work);
        let (tell, ended) = follows.then(oneshot::channel).unzip();
        let request = Request::new(question, answer, tell.map(Follower::Local));
        self.hand_over(shard, request)?;
        Ok(Sent {
            shard,
            answer: received,
            ended,
            place: None,
        })
    }

    /// Waits for the answer, but not for ever: whatever a store does, the caller hears within
    /// seconds that the outcome is unknown.
    async fn answered(&self, sent: &mut Sent<E>) -> Result<ShardAnswer<E>, CommandError> {
        let by = Instant::now() + ANSWERS_WITHIN;
        sent.heard(Some(self), by).await
    }

    /// Asks whichever node owns the shard.
    fn send_far(&self, shard: ShardId, moved: Moved<E>) -> Result<Sent<E>, CommandError> {
        let Moved { mut question, work } = moved;
        let (answer, received) = answering(work);
        let (tell, ended) = question.follows.then(oneshot::channel).unzip();

        if !makes(Mistake::QuestionsAlike) {
            question.id = self.0.clock.new_id();
        }
        if makes(Mistake::KeyLeftBehind) {
            question.binding = None;
        }
        let question = QuestionFromAfar {
            from: self.0.node.clone(),
            question,
        };
        let bytes = serde_json::to_vec(&question).map_err(|_| CommandError::Failed)?;

        let place = self.0.awaited.wait(question.question, answer, tell);
        let transport = self.0.transport.as_ref();
        if !transport.is_some_and(|transport| transport.ask(shard, bytes)) {
            return Err(CommandError::Unavailable);
        }
        Ok(Sent {
            shard,
            answer: received,
            ended,
            place: Some(place),
        })
    }

    /// Hands a request to a shard of this node.
    fn hand_over(&self, shard: ShardId, request: Request<E>) -> Result<(), CommandError> {
        if self.stands_still() {
            return Err(CommandError::Unavailable);
        }

        let sender = self.0.senders.get(&shard);
        let sender = sender.ok_or(CommandError::Unavailable)?;
        sender.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommandError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => CommandError::Unavailable,
        })
    }
}

impl<E: Entity> Sent<E> {
    /// Waits for the answer until this time. When the shard moves meanwhile, its next owner is
    /// asked.
    async fn heard(&mut self, requests: Option<&Requests<E>>, by: Instant) -> Reply<E> {
        let comes = async {
            loop {
                let moved = match self.answer.heard().await? {
                    Heard::Reply(reply) => return reply,
                    Heard::Moved(moved) => *moved,
                };
                let requests = requests.ok_or(CommandError::Unavailable)?;
                *self = requests.send_far(self.shard, moved)?;
            }
        };
        let reply = timeout_at(by, comes).await;
        reply.unwrap_or(Err(CommandError::Unavailable))
    }
}

impl<E: Entity> Clone for Requests<E> {
    fn clone(&self) -> Self {
        Requests(Arc::clone(&self.0))
    }
}

/// Reads what says whom to ask, within the same time.
async fn read<T>(reading: impl Future<Output = Result<T, StoreError>>) -> Result<T, CommandError> {
    match tokio::time::timeout(ANSWERS_WITHIN, reading).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => {
            tracing::warn!(error = %error.chain(), "the store does not answer");
            Err(CommandError::Unavailable)
        }
        Err(_) => Err(CommandError::Unavailable),
    }
}
