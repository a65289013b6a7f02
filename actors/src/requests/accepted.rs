//! What the sender of a command holds while its saga goes on.

use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::entity::{Answered, Entity};
use crate::remote::Place;

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
    pub ended: oneshot::Receiver<Answered<E>>,
    pub release: watch::Receiver<bool>,
    /// Where another node tells of it.
    pub _place: Option<Place<E>>,
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
        release: watch::Receiver<bool>,
    ) -> Self {
        let end = SagaEnd {
            ended,
            release,
            _place: None,
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
        let Some(SagaEnd {
            ended,
            mut release,
            _place,
        }) = end
        else {
            return answer;
        };

        tokio::select! {
            biased;
            // An error says that no saga is left to wait for.
            ended = ended => ended.unwrap_or(answer),
            () = tokio::time::sleep(wait) => answer,
            _ = release.wait_for(|release| *release) => answer,
        }
    }
}
