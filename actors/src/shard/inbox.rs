//! The inbox: which of the messages that arrive are the next ones.
//!
//! Each message names the one before it from the same source. If that is the position, the shard
//! applies the message; if it is lower, it has done so before; if it is higher, something was lost
//! on the way, and the shard reads it from the outbox.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use sagas::mistakes::{Mistake, makes};
use store::{Destination, InboxPositions, Message, SourceStream, StoreError};

use super::Shard;
use crate::entity::Entity;

/// Messages read from an outbox at once.
const READ_AT_ONCE: usize = 1000;
/// A check waits no longer for an outbox: others wait for the shard.
const READS_WITHIN: Duration = Duration::from_secs(2);

/// What is read of an outbox, or why it cannot be read now.
pub(super) async fn in_time<T>(
    reading: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, String> {
    match tokio::time::timeout(READS_WITHIN, reading).await {
        Ok(read) => read.map_err(|error| error.chain()),
        Err(_) => Err(format!("no answer within {READS_WITHIN:?}")),
    }
}

impl<E: Entity> Shard<E> {
    /// How far the shard has come in a stream.
    pub(super) fn position(&self, stream: SourceStream) -> u64 {
        self.positions.get(&stream).copied().unwrap_or(0)
    }

    /// How far each stream that the shard reads has come itself.
    pub(super) fn heads(&self) -> InboxPositions {
        let sources = self.parts.log.sources().into_iter();
        let messages = sources.map(SourceStream::messages);
        let events = self.heard.iter().copied().map(SourceStream::events);

        let with_head = |stream: SourceStream| (stream, self.head(stream));
        messages.chain(events).map(with_head).collect()
    }

    pub(super) fn head(&self, stream: SourceStream) -> u64 {
        let destination = stream.destination(self.parts.shard);
        self.parts.log.head(stream.source, destination)
    }

    /// The messages to apply, in order: those that arrived, less what was applied before, plus what
    /// was lost.
    pub(super) async fn next_messages(
        &mut self,
        arrived: Vec<Arc<Message>>,
        check: bool,
    ) -> Result<Vec<Arc<Message>>, StoreError> {
        let mut seen: HashMap<SourceStream, u64> = HashMap::new();
        // Each outbox is read once a turn: what is missing then comes with a later one, and nobody
        // waits behind a long history.
        let mut read = BTreeSet::new();
        let mut next = Vec::with_capacity(arrived.len());

        for message in arrived {
            let stream = message.source_stream();
            let stored = self.position(stream);
            let position = *seen.entry(stream).or_insert(stored);
            let is_event = message.destination == Destination::Events;
            if makes(Mistake::InboxCheckSkipped) || is_event && makes(Mistake::EventHeardTwice) {
                next.push(message);
            } else if message.sequence <= position {
                self.instruments.duplicates.increment(1);
            } else if message.previous == position || makes(Mistake::GapIgnored) {
                seen.insert(stream, message.sequence);
                next.push(message);
            } else if message.previous < position {
                self.instruments.duplicates.increment(1);
            } else if read.insert(stream) {
                self.instruments.gaps.increment(1);
                let lost = self.read_after(stream, position).await?;
                seen.insert(stream, lost.last().map_or(position, |last| last.sequence));
                next.extend(lost);
            }
        }

        if check && !makes(Mistake::LastMessageNotLookedFor) {
            let mut behind = self.streams_fallen_behind(&seen);
            behind.retain(|stream| !read.contains(stream));
            next.extend(self.lost_of(behind, &seen).await);
        }

        Ok(next)
    }

    /// What these streams have sent that has not come. The store of another service that does not
    /// answer stops nobody here: it is looked at again with a later check.
    async fn lost_of(
        &mut self,
        behind: Vec<SourceStream>,
        seen: &HashMap<SourceStream, u64>,
    ) -> Vec<Arc<Message>> {
        let mut lost = Vec::new();
        let mut silent = None;

        for stream in behind {
            if silent == Some(stream.source.service) {
                self.look_there(stream);
                continue;
            }
            let stored = self.position(stream);
            let position = seen.get(&stream).copied().unwrap_or(stored);
            match in_time(self.read_after(stream, position)).await {
                Ok(found) => {
                    self.instruments
                        .gaps
                        .increment(u64::from(!found.is_empty()));
                    lost.extend(found);
                }
                Err(cause) => {
                    tracing::debug!(
                        shard = %self.parts.shard, source = %stream.source, error = %cause,
                        "the outbox of a source cannot be read now"
                    );
                    silent = Some(stream.source.service);
                    self.look_there(stream);
                }
            }
        }

        self.catch_up.is_held_up(silent.is_some());
        lost
    }

    /// The streams whose newest message at the check before has still not come: the last one before
    /// a silence was lost. What is newer than that may be on its way.
    fn streams_fallen_behind(&mut self, seen: &HashMap<SourceStream, u64>) -> Vec<SourceStream> {
        let mut behind = Vec::new();

        for (stream, head) in self.heads() {
            let stored = self.position(stream);
            let position = seen.get(&stream).copied().unwrap_or(stored);
            let expected = self.expected.insert(stream, head).unwrap_or(0);
            if position < expected {
                behind.push(stream);
            }
        }

        behind
    }

    pub(super) async fn read_after(
        &self,
        stream: SourceStream,
        position: u64,
    ) -> Result<Vec<Arc<Message>>, StoreError> {
        let SourceStream {
            source,
            stream: kind,
        } = stream;
        tracing::debug!(
            shard = %self.parts.shard, source = %source, stream = kind.name(), position,
            "reading the outbox of a source"
        );

        let position = match makes(Mistake::GapReadFromTheStart) {
            true => 0,
            false => position,
        };

        let destination = stream.destination(self.parts.shard);
        let messages = self
            .parts
            .log
            .read(source, destination, position, READ_AT_ONCE)
            .await?;
        Ok(messages.into_iter().map(Arc::new).collect())
    }
}
