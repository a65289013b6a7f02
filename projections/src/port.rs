//! The ports of the views: what a projector writes through, and what tells which versions a view
//! has taken in.

use std::fmt;

use futures_util::future::BoxFuture;
use sagas::{Service, ShardId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Message, Positions};
use uuid::Uuid;

use crate::ViewError;

/// What became of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Taken in, or not used by this view.
    Taken,
    /// Of a type that this release does not know: the entity's version advances, and nothing else.
    Unknown,
    /// The view has this version already.
    Duplicate,
    /// The view is at an older version than the one before the event: the caller reads the entity's
    /// history from `from_version` on and applies that first.
    Missing {
        /// The first version that the view does not have.
        from_version: u64,
    },
}

/// An entity whose events a view takes in no longer, because one of them cannot be applied. The
/// events themselves are not kept here: the entity's history has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuarantinedEntity {
    /// The shard whose events are taken in no longer for this entity.
    pub source: ShardId,
    /// The entity.
    pub entity: Uuid,
    /// The version that could not be applied; the view shows the one before it.
    pub version: u64,
    /// Where the event stands in its source.
    pub sequence: u64,
    /// Why it could not be applied, in words.
    pub cause: String,
    /// When the event happened.
    pub time: Timestamp,
    /// Since when it is in quarantine; an earlier release did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// The write side of one view. Its projector calls it from a thread of its own, so that it may
/// block.
///
/// A crash before [`commit`](ViewWriter::commit) loses what was done since the last one, and the
/// events are read again, as the positions say. A crash between it and
/// [`finish`](ViewWriter::finish) may lose the positions alone: events are read again that are in
/// the view already, and turn out to be duplicates.
///
/// `E` is an entity as the view takes it in whole.
pub trait ViewWriter<E>: Send {
    /// The positions stored with the newest commit, or with one before it that was finished. What
    /// was done and not committed is dropped: the projector starts from here, again after every
    /// error.
    ///
    /// # Errors
    /// When the view store does not answer.
    fn positions(&mut self) -> Result<Positions, ViewError>;

    /// Tells which entities the next events are about, and the version of the first of these
    /// events, so that a store that is far away reads them at once. It promises nothing: other
    /// events may come, and these may not.
    ///
    /// # Errors
    /// When the view store does not answer.
    fn prepare(&mut self, _entities: &[(Service, Uuid, u64)]) -> Result<(), ViewError> {
        Ok(())
    }

    /// Takes an event in, which the view decodes itself; it is visible to readers after the next
    /// commit. Events of one entity come in version order, and all of them can be read
    /// ([`Message::unreadable`]).
    ///
    /// # Errors
    /// When the view store does not answer; or [`ViewError::Refused`] when this event cannot be
    /// decoded or applied, whatever is tried. Nothing of the event is taken in then.
    fn apply(&mut self, event: &Message) -> Result<Applied, ViewError>;

    /// Puts an entity as it stands in the place of whatever the view has of it, whatever version
    /// that has; visible after the next commit. Events of later versions go on from it. It serves
    /// the copying of entities' rows, and the healing of one document.
    ///
    /// # Errors
    /// As [`apply`](ViewWriter::apply).
    fn put(&mut self, entity: &E) -> Result<(), ViewError>;

    /// Makes all that was done durable and visible. The positions are stored with it, or, where
    /// that would keep readers waiting for one more answer, with the next commit.
    ///
    /// # Errors
    /// When the view store does not answer, or [`ViewError::Refused`] when it refuses the data;
    /// nothing is visible then, and the projector starts again from `positions`.
    fn commit(&mut self, positions: &Positions) -> Result<(), ViewError>;

    /// Stores the positions of the newest commit, if they are not. It is called when no other
    /// commit has followed soon, and at the end.
    ///
    /// # Errors
    /// When the view store does not answer.
    fn finish(&mut self) -> Result<(), ViewError> {
        Ok(())
    }

    /// The entities in quarantine as of the newest commit, at most `limit`.
    ///
    /// # Errors
    /// When the view store does not answer.
    fn quarantined(&mut self, limit: usize) -> Result<Vec<QuarantinedEntity>, ViewError>;

    /// Puts an entity into quarantine, durable with the next commit.
    ///
    /// # Errors
    /// When the view store does not answer.
    fn quarantine(&mut self, entity: &QuarantinedEntity) -> Result<(), ViewError>;

    /// Takes an entity out of quarantine, durable with the next commit.
    ///
    /// # Errors
    /// When the view store does not answer.
    fn release(&mut self, service: Service, entity: Uuid) -> Result<(), ViewError>;
}

/// What a view knows of the entities it has taken in, on its read side.
pub trait VersionReader: Send + Sync + fmt::Debug {
    /// The version reached of each entity, in the order asked, as of the newest commit at least; 0
    /// for one that is unknown. A view knows it of entities it shows no longer, too.
    ///
    /// The services asked for are those the view uses.
    fn versions_of<'a>(
        &'a self,
        entities: &'a [(Service, Uuid)],
    ) -> BoxFuture<'a, Result<Vec<u64>, ViewError>>;
}
