//! What an auditor reads of a view: its documents as they are stored, by ranges of ids, with the positions of the same
//! moment. It waits for nothing and judges nothing.

use store::Positions;
use uuid::Uuid;

use crate::{OrderDocument, QuarantinedEntity, ViewError};

/// A stored document; an error when it cannot be read.
#[derive(Debug)]
pub struct Stored<T> {
    pub id: Uuid,
    pub document: Result<T, ViewError>,
}

/// The documents of a range, by id, and what the view had reached and given up at that moment.
#[derive(Debug)]
pub struct Slice<T> {
    pub documents: Vec<T>,
    pub positions: Positions,
    /// All entities in quarantine, within the range or not.
    pub quarantined: Vec<QuarantinedEntity>,
}

/// An order as a search index holds it.
#[derive(Debug)]
pub struct Indexed {
    /// How often it is found; one is right.
    pub hits: usize,
    /// As the index itself has them, beside the stored document.
    pub version: u64,
    pub total_cents: i64,
    pub stored: Stored<OrderDocument>,
}
