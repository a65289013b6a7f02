//! The doors of all services of a node, without their types: what operators and other nodes use.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sagas::{MessageId, Service, ShardId};
use store::cluster::Transport;

use super::{Requests, answered, read};
use crate::entity::Entity;
use crate::error::CommandError;
use crate::remote::{QuestionFromAfar, RemoteCaller};
use crate::request::{Caller, Command, Request};

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

    /// Tries a quarantined message again, and those parked behind it.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn replay_quarantined(&self, parked: MessageId) -> Result<(), CommandError> {
        self.settle(parked, Settle::Replay).await
    }

    /// Drops a quarantined message and tries those parked behind it.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn discard_quarantined(&self, parked: MessageId) -> Result<(), CommandError> {
        self.settle(parked, Settle::Discard).await
    }

    async fn settle(&self, parked: MessageId, how: Settle) -> Result<(), CommandError> {
        for (_, door) in self.0.iter() {
            if let Some(answer) = door.parked(parked, how).await {
                return answer;
            }
        }
        Err(CommandError::not_found("quarantined message"))
    }

    /// Takes in a question of another node to a shard of this one. The answer goes back over
    /// `transport`.
    ///
    /// # Errors
    /// When this node does not run the service, or the question cannot be read.
    pub fn asked(
        &self,
        shard: ShardId,
        question: &[u8],
        transport: Arc<dyn Transport>,
    ) -> Result<(), NotTakenIn> {
        let door = self.door(shard.service)?;
        Ok(door.asked(shard, question, transport)?)
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

/// What an operator does with a parked message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Settle {
    /// Try it again.
    Replay,
    /// Drop it.
    Discard,
}

/// A service's door without its types.
pub(crate) trait Door: fmt::Debug + Send + Sync {
    /// Settles a parked message; `None` when this service has no such message.
    fn parked(&self, id: MessageId, how: Settle)
    -> BoxFuture<'_, Option<Result<(), CommandError>>>;

    /// Takes in a question of another node.
    fn asked(
        &self,
        shard: ShardId,
        question: &[u8],
        transport: Arc<dyn Transport>,
    ) -> Result<(), serde_json::Error>;

    /// Takes in an answer of another node.
    fn answered(&self, answer: &[u8]) -> Result<(), serde_json::Error>;
}

impl<E: Entity> Door for Requests<E> {
    fn parked(
        &self,
        id: MessageId,
        how: Settle,
    ) -> BoxFuture<'_, Option<Result<(), CommandError>>> {
        Box::pin(async move {
            let shard = match read(store::parking::shard_of(&self.0.database, id)).await {
                Ok(shard) => shard?,
                Err(error) => return Some(Err(error)),
            };
            let command = match how {
                Settle::Replay => Command::Replay(id),
                Settle::Discard => Command::Discard(id),
            };

            let answer = match self.send(shard, command, None, None) {
                Ok(sent) => answered(sent.answer).await,
                Err(error) => Err(error),
            };
            Some(answer.map(drop))
        })
    }

    fn asked(
        &self,
        shard: ShardId,
        question: &[u8],
        transport: Arc<dyn Transport>,
    ) -> Result<(), serde_json::Error> {
        let QuestionFromAfar { from, question } =
            serde_json::from_slice::<QuestionFromAfar<E>>(question)?;
        let id = question.id;
        let caller = RemoteCaller {
            node: from.into(),
            transport,
        };

        let request = Request {
            question,
            caller: Caller::Remote(caller.clone()),
        };
        if let Err(error) = self.hand_over(shard, request) {
            caller.answer::<E>(id, Err(error));
        }
        Ok(())
    }

    fn answered(&self, answer: &[u8]) -> Result<(), serde_json::Error> {
        self.0.awaited.answered(answer)
    }
}
