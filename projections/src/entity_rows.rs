//! The port to the entities' rows in their services' own databases: what a view is built from when
//! it is not built from the history, and by which a large view is cut into ranges.

use std::fmt;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sagas::Service;
use store::snapshot::{IdRange, entities};
use store::{ServiceDatabase, StoreError};
use uuid::Uuid;

/// The entities of services by ranges of their ids. All methods fail when the service's database
/// does not answer or is not at hand.
pub trait EntityRanges: Send + Sync + fmt::Debug {
    /// About how many entities a service has, for people who wait.
    fn count(&self, service: Service) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// The range of the next `limit` entities after an id; the last range has no end.
    fn next_range(
        &self,
        service: Service,
        after: Option<Uuid>,
        limit: u64,
    ) -> BoxFuture<'_, Result<IdRange, StoreError>>;
}

/// The entities of services as they stand, as a view takes them in.
pub trait EntityRows<E>: EntityRanges {
    /// The entities of a range, each of them at least as new as what was committed before the call.
    ///
    /// # Errors
    /// When the service's database does not answer or is not at hand, or holds what cannot be an
    /// entity.
    fn entities(
        &self,
        service: Service,
        range: IdRange,
    ) -> BoxFuture<'_, Result<Vec<E>, StoreError>>;
}

/// The ranges of the services whose databases are at hand, whatever their entities are. What reads
/// the entities of a view from them has one.
#[derive(Clone, Debug)]
pub struct ServiceRanges {
    databases: Vec<ServiceDatabase>,
}

impl ServiceRanges {
    /// Of these databases.
    #[must_use]
    pub fn new(databases: &[ServiceDatabase]) -> Self {
        ServiceRanges {
            databases: databases.to_vec(),
        }
    }

    /// The database of a service.
    ///
    /// # Errors
    /// When it is not at hand.
    pub fn database(&self, service: Service) -> Result<&ServiceDatabase, StoreError> {
        let mut databases = self.databases.iter();
        let found = databases.find(|database| database.service == service);
        found.ok_or_else(|| StoreError::Closed {
            what: service.to_string(),
        })
    }
}

impl EntityRanges for ServiceRanges {
    fn count(&self, service: Service) -> BoxFuture<'_, Result<u64, StoreError>> {
        async move { entities::count(self.database(service)?).await }.boxed()
    }

    fn next_range(
        &self,
        service: Service,
        after: Option<Uuid>,
        limit: u64,
    ) -> BoxFuture<'_, Result<IdRange, StoreError>> {
        async move { entities::next_range(self.database(service)?, after, limit).await }.boxed()
    }
}

/// For views whose services' databases are not at hand. They are built from the history alone, and
/// read in one range: they must fit into memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRows;

impl EntityRanges for NoRows {
    fn count(&self, _: Service) -> BoxFuture<'_, Result<u64, StoreError>> {
        async { Ok(0) }.boxed()
    }

    fn next_range(
        &self,
        _: Service,
        after: Option<Uuid>,
        _: u64,
    ) -> BoxFuture<'_, Result<IdRange, StoreError>> {
        async move { Ok(IdRange { after, up_to: None }) }.boxed()
    }
}

impl<E> EntityRows<E> for NoRows {
    fn entities(&self, service: Service, _: IdRange) -> BoxFuture<'_, Result<Vec<E>, StoreError>> {
        async move {
            Err(StoreError::Closed {
                what: service.to_string(),
            })
        }
        .boxed()
    }
}
