//! What the sender of a command holds while its saga goes on.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Requests;
use crate::entity::{Answered, Entity};
use crate::error::CommandError;
use crate::remote::Place;

/// A caller that has heard nothing for so long asks again.
pub(crate) const ASKS_AGAIN_AFTER: Duration = Duration::from_secs(3);
/// When nobody owns the shard it asks again after this time.
const ASKS_AGAIN_SOON: Duration = Duration::from_millis(200);

/// Whether the sender of a command also wants to hear of the end of its saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// It does not.
    Nothing,
    /// It does.
    Saga,
}

/// A command that was carried out, durably, and the end of its saga for whoever follows it. Waiting
/// for that end costs no work: it only holds a place on a waiting list.
#[derive(Debug)]
pub struct Accepted<E: Entity> {
    /// What the command came to.
    pub answer: Answered<E>,
    /// Absent when the sender does not follow.
    pub(super) end: Option<SagaEnd<E>>,
}

/// The end of a saga, to wait for. Dropping it gives back the place on the waiting list.
#[derive(Debug)]
pub(super) struct SagaEnd<E: Entity> {
    /// Tells of it, as long as somebody is to.
    pub ended: Option<oneshot::Receiver<Answered<E>>>,
    pub release: CancellationToken,
    /// Where another node tells of it.
    pub place: Option<Place<E>>,
    /// Where to ask again, when the shard may move to another node.
    pub elsewhere: Option<Requests<E>>,
}

impl<E: Entity> From<Answered<E>> for Accepted<E> {
    fn from(answer: Answered<E>) -> Self {
        Accepted { answer, end: None }
    }
}

impl<E: Entity> Accepted<E> {
    /// A command whose saga goes on: `ended` tells of its end, and `release` lets go of whoever
    /// waits for that.
    #[must_use]
    pub fn followed(
        answer: Answered<E>,
        ended: oneshot::Receiver<Answered<E>>,
        release: CancellationToken,
    ) -> Self {
        let end = SagaEnd {
            ended: Some(ended),
            release,
            place: None,
            elsewhere: None,
        };
        Accepted {
            answer,
            end: Some(end),
        }
    }

    /// The entity after its saga; or with the state so far, when there is nothing to wait for, the
    /// wait is over, or the node shuts down.
    pub async fn ended_within(self, wait: Duration) -> Answered<E> {
        let Accepted { answer, end } = self;
        let Some(end) = end else {
            return answer;
        };

        let release = end.release.clone();
        let comes = end.comes(&answer);
        let ended = tokio::select! {
            biased;
            ended = comes => ended,
            () = tokio::time::sleep(wait) => None,
            () = release.cancelled() => None,
        };
        ended.unwrap_or(answer)
    }
}

impl<E: Entity> SagaEnd<E> {
    /// Waits for the end; `None` when no saga is left to wait for. Whoever was to tell of it may be
    /// gone, or may not own the shard any more, so it asks again now and then.
    async fn comes(mut self, answer: &Answered<E>) -> Option<Answered<E>> {
        let (entity, saga) = (answer.entity.head().id, answer.saga_id);
        answer.awaited()?;

        loop {
            if let Some(ended) = &mut self.ended {
                // Where no shard moves, nobody else would know.
                if self.elsewhere.is_none() {
                    return ended.await.ok();
                }
                match tokio::time::timeout(ASKS_AGAIN_AFTER, ended).await {
                    Ok(Ok(end)) => return Some(end),
                    Ok(Err(_)) => self.ended = None,
                    Err(_) => {}
                }
            }

            let requests = self.elsewhere.as_ref()?;
            match requests.follow_on(entity, saga).await {
                Ok(followed) if followed.answer.awaited().is_none() => {
                    return Some(followed.answer);
                }
                Ok(followed) => {
                    self.ended = Some(followed.ended);
                    self.place = followed.place;
                }
                // The shard is on its way to another node.
                Err(CommandError::Unavailable | CommandError::Overloaded) => {
                    tokio::time::sleep(ASKS_AGAIN_SOON).await;
                }
                Err(_) => return None,
            }
        }
    }
}
