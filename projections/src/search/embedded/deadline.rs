//! When a search is given up.
//!
//! tantivy knows no such thing, so all loops that may take long are of this module's siblings: they
//! ask the deadline once for each word or block of documents.

use std::time::{Duration, Instant};

use tantivy::TantivyError;

/// The time at which a search is given up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn within(limit: Duration) -> Self {
        Deadline(Instant::now() + limit)
    }

    pub(super) fn is_over(self) -> bool {
        Instant::now() >= self.0
    }

    /// An error when it is over.
    pub(super) fn check(self) -> tantivy::Result<()> {
        if self.is_over() {
            return Err(TantivyError::InternalError(
                "the search has taken too long".to_owned(),
            ));
        }
        Ok(())
    }
}
