//! History and time travel, read from the services' own databases.

use std::sync::Arc;

use domain::{CustomerId, OrderId, Service, ShardId};
use projections::{CustomerDocument, OrderDocument};
use serde_json::value::RawValue;
use store::services::{customers, orders};
use store::{Message, ServiceDatabase, StoreError, history};
use uuid::Uuid;

use crate::ports::{AsOf, History, HistoryEvent, ReadError, ReadFuture};

pub(super) struct StoredHistory {
    databases: Arc<[ServiceDatabase]>,
    shards: u16,
}

impl StoredHistory {
    pub(super) fn new(databases: &[ServiceDatabase], shards: u16) -> Self {
        StoredHistory {
            databases: databases.into(),
            shards,
        }
    }

    fn database(&self, service: Service) -> Result<&ServiceDatabase, ReadError> {
        self.databases
            .iter()
            .find(|database| database.service == service)
            .ok_or(ReadError::StoreUnavailable)
    }
}

/// What a caller hears of an error of the store; the log has the rest.
pub(super) fn read_error(error: StoreError) -> ReadError {
    tracing::warn!(error = %error, "a read of the store failed");
    if error.is_transient() || matches!(error, StoreError::Closed { .. }) {
        ReadError::StoreUnavailable
    } else {
        ReadError::Failed
    }
}

const fn point(as_of: AsOf) -> history::AsOf {
    match as_of {
        AsOf::Version(version) => history::AsOf::Version(version),
        AsOf::Time(time) => history::AsOf::Time(time),
    }
}

fn name(service: Service) -> &'static str {
    match service {
        domain::CUSTOMERS => "customer",
        _ => "order",
    }
}

fn shown(message: Message) -> HistoryEvent {
    HistoryEvent {
        version: message.version,
        kind: message.name.clone().into_owned(),
        time: message.time,
        data: RawValue::to_owned(&message.body),
        message_id: message.id().0,
        correlation_id: message.correlation_id,
    }
}

impl History for StoredHistory {
    fn events(
        &self,
        service: Service,
        entity: Uuid,
        from_version: u64,
        limit: usize,
    ) -> ReadFuture<'_, Vec<HistoryEvent>> {
        Box::pin(async move {
            let database = self.database(service)?;

            let shard = ShardId::of(service, entity, self.shards);
            let read = async |from_version, limit| {
                history::events(database, shard, entity, from_version, limit).await
            };

            let events = read(from_version, limit).await.map_err(read_error)?;
            if events.is_empty() && read(1, 1).await.map_err(read_error)?.is_empty() {
                return Err(ReadError::NotFound(name(service)));
            }

            Ok(events.into_iter().map(shown).collect())
        })
    }

    fn customer_as_of(&self, id: CustomerId, as_of: AsOf) -> ReadFuture<'_, CustomerDocument> {
        Box::pin(async move {
            let database = self.database(domain::CUSTOMERS)?;
            let shard = ShardId::of(domain::CUSTOMERS, id.0, self.shards);
            let found = customers::as_of(database, shard, id, point(as_of))
                .await
                .map_err(read_error)?;
            let customer = found.ok_or(ReadError::NotFound("customer"))?;
            Ok(customer.into())
        })
    }

    fn order_as_of(&self, id: OrderId, as_of: AsOf) -> ReadFuture<'_, OrderDocument> {
        Box::pin(async move {
            let database = self.database(domain::ORDERS)?;
            let shard = ShardId::of(domain::ORDERS, id.0, self.shards);
            let found = orders::as_of(database, shard, id, point(as_of))
                .await
                .map_err(read_error)?;
            let (order, created) = found.ok_or(ReadError::NotFound("order"))?;
            Ok(OrderDocument::of(order, created))
        })
    }
}
