//! What an auditor reads of a view: its documents as they are stored, by ranges of ids, with the
//! positions of the same moment. It waits for nothing and judges nothing.

use futures_util::future::BoxFuture;
use store::Positions;
use store::audit::IdRange;
use uuid::Uuid;

use crate::{CustomerDocument, OrderDocument, QuarantinedEntity, ViewError};

/// A stored document; an error when it cannot be read.
#[derive(Debug)]
pub struct Stored<T> {
    pub id: Uuid,
    pub document: Result<T, ViewError>,
}

/// The documents of a range, by id, and what the view had reached and given up at that moment, at
/// most.
#[derive(Debug)]
pub struct Slice<T> {
    pub documents: Vec<T>,
    pub positions: Positions,
    /// All entities in quarantine, within the range or not.
    pub quarantined: Vec<QuarantinedEntity>,
}

/// An order as a view holds it.
#[derive(Debug)]
pub struct Indexed {
    /// How often it is found; one is right.
    pub hits: usize,
    /// As the view's own fields have them, beside the stored document.
    pub version: u64,
    pub total_cents: i64,
    pub stored: Stored<OrderDocument>,
}

/// One generation of a view, opened to be read in whole. A slice shows at least what its positions
/// say.
pub trait ViewAudit: Send + Sync {
    /// The customers of a range; none in a view without customers.
    ///
    /// # Errors
    /// When the view store does not answer.
    fn customers(
        &self,
        range: IdRange,
    ) -> BoxFuture<'_, Result<Slice<Stored<CustomerDocument>>, ViewError>>;

    /// The orders of a range.
    ///
    /// # Errors
    /// When the view store does not answer.
    fn orders(&self, range: IdRange) -> BoxFuture<'_, Result<Slice<Indexed>, ViewError>>;
}
