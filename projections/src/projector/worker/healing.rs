//! What the projector does about events that do not simply apply: it reads the history when
//! versions are missing, parks an entity whose event cannot be applied, finds the event whose data
//! a commit refuses, and takes entities out of quarantine again.

use domain::{Service, ShardId, Timestamp};
use store::Message;
use uuid::Uuid;

use super::Worker;
use super::following::READ_LIMIT;
use crate::ViewError;
use crate::fold::Fold;
use crate::metrics::Outcome;
use crate::port::{Applied, Event, QuarantinedEntity};
use crate::projector::decoding::{Decoded, decode};
use crate::projector::quarantine::MAX_QUARANTINED;

/// Which event it was that cannot be applied.
pub(super) struct Culprit {
    source: ShardId,
    sequence: u64,
    entity: Uuid,
    version: u64,
    time: Timestamp,
}

impl From<&Message> for Culprit {
    fn from(message: &Message) -> Self {
        let Message {
            source,
            sequence,
            entity,
            version,
            time,
            ..
        } = *message;
        Culprit {
            source,
            sequence,
            entity,
            version,
            time,
        }
    }
}

impl From<&Event> for Culprit {
    fn from(event: &Event) -> Self {
        let Event {
            source,
            sequence,
            entity,
            version,
            time,
            ..
        } = *event;
        Culprit {
            source,
            sequence,
            entity,
            version,
            time,
        }
    }
}

impl Worker {
    /// Applies an entity's history from `from_version` up to the event that showed it to be
    /// missing.
    pub(super) fn apply_history(
        &mut self,
        event: &Event,
        from_version: u64,
    ) -> Result<(), ViewError> {
        let reached =
            self.replay_history(event.source, event.entity, from_version, event.version)?;

        if reached < event.version && !self.quarantine.holds(event.source.service, event.entity) {
            let cause = format!(
                "the history ends before version {}: it has version {reached}",
                event.version
            );
            self.park(event.into(), cause)?;
        }

        Ok(())
    }

    /// Applies the versions `from..=to` of an entity as its history has them, and gives the newest
    /// it has come to. It ends early when the entity is put into quarantine.
    fn replay_history(
        &mut self,
        source: ShardId,
        entity: Uuid,
        from: u64,
        to: u64,
    ) -> Result<u64, ViewError> {
        let mut reached = from.saturating_sub(1);

        while reached < to {
            let read = self
                .parts
                .log
                .history(source, entity, reached + 1, READ_LIMIT);
            let messages = self.parts.runtime.block_on(read)?;
            let before = reached;
            for message in messages.iter().take_while(|message| message.version <= to) {
                if !self.apply_from_history(message)? {
                    return Ok(reached);
                }
                reached = message.version;
            }
            if reached == before {
                break;
            }
        }

        Ok(reached)
    }

    /// False when the entity is in quarantine now.
    fn apply_from_history(&mut self, message: &Message) -> Result<bool, ViewError> {
        let event = match decode(message) {
            Decoded::Event(event) => event,
            Decoded::Malformed(cause) => return self.park(message.into(), cause).map(|()| false),
        };

        match self.parts.writer.apply(&event) {
            Ok(Applied::Taken) => self.taken(event),
            Ok(Applied::Duplicate) => self.parts.metrics.event(Outcome::Duplicate),
            Ok(Applied::Missing { from_version }) => {
                let cause = format!("the history does not have version {from_version}");
                return self.park((&event).into(), cause).map(|()| false);
            }
            Err(ViewError::Refused { what, .. }) => {
                return self.park((&event).into(), what).map(|()| false);
            }
            Err(error) => return Err(error),
        }

        Ok(true)
    }

    /// Puts an entity into quarantine; the others go on.
    pub(super) fn park(&mut self, culprit: Culprit, cause: String) -> Result<(), ViewError> {
        let view = self.parts.definition.name;

        if self.quarantine.is_full() {
            return Err(ViewError::TooManyQuarantined {
                view,
                limit: MAX_QUARANTINED,
                cause,
            });
        }

        let Culprit {
            source,
            sequence,
            entity,
            version,
            time,
        } = culprit;

        tracing::error!(view, entity = %entity, version, source = %source, cause, "the view puts an entity into quarantine");

        let parked = QuarantinedEntity {
            source,
            entity,
            version,
            sequence,
            cause,
            time,
        };
        self.parts.writer.quarantine(&parked)?;
        self.parts.metrics.event(Outcome::Parked);
        self.quarantine.insert(parked);
        self.show_quarantine();

        Ok(())
    }

    /// The view refuses the data of a batch. It is taken in again one by one; a single event that
    /// is refused is the culprit.
    pub(super) fn commit_refused(&mut self, cause: String) -> Result<(), ViewError> {
        let alone = self.pending.messages() == 1;
        let newest = self.newest.take();
        self.pending.refused();
        self.restore()?;

        if alone {
            let view = self.parts.definition.name;
            let culprit = newest.ok_or(ViewError::Refused {
                view,
                what: cause.clone(),
            })?;
            self.park((&culprit).into(), cause)?;
        }
        // The positions have gone back: what lies behind the stored ones is read from the log
        // again.
        self.expect_heads();

        self.next_check = std::time::Instant::now();

        Ok(())
    }

    /// Takes an entity out of quarantine and applies what its history has; true when it is out.
    pub(super) fn replay(&mut self, service: Service, entity: Uuid) -> Result<bool, ViewError> {
        let Some(parked) = self.quarantine.remove(service, entity) else {
            return Ok(false);
        };
        self.parts.writer.release(service, entity)?;
        self.replay_history(parked.source, entity, parked.version, u64::MAX)?;
        self.pending.add_message(0);
        self.show_quarantine();
        self.commit()?;
        Ok(!self.quarantine.holds(service, entity))
    }

    /// Puts an entity, folded from its whole history, in the place of what the view has of it; its
    /// version, 0 without a history. It happens here, between two messages, so that no event comes
    /// between reading and putting.
    pub(super) fn heal(&mut self, source: ShardId, entity: Uuid) -> Result<u64, ViewError> {
        let view = self.parts.definition.name;
        let conflict = |what| ViewError::Conflict { view, what };
        let mut fold = Fold::default();

        loop {
            let read = self
                .parts
                .log
                .history(source, entity, fold.version() + 1, READ_LIMIT);
            let messages = self.parts.runtime.block_on(read)?;
            if messages.is_empty() {
                break;
            }
            for message in &messages {
                match decode(message) {
                    Decoded::Event(event) => fold.take(&event).map_err(conflict)?,
                    Decoded::Malformed(cause) => return Err(conflict(cause)),
                }
            }
        }

        let version = fold.version();

        let Some(document) = fold.into_document() else {
            return Ok(0);
        };
        // What has gathered is committed before, so that a refusal of this commit is about this
        // entity.
        self.commit()?;

        match self.parts.writer.put(&document) {
            Err(ViewError::Refused { what, .. }) => return Err(conflict(what)),
            outcome => outcome?,
        }

        if self.quarantine.remove(source.service, entity).is_some() {
            self.parts.writer.release(source.service, entity)?;
            self.show_quarantine();
        }

        self.pending.add_entity(source.service, entity, version);
        self.pending.add_message(0);
        self.commit()?;
        tracing::info!(view, entity = %entity, version, "an entity of the view is healed");

        Ok(version)
    }
}
