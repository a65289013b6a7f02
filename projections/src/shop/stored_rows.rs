//! [`EntityRows`] over the services' own databases, on the node that has them at hand.

use domain::Service;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use store::services::customers::tables::customer;
use store::services::orders::tables::order;
use store::snapshot::{IdRange, Snapshot};
use store::{ServiceDatabase, StoreError};
use uuid::Uuid;

use super::document::{Document, OrderDocument};
use super::entity_documents;
use crate::entity_rows::{EntityRanges, EntityRows, ServiceRanges};

/// The rows of the services whose databases are at hand.
#[derive(Debug)]
pub struct StoredRows {
    services: ServiceRanges,
}

impl StoredRows {
    /// Reads from these databases.
    #[must_use]
    pub fn new(databases: &[ServiceDatabase]) -> Self {
        StoredRows {
            services: ServiceRanges::new(databases),
        }
    }

    async fn customers(&self, range: IdRange) -> Result<Vec<customer::Model>, StoreError> {
        let snapshot = Snapshot::begin(self.services.database(domain::CUSTOMERS)?).await?;
        let rows = snapshot.customers(range).await?;
        snapshot.end().await?;
        Ok(rows)
    }

    async fn orders(&self, range: IdRange) -> Result<Vec<order::Model>, StoreError> {
        let snapshot = Snapshot::begin(self.services.database(domain::ORDERS)?).await?;
        let rows = snapshot.orders(range).await?;
        snapshot.end().await?;
        Ok(rows)
    }

    async fn order_documents(&self, range: IdRange) -> Result<Vec<OrderDocument>, StoreError> {
        let rows = self.orders(range).await?;
        let documents = rows.into_iter().map(entity_documents::order);
        documents
            .map(|document| document.map_err(StoreError::from))
            .collect()
    }

    async fn documents(
        &self,
        service: Service,
        range: IdRange,
    ) -> Result<Vec<Document>, StoreError> {
        if service == domain::ORDERS {
            let orders = self.order_documents(range).await?;
            return Ok(orders.into_iter().map(Document::Order).collect());
        }

        let customers = self.customers(range).await?.into_iter();
        let customers = customers.map(entity_documents::customer);
        Ok(customers.map(Document::Customer).collect())
    }
}

impl EntityRanges for StoredRows {
    fn count(&self, service: Service) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.services.count(service)
    }

    fn next_range(
        &self,
        service: Service,
        after: Option<Uuid>,
        limit: u64,
    ) -> BoxFuture<'_, Result<IdRange, StoreError>> {
        self.services.next_range(service, after, limit)
    }
}

impl EntityRows<Document> for StoredRows {
    fn entities(
        &self,
        service: Service,
        range: IdRange,
    ) -> BoxFuture<'_, Result<Vec<Document>, StoreError>> {
        self.documents(service, range).boxed()
    }
}

/// Those of orders.
impl EntityRows<OrderDocument> for StoredRows {
    fn entities(
        &self,
        _: Service,
        range: IdRange,
    ) -> BoxFuture<'_, Result<Vec<OrderDocument>, StoreError>> {
        self.order_documents(range).boxed()
    }
}
