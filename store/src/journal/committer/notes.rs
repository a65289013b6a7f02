//! Notes of how far the outboxes are published: with a commit from time to time, at the end, and to
//! see whether a store that stood still can write again.

use std::collections::BTreeMap;
use std::time::Duration;

use sagas::ShardId;
use tokio::time::Instant;

use super::{Committer, Panicked, answer_of};
use crate::journal::commit_store::{Batch, Failure, Published};

/// How often it is noted in the database how far the outbox is published.
const NOTE_PUBLISHED_EVERY: Duration = Duration::from_secs(1);

impl Committer {
    /// What the next commit notes: nothing most of the time.
    pub(super) fn due_published(&self) -> Vec<Published> {
        if self.noted_at.elapsed() < NOTE_PUBLISHED_EVERY {
            Vec::new()
        } else {
            self.published(&self.unnoted)
        }
    }

    fn published(&self, shards: &BTreeMap<ShardId, u64>) -> Vec<Published> {
        let of = |(shard, epoch): (&ShardId, &u64)| {
            Some(Published {
                shard: *shard,
                epoch: *epoch,
                heads: self.log.acknowledged(*shard)?,
            })
        };
        shards.iter().filter_map(of).collect()
    }

    pub(super) fn noted(&mut self, published: &[Published]) {
        if !published.is_empty() {
            self.noted_at = Instant::now();
            self.unnoted.clear();
        }
    }

    /// How long nothing is committed before it is noted all the same how far outboxes are
    /// published: only where other nodes go by that.
    pub(in crate::journal) fn notes_after(&self) -> Option<Duration> {
        let due = !self.unnoted.is_empty() && self.log.is_followed_elsewhere();
        due.then_some(NOTE_PUBLISHED_EVERY)
    }

    /// Notes how far the outbox is published, so that the next owner need not read so much.
    pub(in crate::journal) async fn note_published(&mut self) {
        let published = self.published(&self.unnoted);
        if !published.is_empty() {
            self.write_published(&published).await;
        }
    }

    /// Writes what changes nothing, to see whether the store can write again.
    pub(in crate::journal) async fn try_the_store(&mut self) {
        let published = self.published(&self.held);
        if !published.is_empty() {
            self.write_published(&published).await;
        }
    }

    async fn write_published(&mut self, published: &[Published]) {
        let batch = Batch {
            units: &[],
            published,
        };

        let patience = self.watch.begin("noting what is published");
        let written = answer_of(async || self.store.write(&batch, &patience).await).await;

        match written {
            Ok(Ok(())) => {
                self.watch.succeeded();
                self.noted(published);
            }
            Ok(Err(
                Failure::Unit { error, .. } | Failure::Store(error) | Failure::Unknown(error),
            )) => self.failed(&error),
            Err(Panicked) => {
                self.watch.answered();
                self.recover().await;
            }
        }
    }
}
