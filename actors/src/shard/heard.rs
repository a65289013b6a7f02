//! Whether the shards of a service have heard what had happened elsewhere when this one opened.
//!
//! In a choreography the answer to an entity comes in two hops: the shard of the same number as the
//! event's hears it, and sends a command to the entity's. A deadline counts from when both were
//! possible: after an outage, what others have told already is read before an entity gives up.

use std::time::Duration;

use store::{InboxPositions, SourceStream, shards};
use tokio::time::Instant;

use super::Shard;
use crate::entity::Entity;

/// How often it looks what the others have heard.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// It goes on without them after this time: their handlers may be stopped by what they cannot read.
const WITHIN: Duration = Duration::from_secs(10);

/// What all shards of the service must hear before timers of this one are due.
#[derive(Debug)]
pub(super) struct Unheard {
    heads: InboxPositions,
    since: Instant,
    looked_at: Option<Instant>,
}

impl<E: Entity> Shard<E> {
    /// Whether every shard of this service has heard the events that there were when this one first
    /// asked.
    pub(super) async fn have_others_heard(&mut self) -> bool {
        if self.heard.is_empty() {
            return true;
        }

        let now = Instant::now();
        let mut unheard = self.unheard.take().unwrap_or_else(|| Unheard {
            heads: self.event_heads(),
            since: now,
            looked_at: None,
        });
        if unheard.since.elapsed() >= WITHIN {
            return true;
        }

        let is_due = unheard.looked_at.is_none_or(|at| now - at >= LOOK_EVERY);
        if is_due && !unheard.heads.is_empty() {
            unheard.looked_at = Some(now);
            match shards::heard(&self.parts.database).await {
                Ok(heard) => unheard
                    .heads
                    .retain(|stream, head| heard.get(stream).is_none_or(|heard| heard < head)),
                Err(error) => tracing::debug!(
                    shard = %self.parts.shard, error = %error.chain(),
                    "it is not known what other shards have heard"
                ),
            }
        }

        let have_heard = unheard.heads.is_empty();
        self.unheard = Some(unheard);
        have_heard
    }

    /// How far the events are that the shards of this service hear.
    fn event_heads(&self) -> InboxPositions {
        let sources = self.parts.log.sources().into_iter();
        let heard = sources.filter(|source| {
            let mut heard = self.heard.iter();
            heard.any(|heard| heard.service == source.service)
        });

        heard
            .map(SourceStream::events)
            .map(|stream| (stream, self.head(stream)))
            .filter(|(_, head)| *head > 0)
            .collect()
    }
}
