//! Food for views: the events of a shop, and the token that names all of them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use projections::documents::sqlite::SqliteDocumentStore;
use projections::search::EmbeddedSearchStore;
use projections::{ConsistencyToken, NoRows, ShopViews, ViewStores, Views, ViewsConfig};
use store::log::embedded::EmbeddedLog;
use store::{Destination, Log, Message};

use uuid::Uuid;

use super::shop::Shop;

const CUSTOMERS: usize = 1_000;
/// Each is created, reserves credit, and is approved.
const ORDERS: u64 = 20_000;

/// A shop with approved orders, the log with their events, and the events.
pub struct History {
    /// Where views find the events.
    pub log: Arc<EmbeddedLog>,
    /// The events, as they happened.
    pub messages: Vec<Message>,
    shop: Shop,
}

impl History {
    /// Opens a shop and lets it approve all orders.
    pub fn write(system: &actix::SystemRunner) -> Self {
        system.block_on(async {
            let (shop, log) = Shop::open(CUSTOMERS).await;
            shop.complete_sagas(ORDERS, 512).await;
            let mut messages = Vec::new();
            for source in log.sources() {
                let read = log.read(source, Destination::Events, 0, usize::MAX).await;
                messages.extend(read.expect("the outbox can be read"));
            }
            messages.sort_by_key(|message| message.time);
            History {
                log,
                messages,
                shop,
            }
        })
    }

    /// The events of orders.
    pub fn orders(&self) -> impl Iterator<Item = &Message> + Clone {
        let of_orders = |message: &&Message| message.source.service == domain::ORDERS;
        self.messages.iter().filter(of_orders)
    }

    /// A token of everything.
    pub fn end(&self) -> ConsistencyToken {
        let mut token = ConsistencyToken::new();
        for source in self.log.sources() {
            token.see_position(source, self.log.head(source, Destination::Events));
        }
        token
    }

    /// Closes the shop.
    pub fn close(self, system: &actix::SystemRunner) {
        system.block_on(self.shop.close());
    }
}

/// Starts embedded views in a folder, which are built from the history alone.
pub fn start(folder: &Path, log: Arc<EmbeddedLog>) -> (Views, ShopViews) {
    let config = ViewsConfig {
        keep: Duration::ZERO,
        deployment: Uuid::nil(),
        origin: Uuid::nil(),
    };
    let stores = ViewStores {
        documents: Arc::new(SqliteDocumentStore::new(folder)),
        search: Arc::new(EmbeddedSearchStore::new(folder)),
    };

    let mut views = Views::new(config, log);
    let shop = ShopViews::register(&mut views, stores, Arc::new(NoRows));
    (views, shop.expect("each view has a name of its own"))
}
