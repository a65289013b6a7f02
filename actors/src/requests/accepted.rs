//! What the sender of a command holds while its saga goes on.
//!
//! A sender that follows a saga is woken by the end, and by what keeps that from coming; that the
//! command is durable lies ready for it (`answering`).

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{ANSWERS_WITHIN, Requests, Sent};
use crate::answering::{Work, answering};
use crate::entity::{Answered, Entity};
use crate::error::CommandError;
use crate::request::ShardAnswer;

/// A caller that has heard nothing for so long asks again.
pub(crate) const ASKS_AGAIN_AFTER: Duration = Duration::from_secs(3);
/// A wait without end ends after this long.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 3600);
/// When nobody owns the shard it asks again after this time.
const ASKS_AGAIN_SOON: Duration = Duration::from_millis(200);

/// Whether the sender of a command also wants to hear of the end of its saga.
#[derive(Debug)]
pub enum Follow {
    /// It does not.
    Nothing,
    /// It does, and holds this as long as the command is work.
    Saga(Work),
}

impl Follow {
    /// It does, and holds nothing.
    #[must_use]
    pub fn saga() -> Self {
        Follow::Saga(Work::default())
    }
}

/// A command that was sent, and for whoever does not follow its saga carried out, durably. Waiting
/// for the end costs no work: it only holds a place on a waiting list.
#[derive(Debug)]
pub struct Accepted<E: Entity>(State<E>);

#[derive(Debug)]
enum State<E: Entity> {
    Answered(Box<Answered<E>>),
    UnderWay(Box<UnderWay<E>>),
}

/// A command whose sender has no answer yet. Dropping it gives back the place on the waiting list.
#[derive(Debug)]
pub(super) struct UnderWay<E: Entity> {
    sent: Sent<E>,
    since: Instant,
    /// The answer to the command, as soon as somebody has looked for it.
    known: Option<Answered<E>>,
    /// Lets go of whoever waits for the end.
    release: CancellationToken,
    requests: Option<Requests<E>>,
}

impl<E: Entity> From<Answered<E>> for Accepted<E> {
    fn from(answer: Answered<E>) -> Self {
        Accepted(State::Answered(Box::new(answer)))
    }
}

impl<E: Entity> From<UnderWay<E>> for Accepted<E> {
    fn from(under_way: UnderWay<E>) -> Self {
        Accepted(State::UnderWay(Box::new(under_way)))
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
        let (tell, told) = answering(Work::default());
        let shard = sagas::ShardId::new(E::SERVICE, 0);
        tell.answer(Ok(ShardAnswer::Entity(answer)), true);
        Accepted::from(UnderWay {
            sent: Sent {
                shard,
                answer: told,
                ended: Some(ended),
                place: None,
            },
            since: Instant::now(),
            known: None,
            release,
            requests: None,
        })
    }

    /// The entity as the command has left it, as soon as that is durable. Whoever asks is woken for
    /// it.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn begun(&mut self) -> Result<&Answered<E>, CommandError> {
        match &mut self.0 {
            State::Answered(answer) => Ok(answer),
            State::UnderWay(under_way) => under_way.answer().await,
        }
    }

    /// The same of who waits for nothing else.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn answered(self) -> Result<Answered<E>, CommandError> {
        match self.0 {
            State::Answered(answer) => Ok(*answer),
            State::UnderWay(under_way) => under_way.answered().await,
        }
    }

    /// The entity after its saga; or with the state so far, when there is nothing to wait for, the
    /// wait is over, or the node shuts down.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn ended_within(self, wait: Duration) -> Result<Answered<E>, CommandError> {
        match self.0 {
            State::Answered(answer) => Ok(*answer),
            State::UnderWay(under_way) => under_way.ended_within(wait).await,
        }
    }
}

