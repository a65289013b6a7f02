//! What was applied and is not committed yet: how much, since when, and which entity versions
//! readers may wait for.

use std::time::Duration;

use sagas::Service;
use tokio::time::Instant;
use uuid::Uuid;

use super::CommitPolicy;
use crate::waiting::EntityVersions;

/// A batch is committed when the bodies of its messages come to this much, however few they are: it
/// bounds the memory of a batch of large messages.
const MAX_BYTES: usize = 8 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Pending {
    policy: CommitPolicy,
    entities: EntityVersions,
    messages: usize,
    bytes: usize,
    since: Option<Instant>,
    /// While this is above zero each message is committed alone, to find the one whose data a
    /// commit refuses.
    careful: usize,
}

impl Pending {
    pub(super) fn new(policy: CommitPolicy) -> Self {
        Pending {
            policy,
            entities: EntityVersions::new(),
            messages: 0,
            bytes: 0,
            since: None,
            careful: 0,
        }
    }

    /// One more message has been dealt with, whose body has this many bytes.
    pub(super) fn add_message(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes;
        self.since.get_or_insert_with(Instant::now);
    }

    pub(super) fn add_entity(&mut self, service: Service, entity: Uuid, version: u64) {
        self.entities.insert((service, entity), version);
    }

    pub(super) fn entities(&self) -> &EntityVersions {
        &self.entities
    }

    pub(super) fn messages(&self) -> usize {
        self.messages
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages == 0
    }

    pub(super) fn is_full(&self) -> bool {
        let at_most = if self.careful > 0 {
            1
        } else {
            self.policy.max_events.max(1)
        };
        self.messages >= at_most || self.bytes >= MAX_BYTES
    }

    /// How long the batch may still gather; `None` when there is nothing to commit.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let rush = self.policy.rush.filter(|rush| self.messages >= rush.events);
        let linger = rush.map_or(self.policy.linger, |rush| rush.linger);
        self.since
            .map(|since| linger.saturating_sub(since.elapsed()))
    }

    pub(super) fn committed(&mut self) {
        self.careful = self.careful.saturating_sub(self.messages);
        self.clear();
    }

    /// A commit was refused by its data: the messages it had are committed one by one from here.
    pub(super) fn refused(&mut self) {
        self.careful = self.messages;
        self.clear();
    }

    /// Forgets what was not committed.
    pub(super) fn clear(&mut self) {
        self.entities.clear();
        self.messages = 0;
        self.bytes = 0;
        self.since = None;
    }
}
