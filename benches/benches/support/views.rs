//! What views are fed with: the events of a shop, and the point at which all of them are taken in.

use std::sync::Arc;

use domain::{CustomerEvent, OrderEvent, Service};
use projections::{ConsistencyToken, Event, Payload};
use store::log::embedded::EmbeddedLog;
use store::{Destination, Log, Message};

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
        Service::Customers => CustomerEvent::decode(name, version, body).map(Payload::Customer),
        Service::Orders => OrderEvent::decode(name, version, body).map(Payload::Order),
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
