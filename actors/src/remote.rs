//! The way between nodes: questions to the owner of a shard, and the answers back.
//!
//! Both are JSON values with an id. What carries them is a [`Transport`], which may lose either: a
//! caller without an answer hears that the outcome is unknown, and repeats with its key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use store::cluster::Transport;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::answering::{Teller, goes_on};
use crate::entity::{Answered, Entity};
use crate::request::{Question, Reply};

/// A question on its way to another node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "", rename_all = "camelCase")]
pub(crate) struct QuestionFromAfar<E: Entity> {
    /// The node that asks.
    pub from: String,
    pub question: Question<E>,
}

/// An answer on its way back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "", rename_all = "camelCase")]
pub(crate) struct AnswerFromAfar<E: Entity> {
    pub question: Uuid,
    pub told: Told<E>,
}

/// What another node tells about a question.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "", rename_all = "camelCase")]
pub(crate) enum Told<E: Entity> {
    /// The answer to the question.
    Answer(Reply<E>),
    /// The saga that the answer spoke of has ended.
    Ended(Answered<E>),
    /// The shard has another owner than when it was asked. Whoever has no answer asks again.
    Moved,
}

/// A caller on another node, who waits for an answer.
#[derive(Clone, Debug)]
pub(crate) struct RemoteCaller {
    pub node: Arc<str>,
    pub transport: Arc<dyn Transport>,
}

impl RemoteCaller {
    pub(crate) fn answer<E: Entity>(&self, question: Uuid, reply: Reply<E>) {
        self.tell(AnswerFromAfar {
            question,
            told: Told::Answer(reply),
        });
    }

    pub(crate) fn ended<E: Entity>(&self, question: Uuid, end: Answered<E>) {
        self.tell(AnswerFromAfar {
            question,
            told: Told::Ended(end),
        });
    }

    pub(crate) fn moved<E: Entity>(&self, question: Uuid) {
        self.tell::<E>(AnswerFromAfar {
            question,
            told: Told::Moved,
        });
    }

    fn tell<E: Entity>(&self, answer: AnswerFromAfar<E>) {
        match serde_json::to_vec(&answer) {
            Ok(answer) => self.transport.answer(&self.node, E::SERVICE, answer),
            Err(error) => tracing::error!(error = %error, "an answer has no JSON form"),
        }
    }
}

/// The callers of this node that wait for another one's answer.
#[derive(Debug)]
pub(crate) struct Awaited<E: Entity>(Arc<Mutex<HashMap<Uuid, Waiting<E>>>>);

#[derive(Debug)]
struct Waiting<E: Entity> {
    /// The question and whom to answer, as long as there is no answer.
    unanswered: Option<(Question<E>, Teller<E>)>,
    ended: Option<oneshot::Sender<Answered<E>>>,
}

/// A place among the callers that wait. Dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Place<E: Entity> {
    question: Uuid,
    awaited: Awaited<E>,
}

impl<E: Entity> Awaited<E> {
    /// Takes a caller in.
    pub(crate) fn wait(
        &self,
        question: Question<E>,
        answer: Teller<E>,
        ended: Option<oneshot::Sender<Answered<E>>>,
    ) -> Place<E> {
        let id = question.id;
        let waiting = Waiting {
            unanswered: Some((question, answer)),
            ended,
        };
        self.lock().insert(id, waiting);
        Place {
            question: id,
            awaited: self.clone(),
        }
    }

    /// Takes in an answer. Drops one that nobody waits for any more.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn answered(&self, answer: &[u8]) -> Result<(), serde_json::Error> {
        let AnswerFromAfar { question, told } =
            serde_json::from_slice::<AnswerFromAfar<E>>(answer)?;
        let mut waiting = self.lock();
        let Some(caller) = waiting.get_mut(&question) else {
            return Ok(());
        };

        match told {
            Told::Answer(reply) => {
                // Whoever follows something that has ended already is told of no end.
                if !goes_on(&reply) {
                    caller.ended = None;
                }
                if let Some((_, answer)) = caller.unanswered.take() {
                    answer.answer(reply, caller.ended.is_some());
                }
            }
            // Without the answer it is not known what the end is of: that may have been a refusal.
            Told::Ended(end) => {
                if caller.unanswered.is_none()
                    && let Some(ended) = caller.ended.take()
                {
                    let _ = ended.send(end);
                }
            }
            Told::Moved => {
                // The owner of before tells of no end: whoever waits for it asks again as well.
                let follows = caller.ended.take().is_some();
                if let Some((question, answer)) = caller.unanswered.take() {
                    answer.moved(Question {
                        follows,
                        ..question
                    });
                }
            }
        }
        Ok(())
    }

    /// How many callers wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Waiting<E>>> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: Entity> Default for Awaited<E> {
    fn default() -> Self {
        Awaited(Arc::default())
    }
}

impl<E: Entity> Clone for Awaited<E> {
    fn clone(&self) -> Self {
        Awaited(Arc::clone(&self.0))
    }
}

impl<E: Entity> Drop for Place<E> {
    fn drop(&mut self) {
        self.awaited.lock().remove(&self.question);
    }
}
