//! The port to the entities' rows in their services' own databases: what a view is built from when
//! it is not built from the history, and by which a large view is cut into ranges.

use std::fmt;

use domain::Service;
use futures_util::future::BoxFuture;
use store::StoreError;
use store::audit::IdRange;
use uuid::Uuid;

use crate::Document;

/// The customers and orders as they stand. All methods fail when the service's database does not
/// answer or is not at hand.
pub trait EntityRows: Send + Sync + fmt::Debug {
    /// About how many entities a service has, for people who wait.
    fn count(&self, service: Service) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// The range of the next `limit` entities after an id; the last range has no end.
    fn next_range(
        &self,
        service: Service,
        after: Option<Uuid>,
        limit: u64,
    ) -> BoxFuture<'_, Result<IdRange, StoreError>>;

    /// The entities of a range, each of them at least as new as what was committed before the call.
    fn entities(
        &self,
        service: Service,
        range: IdRange,
    ) -> BoxFuture<'_, Result<Vec<Document>, StoreError>>;
}
