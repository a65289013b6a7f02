//! When the projector commits, and what follows from a commit.

use std::time::Duration;

use store::spans::{self, Span};
use tokio::time::Instant;

use super::Worker;
use crate::ViewError;
use crate::projection::Projection;

/// When no other commit has followed on one by then, its positions are stored by themselves.
const FINISH_AFTER: Duration = Duration::from_millis(100);

impl<P: Projection> Worker<P> {
    /// Commits when the batch is full, has gathered long enough, or has what a reader waits for.
    pub(super) fn commit_if_due(&mut self) -> Result<(), ViewError> {
        let Some(time_left) = self.pending.time_left() else {
            return Ok(());
        };
        let due = time_left.is_zero()
            || self.pending.is_full()
            || self
                .parts
                .waiting
                .wants(self.pending.entities(), &self.positions);
        if due { self.commit() } else { Ok(()) }
    }

    pub(super) fn commit(&mut self) -> Result<(), ViewError> {
        if self.pending.is_empty() {
            return Ok(());
        }

        // What this node has taken in may be older by now than what the next one has.
        if !self.parts.tenure.is_held() {
            return Err(ViewError::fed_elsewhere(self.parts.definition.name));
        }

        let started = Instant::now();
        self.parts.waiting.reaches(&self.positions);

        match self.parts.writer.commit(&self.positions) {
            Ok(()) => {
                self.parts.metrics.commit(started.elapsed());
                self.parts
                    .progress
                    .committed(self.pending.messages(), &self.times);
                self.parts
                    .waiting
                    .advance(self.pending.entities(), &self.positions);
                self.pending.committed();
                self.trace();
                self.newest = None;
                // At the latest this one has stored the positions of the one before.
                self.has_had_positions |= self.unfinished.is_some();
                self.unfinished = Some(Instant::now() + FINISH_AFTER);
                Ok(())
            }
            Err(ViewError::Refused { what, .. }) => self.commit_refused(what),
            Err(error) => Err(error),
        }
    }

    /// Tells whoever traces it what can be read now.
    fn trace(&mut self) {
        let (view, clock) = (self.parts.definition.name, &self.parts.surroundings.clock);
        let generation = self.parts.alarm.number();
        for (part_of, began) in self.traced.drain(..) {
            spans::tell(|| Span {
                name: format!("view {view}"),
                part_of,
                began,
                ended: clock.now(),
                attributes: vec![("counterfoil.generation", generation.to_string())],
            });
        }
    }

    pub(super) fn finish(&mut self) -> Result<(), ViewError> {
        if self.unfinished.is_some() {
            self.parts.writer.finish()?;
            self.has_had_positions = true;
            self.unfinished = None;
        }
        Ok(())
    }
}
