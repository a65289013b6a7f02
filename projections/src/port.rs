//! The ports of the views: what a projector writes through.

use domain::{CustomerEvent, OrderEvent, ShardId, Timestamp};
use store::Positions;
use uuid::Uuid;

use crate::ViewError;

/// An event as views see it: decoded, with its place.
#[derive(Clone, Debug)]
pub struct Event {
    pub source: ShardId,
    pub sequence: u64,
    /// The customer or order it happened to.
    pub entity: Uuid,
    /// The entity's version after it.
    pub version: u64,
    pub time: Timestamp,
    pub payload: Payload,
}

#[derive(Clone, Debug)]
pub enum Payload {
    Customer(CustomerEvent),
    Order(OrderEvent),
}

/// What became of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Taken in, or not used by this view.
    Taken,
    /// The view has this version already.
    Duplicate,
    /// The view is at an older version than the one before the event: the caller reads the entity's history from
    /// `from_version` on and applies that first.
    Missing { from_version: u64 },
}

/// The write side of one view. Its projector calls it from a thread of its own, so that it may block.
///
/// A crash before [`commit`](ViewWriter::commit) loses what was applied since the last one: the positions are stored
/// in the same transaction, so the events are read again. A crash after it loses nothing.
pub trait ViewWriter: Send {
    /// The positions stored with the newest commit.
    ///
    /// # Errors
    /// When the view store does not answer.
    fn positions(&mut self) -> Result<Positions, ViewError>;

    /// Takes an event in; it is visible to readers after the next commit. Events of one entity come in version order.
    ///
    /// # Errors
    /// When the view store does not answer; nothing of the event is taken in then.
    fn apply(&mut self, event: &Event) -> Result<Applied, ViewError>;

    /// Makes all that was applied durable and visible, with the positions, as one.
    ///
    /// # Errors
    /// When the view store does not answer; nothing is visible then, and the projector starts again from `positions`.
    fn commit(&mut self, positions: &Positions) -> Result<(), ViewError>;
}
