//! Whether the shards of a service have heard what had happened elsewhere when this one opened.
//!
//! In a choreography the answer to an entity comes in two hops: the shard of the same number as the
//! event's hears it, and sends a command to the entity's. A deadline counts from when both were
//! possible: after an outage, what others have told already is read before an entity gives up.

use std::collections::BTreeMap;
use std::time::Duration;

use store::{InboxPositions, SourceStream, StoreError, shards};
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
    /// Absent until they are known.
    heads: Option<InboxPositions>,
    looked_at: Option<Instant>,
}

impl<E: Entity> Shard<E> {
    /// Whether every shard of this service has heard the events that there were when this one first
    /// asked.
    pub(super) async fn have_others_heard(&mut self, since: Instant) -> bool {
        if self.heard.is_empty() {
            return true;
        }

        let now = Instant::now();
        let mut unheard = self.unheard.take().unwrap_or(Unheard {
            heads: None,
            looked_at: None,
        });
        if since.elapsed() >= WITHIN {
            return true;
        }

        if unheard.looked_at.is_none_or(|at| now - at >= LOOK_EVERY) {
            unheard.looked_at = Some(now);
            if let Err(error) = self.look_at_others(&mut unheard).await {
                tracing::debug!(
                    shard = %self.parts.shard, error = %error.chain(),
                    "it is not known what other shards have heard"
                );
            }
        }

        let have_heard = unheard.heads.as_ref().is_some_and(BTreeMap::is_empty);
        self.unheard = Some(unheard);
        have_heard
    }

    async fn look_at_others(&self, unheard: &mut Unheard) -> Result<(), StoreError> {
        let heard = shards::heard(&self.parts.database).await?;
        let heads = match &mut unheard.heads {
            Some(heads) => heads,
            none => none.insert(self.event_heads(&heard).await?),
        };
        heads.retain(|stream, head| heard.get(stream).is_none_or(|heard| heard < head));
        Ok(())
    }

    /// How far the events are that the shards of this service hear.
    async fn event_heads(&self, heard: &InboxPositions) -> Result<InboxPositions, StoreError> {
        let sources = self.parts.log.sources().into_iter();
        let told_by = sources.filter(|source| {
            let mut services = self.heard.iter().map(|heard| heard.service);
            services.any(|service| service == source.service)
        });

        let mut heads = InboxPositions::new();
        for stream in told_by.map(SourceStream::events) {
            let known = self.head(stream);
            let head = match self.parts.log.has_exact_heads() {
                true => known,
                false => {
                    let heard = heard.get(&stream).copied().unwrap_or(0);
                    self.newest_in_outbox(stream, known.max(heard)).await?
                }
            };
            if head > 0 {
                heads.insert(stream, head);
            }
        }
        Ok(heads)
    }

    /// The head of a stream, of which it is not known here what its owner committed last: that may
    /// have died before it noted how far it had come.
    async fn newest_in_outbox(&self, stream: SourceStream, known: u64) -> Result<u64, StoreError> {
        let mut head = known;
        loop {
            let newer = self.read_after(stream, head).await?;
            match newer.last() {
                Some(last) => head = last.sequence,
                None => return Ok(head),
            }
        }
    }
}
