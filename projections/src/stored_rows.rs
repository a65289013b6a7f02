//! [`EntityRows`] over the services' own databases, on the node that has them at hand.

use domain::Service;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use store::audit::{IdRange, Snapshot, entities};
use store::{ServiceDatabase, StoreError};
use uuid::Uuid;

use crate::{Document, EntityRows, entity_documents};

/// The rows of the services whose databases are at hand.
#[derive(Debug)]
pub struct StoredRows {
    databases: Vec<ServiceDatabase>,
}

impl StoredRows {
    /// Reads from these databases.
    #[must_use]
    pub fn new(databases: &[ServiceDatabase]) -> Self {
        StoredRows {
            databases: databases.to_vec(),
        }
    }

    fn database(&self, service: Service) -> Result<&ServiceDatabase, StoreError> {
        let found = self
            .databases
            .iter()
            .find(|database| database.service == service);
        found.ok_or_else(|| StoreError::Closed {
            what: service.to_string(),
        })
    }

    async fn read(&self, service: Service, range: IdRange) -> Result<Vec<Document>, StoreError> {
        let snapshot = Snapshot::begin(self.database(service)?).await?;

        let documents = match service {
            domain::CUSTOMERS => {
                let customers = snapshot.customers(range).await?;
                Ok(customers
                    .into_iter()
                    .map(|row| Document::Customer(entity_documents::customer(row)))
                    .collect())
            }
            _ => {
                let orders = snapshot.orders(range).await?;
                orders
                    .into_iter()
                    .map(|row| {
                        entity_documents::order(row)
                            .map(Document::Order)
                            .map_err(StoreError::from)
                    })
                    .collect()
            }
        };

        snapshot.end().await?;

        documents
    }
}

impl EntityRows for StoredRows {
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

    fn entities(
        &self,
        service: Service,
        range: IdRange,
    ) -> BoxFuture<'_, Result<Vec<Document>, StoreError>> {
        self.read(service, range).boxed()
    }
}
