//! What an auditor reads of a view: its documents as they are stored, by ranges of ids, with the positions of the same
//! moment. It waits for nothing and judges nothing.

use store::Positions;
use uuid::Uuid;

use crate::ViewError;

/// A stored document; an error when it cannot be read.
#[derive(Debug)]
pub struct Stored<T> {
    pub id: Uuid,
    pub document: Result<T, ViewError>,
}

/// The documents of a range, by id, and the positions the view had then.
#[derive(Debug)]
pub struct Slice<T> {
    pub documents: Vec<T>,
    pub positions: Positions,
}
