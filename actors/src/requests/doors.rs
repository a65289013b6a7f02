//! The doors of all services of a node, without their types: what operators and other nodes use.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sagas::{MessageId, Service, ShardId};
use store::cluster::Transport;

use super::{Follow, Requests, read};
use crate::entity::Entity;
use crate::error::CommandError;
use crate::operator::{Operator, ParkedAction};
use crate::remote::{QuestionFromAfar, RemoteCaller};
use crate::request::{Command, Question, Request, RequestBinding};

/// The doors of all services that a node runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Doors(Arc<[(Service, Arc<dyn Door>)]>);

/// Why this node cannot take in something from another node.
#[derive(Debug, thiserror::Error)]
pub enum NotTakenIn {
    /// This node does not run the service.
    #[error("this node does not run the service {0}")]
    NoSuchService(Service),
    /// It is of another release, or damaged.
    #[error("what another node has sent cannot be read")]
    Unreadable(#[from] serde_json::Error),
}

impl Doors {
    pub(crate) fn new(doors: Vec<(Service, Arc<dyn Door>)>) -> Self {
        Doors(doors.into())
    }

    /// An operator does something about a parked message. A repeat under the same key has been
    /// done.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn operate_parked(
        &self,
        parked: MessageId,
        action: ParkedAction,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> Result<(), CommandError> {
        let mut not_there = CommandError::not_found("quarantined message");
        for (_, door) in self.0.iter() {
            let (action, by) = (action.clone(), by.clone());
            match door.parked(parked, action, by, binding).await {
                // Another service may have it whose store answers.
                Some(Err(error @ CommandError::Unavailable)) => not_there = error,
                Some(answer) => return answer,
                None => {}
            }
        }
        Err(not_there)
    }

    /// Takes in a question of another node to a shard of this one, in this of its tenures. The
    /// answer goes back over `transport`.
    ///
    /// # Errors
    /// When this node does not run the service, or the question cannot be read.
    pub fn asked(
        &self,
        shard: ShardId,
        tenure: u64,
        question: &[u8],
        transport: Arc<dyn Transport>,
    ) -> Result<(), NotTakenIn> {
        let door = self.door(shard.service)?;
        Ok(door.asked(shard, tenure, question, transport)?)
    }

    /// A node whose question is from before this tenure of the shard is told that the shard has
    /// moved, once that has begun: until then its owner of that time may carry the question out.
    ///
    /// # Errors
    /// When this node does not run the service, or the question cannot be read.
    pub fn asked_before(
        &self,
        shard: ShardId,
        tenure: u64,
        question: &[u8],
        transport: Arc<dyn Transport>,
    ) -> Result<(), NotTakenIn> {
        let door = self.door(shard.service)?;
        Ok(door.asked_before(shard, tenure, question, transport)?)
    }

    /// Takes in the answer of another node to a question to this service.
    ///
    /// # Errors
    /// When this node does not run the service, or the answer cannot be read.
    pub fn answered(&self, service: Service, answer: &[u8]) -> Result<(), NotTakenIn> {
        Ok(self.door(service)?.answered(answer)?)
    }

    fn door(&self, service: Service) -> Result<&dyn Door, NotTakenIn> {
        let door = self.0.iter().find(|(known, _)| *known == service);
        door.map(|(_, door)| door.as_ref())
            .ok_or(NotTakenIn::NoSuchService(service))
    }
}

/// A service's door without its types.
pub(crate) trait Door: fmt::Debug + Send + Sync {
    /// Does something about a parked message; `None` when this service has no such message, and has
    /// done nothing under this key.
    fn parked(
        &self,
        id: MessageId,
        action: ParkedAction,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> BoxFuture<'_, Option<Result<(), CommandError>>>;

    /// Takes in a question of another node.
    fn asked(
        &self,
        shard: ShardId,
        tenure: u64,
        question: &[u8],
        transport: Arc<dyn Transport>,
    ) -> Result<(), serde_json::Error>;

    /// Takes in one from before a tenure.
    fn asked_before(
        &self,
        shard: ShardId,
        tenure: u64,
        question: &[u8],
        transport: Arc<dyn Transport>,
    ) -> Result<(), serde_json::Error>;

    /// Takes in an answer of another node.
    fn answered(&self, answer: &[u8]) -> Result<(), serde_json::Error>;
}

impl<E: Entity> Requests<E> {
    /// The answer to a request about a parked message that repeats an earlier one. A message that
    /// is gone cannot remember the key; what was done to it does.
    pub(crate) async fn done_before(
        &self,
        binding: Option<RequestBinding>,
    ) -> Option<Result<(), CommandError>> {
        let RequestBinding {
            key, fingerprint, ..
        } = binding?;
        match read(store::actions::of_request(&self.0.database, key)).await {
            Ok(stored) => stored?.action.request.map(|(_, bound)| {
                if bound == fingerprint {
                    Ok(())
                } else {
                    Err(CommandError::KeyReused)
                }
            }),
            Err(error) => Some(Err(error)),
        }
    }
}

impl<E: Entity> Door for Requests<E> {
    fn parked(
        &self,
        id: MessageId,
        action: ParkedAction,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> BoxFuture<'_, Option<Result<(), CommandError>>> {
        Box::pin(async move {
            if let Some(answer) = self.done_before(binding).await {
                return Some(answer);
            }
            let shard = match read(store::parking::shard_of(&self.0.database, id)).await {
                Ok(shard) => shard?,
                Err(error) => return Some(Err(error)),
            };

            let command = Command::Parked { id, action, by };
            let answer = match self.send(shard, command, binding, Follow::Nothing) {
                Ok(mut sent) => self.answered(&mut sent).await,
                Err(error) => Err(error),
            };

            // Another request under the same key may have been faster.
            if let Err(CommandError::NotFound(_)) = answer
                && let Some(answer) = self.done_before(binding).await
            {
                return Some(answer);
            }
            Some(answer.map(drop))
        })
    }

    fn asked(
        &self,
        shard: ShardId,
        tenure: u64,
        question: &[u8],
        transport: Arc<dyn Transport>,
    ) -> Result<(), serde_json::Error> {
        let (caller, question) = read_from_afar::<E>(question, transport)?;
        let id = question.id;

        let owned = self.owns(shard);
        let request = Request::from_afar(question, caller.clone(), tenure);
        match self.hand_over(shard, request) {
            Ok(()) => {}
            // Its next owner tells whoever asked.
            Err(CommandError::Unavailable) if !owned => {}
            Err(error) => caller.answer::<E>(id, Err(error)),
        }
        Ok(())
    }

    fn asked_before(
        &self,
        shard: ShardId,
        tenure: u64,
        question: &[u8],
        transport: Arc<dyn Transport>,
    ) -> Result<(), serde_json::Error> {
        let (caller, question) = read_from_afar::<E>(question, transport)?;
        let id = question.id;
        let request = Request::from_before(question, caller.clone(), tenure);
        if self.hand_over(shard, request).is_err() {
            caller.moved::<E>(id);
        }
        Ok(())
    }

    fn answered(&self, answer: &[u8]) -> Result<(), serde_json::Error> {
        self.0.awaited.answered(answer)
    }
}

fn read_from_afar<E: Entity>(
    question: &[u8],
    transport: Arc<dyn Transport>,
) -> Result<(RemoteCaller, Question<E>), serde_json::Error> {
    let QuestionFromAfar { from, question } = serde_json::from_slice(question)?;
    let caller = RemoteCaller {
        node: from.into(),
        transport,
    };
    Ok((caller, question))
}