impl<E: Entity> UnderWay<E> {
    pub(super) fn new(requests: Requests<E>, sent: Sent<E>) -> Self {
        UnderWay {
            sent,
            since: Instant::now(),
            known: None,
            release: requests.0.release.clone(),
            requests: Some(requests),
        }
    }

    pub(super) fn follows(&self) -> bool {
        self.sent.ended.is_some()
    }

    pub(super) async fn answered(mut self) -> Result<Answered<E>, CommandError> {
        self.answer().await?;
        self.known.ok_or(CommandError::Failed)
    }

    async fn ended_within(mut self, wait: Duration) -> Result<Answered<E>, CommandError> {
        let now = Instant::now();
        let over = now.checked_add(wait).unwrap_or(now + LONGEST_WAIT);
        let looks = self.since
            + self
                .elsewhere()
                .map_or(ANSWERS_WITHIN, |_| ASKS_AGAIN_AFTER);
        if let Some(ended) = &mut self.sent.ended {
            // What is told before an end is a refusal, and the end that of something else.
            tokio::select! {
                biased;
                () = self.sent.answer.is_told() => {}
                end = ended => match end {
                    Ok(end) => return Ok(end),
                    Err(_) => self.sent.ended = None,
                },
                () = sleep_until(over.min(looks)) => {}
                () = self.release.cancelled() => {}
            }
        }

        // Something else has come of it, or it is time to look how far it has come.
        let was_ready = self.sent.answer.is_ready();
        let answer = self.answer().await?.clone();
        let asks_again = match was_ready {
            true => self.since + ASKS_AGAIN_AFTER,
            false => Instant::now() + ASKS_AGAIN_AFTER,
        };
        let release = self.release.clone();
        let ended = tokio::select! {
            biased;
            ended = self.comes(&answer, asks_again) => ended,
            () = sleep_until(over) => None,
            () = release.cancelled() => None,
        };
        Ok(ended.unwrap_or(answer))
    }

    /// The answer to the command, which may have come already.
    async fn answer(&mut self) -> Result<&Answered<E>, CommandError> {
        let known = match self.known.take() {
            Some(known) => known,
            None => {
                let by = self.since + ANSWERS_WITHIN;
                match self.sent.heard(self.requests.as_ref(), by).await? {
                    ShardAnswer::Entity(answer) => answer,
                    _ => return Err(CommandError::Failed),
                }
            }
        };
        Ok(self.known.insert(known))
    }

    /// Where to ask again, when the shard may move to another node. Where none moves, nobody else
    /// would know.
    fn elsewhere(&self) -> Option<&Requests<E>> {
        let requests = self.requests.as_ref();
        requests.filter(|requests| requests.0.transport.is_some())
    }

    /// Waits for the end; `None` when no saga is left to wait for. Whoever was to tell of it may be
    /// gone, or may not own the shard any more, so it asks again now and then.
    async fn comes(
        &mut self,
        answer: &Answered<E>,
        mut asks_again: Instant,
    ) -> Option<Answered<E>> {
        let (entity, saga) = (answer.entity.head().id, answer.saga_id);
        answer.awaited()?;

        let elsewhere = self.elsewhere().cloned();
        loop {
            if let Some(ended) = &mut self.sent.ended {
                if elsewhere.is_none() {
                    return ended.await.ok();
                }
                match timeout_at(asks_again, ended).await {
                    Ok(Ok(end)) => return Some(end),
                    Ok(Err(_)) => self.sent.ended = None,
                    Err(_) => {}
                }
            }

            match elsewhere.as_ref()?.follow_on(entity, saga).await {
                Ok((answer, _)) if answer.awaited().is_none() => return Some(answer),
                Ok((_, sent)) => self.sent = sent,
                // The shard is on its way to another node.
                Err(CommandError::Unavailable | CommandError::Overloaded) => {
                    tokio::time::sleep(ASKS_AGAIN_SOON).await;
                }
                Err(_) => return None,
            }
            asks_again = Instant::now() + ASKS_AGAIN_AFTER;
        }
    }
}
