//! Following the log: repeats are dropped, gaps are seen and read, and what was there before is
//! caught up with.

use std::collections::BTreeMap;

use sagas::ShardId;
use sagas::mistakes::{Mistake, makes};
use store::{Destination, Message};
use tokio::time::Instant;

use super::super::lag;
use super::{CHECK_EVERY, Worker};
use crate::ViewError;
use crate::metrics::EventOutcome;
use crate::projection::Projection;

/// How many messages one read of the log brings.
pub(super) const READ_LIMIT: usize = 500;
/// A check first takes in at most this many deliveries, which is more than can wait; only what is
/// still missing then is a gap.
const DELIVERIES_BEFORE_CHECK: usize = 8192;

impl<P: Projection> Worker<P> {
    /// A message that came live: it may be a repeat, and others before it may be missing.
    pub(super) async fn receive(&mut self, message: &Message) -> Result<(), ViewError> {
        let position = self.position(message.source);
        if message.sequence <= position {
            self.parts.metrics.event(EventOutcome::Duplicate);
            return Ok(());
        }
        if message.previous == position || makes(Mistake::ViewGapIgnored) {
            return self.take(message).await;
        }
        self.parts.metrics.gap(message.source);
        while !self.requested() && self.read_on(message.source).await? {}
        Ok(())
    }

    /// Reads what was there at the last check already and has not come since, then remembers what
    /// is there now.
    pub(super) async fn check(&mut self) -> Result<(), ViewError> {
        // What has arrived while the view was busy is not missing.
        for _ in 0..DELIVERIES_BEFORE_CHECK {
            let Ok(delivery) = self.parts.deliveries.try_recv() else {
                break;
            };
            self.prepare(delivery.iter().map(|message| &**message))?;
            for message in &delivery {
                self.receive(message).await?;
            }
        }

        self.next_check = Instant::now() + CHECK_EVERY;

        for (source, head) in std::mem::take(&mut self.heads) {
            if self.position(source) < head && !makes(Mistake::LastEventNotLookedFor) {
                self.parts.metrics.gap(source);
                while !self.requested() && self.read_on(source).await? {}
            }
        }

        self.expect_heads();

        self.commit_if_due()
    }

    /// What is committed now must have come by the next check.
    pub(super) fn expect_heads(&mut self) {
        let behind = lag::sources_behind(&*self.parts.surroundings.log, &self.positions);
        self.heads = behind
            .into_iter()
            .map(|(source, (_, head))| (source, head))
            .collect();
    }

    /// Reads the log until the view is level with it; source by source in turn, so that none falls
    /// behind the others. A source that has brought less than a read can is level: what has come
    /// since is delivered, so it ends although more comes all the time.
    pub(super) async fn catch_up(&mut self) -> Result<(), ViewError> {
        let mut sources = self.parts.surroundings.log.sources();

        while !sources.is_empty() {
            let mut unfinished = Vec::new();
            for source in sources {
                if self.read_on(source).await? {
                    unfinished.push(source);
                }
            }
            if self.requested() {
                // Following begins with the request; what is not read by then comes with the
                // checks.
                self.expect_heads();
                self.next_check = Instant::now();
                return Ok(());
            }
            sources = unfinished;
        }

        self.commit()
    }

    /// Whether somebody wants something, so that a long read ends early.
    pub(super) fn requested(&self) -> bool {
        self.parts.requests.is_closed() || !self.parts.requests.is_empty()
    }

    /// Takes in one read of the log; true when there may be more than it has brought.
    pub(super) async fn read_on(&mut self, source: ShardId) -> Result<bool, ViewError> {
        let (position, log) = (self.position(source), &self.parts.surroundings.log);
        if log.head(source, Destination::Events) <= position {
            return Ok(false);
        }

        let read = log.read(source, Destination::Events, position, READ_LIMIT);
        let messages = read.await?;
        self.prepare(&messages)?;

        for message in &messages {
            // It does not follow when a refused commit has taken the positions back.
            if message.previous != self.position(source) {
                break;
            }
            self.take(message).await?;
        }

        self.commit_if_due()?;
        let reached = self.position(source);
        let has_all = messages.len() < READ_LIMIT
            && messages.last().is_none_or(|last| last.sequence == reached);

        Ok(!has_all && reached != position)
    }

    /// Tells the view which entities come next.
    pub(super) fn prepare<'a>(
        &mut self,
        messages: impl IntoIterator<Item = &'a Message>,
    ) -> Result<(), ViewError> {
        let uses = self.parts.definition.uses;
        let mut entities = BTreeMap::new();

        for message in messages
            .into_iter()
            .filter(|message| uses.contains(&message.source.service) && !message.is_notice())
        {
            entities
                .entry((message.source.service, message.entity))
                .or_insert(message.version);
        }

        let entities: Vec<_> = entities
            .into_iter()
            .map(|((service, id), version)| (service, id, version))
            .collect();

        if entities.is_empty() {
            Ok(())
        } else {
            self.parts.writer.prepare(&entities)
        }
    }
}
