//! What views are fed with: the events of a shop, and the point at which all of them are taken in.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::{CustomerEvent, OrderEvent, Service};
use futures_util::future::{BoxFuture, FutureExt};
use projections::documents::sqlite::SqliteDocumentStore;
use projections::search::EmbeddedSearchStore;
use projections::{
    ConsistencyToken, Document, EntityRows, Event, Payload, ViewStores, ViewsConfig,
};
use store::StoreError;
use store::audit::IdRange;
use store::log::embedded::EmbeddedLog;
use store::{Destination, Log, Message};

use uuid::Uuid;

use super::shop::Shop;

const CUSTOMERS: usize = 1_000;
/// Each is created, reserves credit, and is approved.
const ORDERS: u64 = 20_000;

/// A shop with approved orders, the log with their events, and the events.
pub struct History {
    pub log: Arc<EmbeddedLog>,
    /// As they happened.
    pub events: Vec<Event>,
    shop: Shop,
}

impl History {
    pub fn write(system: &actix::SystemRunner) -> Self {
        system.block_on(async {
            let (shop, log) = Shop::open(CUSTOMERS).await;
            shop.complete_sagas(ORDERS, 512).await;
            let mut events = Vec::new();
            for source in log.sources() {
                let messages = log.read(source, Destination::Events, 0, usize::MAX).await;
                events.extend(messages.expect("the outbox can be read").iter().map(decode));
            }
            events.sort_by_key(|event| event.time);
            History { log, events, shop }
        })
    }

    /// A token of everything.
    pub fn end(&self) -> ConsistencyToken {
        let mut token = ConsistencyToken::new();
        for source in self.log.sources() {
            token.see_position(source, self.log.head(source, Destination::Events));
        }
        token
    }

    pub fn close(self, system: &actix::SystemRunner) {
        system.block_on(self.shop.close());
    }
}

fn decode(message: &Message) -> Event {
    let (name, version, body) = (&message.name, message.type_version, message.body.get());

    let payload = match message.source.service {
        domain::CUSTOMERS => CustomerEvent::decode(name, version, body).map(Payload::Customer),
        _ => OrderEvent::decode(name, version, body).map(Payload::Order),
    };

    Event {
        source: message.source,
        sequence: message.sequence,
        entity: message.entity,
        version: message.version,
        time: message.time,
        payload: payload.expect("the product reads what it writes"),
    }
}

/// Embedded views in a folder, which are built from the history alone.
pub fn config(folder: &Path) -> ViewsConfig {
    ViewsConfig {
        stores: ViewStores {
            documents: Arc::new(SqliteDocumentStore::new(folder)),
            search: Arc::new(EmbeddedSearchStore::new(folder)),
        },
        rows: Arc::new(NoRows),
        keep: Duration::ZERO,
        deployment: Uuid::nil(),
    }
}

#[derive(Debug)]
struct NoRows;

impl EntityRows for NoRows {
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

    fn entities(&self, _: Service, _: IdRange) -> BoxFuture<'_, Result<Vec<Document>, StoreError>> {
        async { Ok(Vec::new()) }.boxed()
    }
}
