//! Events per second into an empty view, and the rate of the floor with the same documents.
//!
//! The writer and the floor take turns batch by batch, so that whatever else the machine does falls
//! on both.

mod report;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use anyhow::ensure;
use domain::{Order, OrderEvent, OrderId};
use projections::generations::ViewStore;
use projections::shop::{Event, Payload};
use projections::{Applied, OrderDocument, Projection, ViewWriter};
use store::{Message, Positions};
use tokio::runtime::Runtime;
use uuid::Uuid;

pub use report::Report;

use self::report::Sums;
use super::floor::{self, Changed};
use super::options::{Backend, PlaceOptions, Throughput};
use super::place::{Place, Store};
use super::shop::Shop;

/// The generation that the writer fills; the floor fills the next one.
pub const MEASURED: u32 = 1;
/// The generation that the floor fills.
pub const FLOOR: u32 = 2;
/// Announces this many events to the writer at once, as its projector does when it reads the log.
const ANNOUNCED: usize = 500;

/// Measures one backend.
pub fn measure(
    runtime: &Runtime,
    place: &PlaceOptions,
    asked: &Throughput,
) -> anyhow::Result<Report> {
    let place = Place::new(runtime, place)?;
    let measured = match place.store(asked.backend)? {
        Store::Documents(store) => measure_in(&place, &*store, asked),
        Store::Search(store) => measure_in(&place, &*store, asked),
    };
    place.remove(asked.backend)?;
    measured
}

fn measure_in<P: Projection>(
    place: &Place<'_>,
    store: &dyn ViewStore<P>,
    asked: &Throughput,
) -> anyhow::Result<Report> {
    let open = |generation| place.runtime.block_on(store.open(generation, Uuid::nil()));
    let mut writer = open(MEASURED)?.writer;
    // Opened once, so that its tables and indexes are there.
    drop(open(FLOOR)?);

    let mut floor = floor::open(place, asked)?;
    let mut positions = writer.positions()?;
    let mut orders = Orders::default();
    let mut shop = Shop::new(asked.seed, asked.customers, asked.orders, asked.under_way);
    let size = usize::try_from(asked.batch)?;
    let mut sums = Sums::default();

    loop {
        let batch: Vec<Event> = shop.by_ref().take(size).collect();
        if batch.is_empty() {
            break;
        }
        let messages = batch.iter().map(Event::encode);
        let messages: Vec<_> = messages.collect::<Result<_, _>>()?;
        sums.view += feed(writer.as_mut(), &messages, &mut positions)?;
        let changed = orders.after(&batch);
        sums.floor += floor.write(&changed)?;
        sums.documents += changed.count(asked.backend);
        sums.events += u64::try_from(batch.len())?;
        sums.commits += 1;
    }

    let begun = Instant::now();
    writer.finish()?;
    sums.view += begun.elapsed();

    Ok(sums.report(asked))
}

/// Applies and commits one batch; how long it took.
fn feed<E>(
    writer: &mut dyn ViewWriter<E>,
    batch: &[Message],
    positions: &mut Positions,
) -> anyhow::Result<Duration> {
    let begun = Instant::now();

    for part in batch.chunks(ANNOUNCED) {
        let entities: Vec<_> = part
            .iter()
            .map(|event| (event.source.service, event.entity, event.version))
            .collect();
        writer.prepare(&entities)?;
        for event in part {
            let applied = writer.apply(event)?;
            ensure!(
                applied == Applied::Taken,
                "{} at version {} is {applied:?}",
                event.entity,
                event.version
            );
            positions.insert(event.source, event.sequence);
        }
    }

    writer.commit(positions)?;

    Ok(begun.elapsed())
}

/// The orders that are not approved yet, as documents, to know how a batch leaves those it touches.
#[derive(Default)]
struct Orders {
    under_way: HashMap<Uuid, OrderDocument>,
}

impl Orders {
    /// What a batch has changed.
    fn after(&mut self, batch: &[Event]) -> Changed {
        let mut customers = BTreeSet::new();
        let mut known = BTreeSet::new();
        let mut touched = BTreeSet::new();

        for event in batch {
            match &event.payload {
                Payload::Customer(_) => drop(customers.insert(event.entity)),
                Payload::Order(change) => {
                    if event.version > 1 && !touched.contains(&event.entity) {
                        known.insert(event.entity);
                    }
                    touched.insert(event.entity);
                    self.take(event, change);
                }
                Payload::Unknown => {}
            }
        }

        let documents = touched
            .iter()
            .filter_map(|id| self.under_way.get(id))
            .cloned()
            .collect();

        self.under_way.retain(|_, order| order.version < 2);

        Changed {
            customers,
            orders: documents,
            known,
        }
    }

    fn take(&mut self, event: &Event, change: &OrderEvent) {
        match change {
            OrderEvent::Created(created) => {
                let order = Order::created(OrderId(event.entity), created, event.time);
                let document = OrderDocument::of(order, created.clone());
                self.under_way.insert(event.entity, document);
            }
            change => {
                let Some(document) = self.under_way.get_mut(&event.entity) else {
                    return;
                };

                if let OrderEvent::Approved(approved) = change {
                    document.customer_name.clone_from(&approved.customer_name);
                    document.state = domain::OrderState::Approved;
                }

                document.version = event.version;
            }
        }
    }
}

impl Changed {
    fn count(&self, backend: Backend) -> u64 {
        let customers = match backend {
            Backend::Sqlite | Backend::Mongodb => self.customers.len(),
            Backend::Tantivy | Backend::Elasticsearch => 0,
        };
        u64::try_from(customers + self.orders.len()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
