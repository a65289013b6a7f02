//! Taking in the messages that follow on the position.

use sagas::mistakes::{Mistake, makes};
use store::Message;

use super::Worker;
use crate::ViewError;
use crate::metrics::EventOutcome;
use crate::port::Applied;
use crate::projection::Projection;

impl<P: Projection> Worker<P> {
    /// Takes in the message that follows on the position, and moves the position.
    pub(super) async fn take(&mut self, message: &Message) -> Result<(), ViewError> {
        let (service, entity) = (message.source.service, message.entity);
        if !self.parts.definition.uses.contains(&service) || message.is_notice() {
            self.parts.metrics.event(EventOutcome::Unused);
        } else if self.quarantine.holds(service, entity) {
            self.parts.metrics.event(EventOutcome::InQuarantine);
        } else {
            self.apply(message).await?;
        }

        self.positions.insert(message.source, message.sequence);
        self.times.insert(message.source, message.time);
        self.pending.add_message(message.body.get().len());

        if self.pending.is_full() {
            self.commit()
        } else {
            Ok(())
        }
    }

    async fn apply(&mut self, event: &Message) -> Result<(), ViewError> {
        match self.offer(event) {
            Ok(Applied::Taken) => self.taken(event, EventOutcome::Applied),
            Ok(Applied::Unknown) => self.taken(event, EventOutcome::Unknown),
            Ok(Applied::Duplicate) => self.parts.metrics.event(EventOutcome::Duplicate),
            Ok(Applied::Missing { from_version }) => {
                self.apply_history(event, from_version).await?
            }
            Err(ViewError::Refused { what, .. }) => self.put_into_quarantine(event.into(), what)?,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Has the view take in an event, if it can be read at all.
    pub(super) fn offer(&mut self, event: &Message) -> Result<Applied, ViewError> {
        match event.unreadable() {
            None => self.parts.writer.apply(event),
            Some(cause) => Err(ViewError::Refused {
                view: self.parts.definition.name,
                what: cause.to_owned(),
            }),
        }
    }

    pub(super) fn taken(&mut self, event: &Message, outcome: EventOutcome) {
        self.parts.metrics.event(outcome);
        self.pending
            .add_entity(event.source.service, event.entity, event.version);
        self.newest = Some(event.into());
        if makes(Mistake::ReaderWokenBeforeCommit) {
            let waiting = &self.parts.waiting;
            waiting.advance(self.pending.entities(), &waiting.committed());
        }
        if self.traces_since.is_some_and(|since| event.time >= since) {
            self.traced.push((event.correlation_id, event.time));
        }
    }
}
