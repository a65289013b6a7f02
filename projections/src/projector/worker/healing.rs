//! What the projector does about events that do not simply apply: it reads the history when
//! versions are missing, puts an entity into quarantine whose event cannot be applied, finds the
//! event whose data a commit refuses, and takes entities out of quarantine again.

use sagas::{Service, ShardId, Timestamp};
use store::Message;
use uuid::Uuid;

use super::Worker;
use super::following::READ_LIMIT;
use crate::ViewError;
use crate::metrics::EventOutcome;
use crate::port::{Applied, QuarantinedEntity};
use crate::projection::{EntityFold as _, Projection};
use crate::projector::quarantine::MAX_QUARANTINED;

/// Which event it was that cannot be applied.
#[derive(Clone, Copy)]
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

impl<P: Projection> Worker<P> {
    /// Applies an entity's history from `from_version` up to the event that showed it to be
    /// missing.
    pub(super) async fn apply_history(
        &mut self,
        event: &Message,
        from_version: u64,
    ) -> Result<(), ViewError> {
        let reached = self
            .replay_history(event.source, event.entity, from_version, event.version)
            .await?;

        if reached < event.version && !self.quarantine.holds(event.source.service, event.entity) {
            let cause = format!(
                "the history ends before version {}: it has version {reached}",
                event.version
            );
            self.put_into_quarantine(event.into(), cause)?;
        }

        Ok(())
    }

    /// Applies the versions `from..=to` of an entity as its history has them, and gives the newest
    /// it has come to. It ends early when the entity is put into quarantine.
    async fn replay_history(
        &mut self,
        source: ShardId,
        entity: Uuid,
        from: u64,
        to: u64,
    ) -> Result<u64, ViewError> {
        let mut reached = from.saturating_sub(1);

        while reached < to {
            let log = &self.parts.surroundings.log;
            let read = log.history(source, entity, reached + 1, READ_LIMIT);
            let messages = read.await?;
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
    fn apply_from_history(&mut self, event: &Message) -> Result<bool, ViewError> {
        match self.offer(event) {
            Ok(Applied::Taken) => self.taken(event, EventOutcome::Applied),
            Ok(Applied::Unknown) => self.taken(event, EventOutcome::Unknown),
            Ok(Applied::Duplicate) => self.parts.metrics.event(EventOutcome::Duplicate),
            Ok(Applied::Missing { from_version }) => {
                let cause = format!("the history does not have version {from_version}");
                return self
                    .put_into_quarantine(event.into(), cause)
                    .map(|()| false);
            }
            Err(ViewError::Refused { what, .. }) => {
                return self.put_into_quarantine(event.into(), what).map(|()| false);
            }
            Err(error) => return Err(error),
        }

        Ok(true)
    }

    /// Puts an entity into quarantine; the others go on.
    pub(super) fn put_into_quarantine(
        &mut self,
        culprit: Culprit,
        cause: String,
    ) -> Result<(), ViewError> {
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

        let quarantined = QuarantinedEntity {
            source,
            entity,
            version,
            sequence,
            cause,
            time,
            since: Some(self.parts.surroundings.clock.now()),
        };
        self.parts.writer.quarantine(&quarantined)?;
        self.parts.metrics.event(EventOutcome::InQuarantine);
        self.quarantine.insert(quarantined);
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
            self.put_into_quarantine(culprit, cause)?;
        }
        // The positions have gone back: what lies behind the stored ones is read from the log
        // again.
        self.expect_heads();

        self.next_check = tokio::time::Instant::now();

        Ok(())
    }

    /// Takes an entity out of quarantine and applies what its history has; true when it is out.
    pub(super) async fn replay(
        &mut self,
        service: Service,
        entity: Uuid,
    ) -> Result<bool, ViewError> {
        let Some(quarantined) = self.quarantine.remove(service, entity) else {
            return Ok(false);
        };
        self.parts.writer.release(service, entity)?;
        self.replay_history(quarantined.source, entity, quarantined.version, u64::MAX)
            .await?;
        self.pending.add_message(0);
        self.show_quarantine();
        self.commit()?;
        Ok(!self.quarantine.holds(service, entity))
    }

    /// Puts an entity, folded from its whole history, in the place of what the view has of it; its
    /// version, 0 without a history. It happens here, between two messages, so that no event comes
    /// between reading and putting.
    pub(super) async fn heal(&mut self, source: ShardId, entity: Uuid) -> Result<u64, ViewError> {
        let (folded, version) = self.fold(source, entity).await?;
        let Some(folded) = folded else {
            return Ok(0);
        };

        // What has gathered is committed before, so that a refusal of this commit is about this
        // entity.
        self.commit()?;

        let view = self.parts.definition.name;
        match self.parts.writer.put(&folded) {
            Err(ViewError::Refused { what, .. }) => return Err(ViewError::Conflict { view, what }),
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

    /// Folds an entity's whole history; with the version it has come to.
    async fn fold(
        &mut self,
        source: ShardId,
        entity: Uuid,
    ) -> Result<(Option<P::Entity>, u64), ViewError> {
        let view = self.parts.definition.name;
        let conflict = |what| ViewError::Conflict { view, what };
        let (mut fold, mut version) = (P::Fold::default(), 0);

        loop {
            let log = &self.parts.surroundings.log;
            let events = log.history(source, entity, version + 1, READ_LIMIT).await?;
            if events.is_empty() {
                return Ok((fold.into_entity(), version));
            }

            for event in &events {
                if let Some(cause) = event.unreadable() {
                    return Err(conflict(cause.to_owned()));
                }
                if event.version != version + 1 {
                    let next = version + 1;
                    return Err(conflict(format!(
                        "the history does not have version {next}"
                    )));
                }
                fold.take(event).map_err(conflict)?;
                version = event.version;
            }
        }
    }
}
