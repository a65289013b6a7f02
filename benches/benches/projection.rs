//! Events per second into the views.
//!
//! `documents` and `search` are the writer of a view alone, fed with messages in batches as
//! large as its projector's may be; `rebuild` is both views with their projectors, which find
//! nothing and read the history from the outbox.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot go on ends with a message"
)]

mod support {
    pub mod allocator;
    pub mod basket;
    pub mod folder;
    pub mod shop;
    pub mod views;
}

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{System, SystemRunner};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use projections::documents::sqlite::SqliteDocumentStore;
use projections::generations::ViewStore as _;
use projections::search::open_embedded;
use projections::{Applied, ViewWriter};
use store::log::embedded::EmbeddedLog;
use store::{Message, Positions};
use support::folder::folder;
use support::views::History;

/// Events in one commit, as the projectors' bounds have it.
const DOCUMENTS_BATCH: usize = 4_096;
const SEARCH_BATCH: usize = 50_000;

fn projection(criterion: &mut Criterion) {
    let system = System::new();
    let history = History::write(&system);
    let mut group = criterion.benchmark_group("projection");
    group.sampling_mode(SamplingMode::Flat);

    let all = u64::try_from(history.messages.len()).unwrap_or(0);
    let of_orders = u64::try_from(history.orders().count()).unwrap_or(0);

    group.throughput(Throughput::Elements(all));
    group.bench_function("documents", |bencher| {
        bencher.iter_custom(|times| {
            let feed_one = |_| {
                let folder = folder();
                let store = SqliteDocumentStore::new(folder.path());
                let opened = system
                    .block_on(store.open(1, uuid::Uuid::nil()))
                    .expect("the view can be opened");
                let mut writer = opened.writer;
                feed(writer.as_mut(), history.messages.iter(), DOCUMENTS_BATCH)
            };
            (0..times).map(feed_one).sum()
        });
    });

    group.throughput(Throughput::Elements(of_orders));
    group.bench_function("search", |bencher| {
        bencher.iter_custom(|times| {
            let feed_one = |_| {
                let folder = folder();
                let (mut writer, _reader) =
                    open_embedded(folder.path()).expect("the view can be opened");
                feed(writer.as_mut(), history.orders(), SEARCH_BATCH)
            };
            (0..times).map(feed_one).sum()
        });
    });

    group.throughput(Throughput::Elements(all));
    group.bench_function("rebuild", |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| rebuild(&system, &history)).sum());
    });

    group.finish();
    history.close(&system);
}

/// Feeds an empty view and says how long it took.
fn feed<'a, E>(
    writer: &mut dyn ViewWriter<E>,
    events: impl Iterator<Item = &'a Message>,
    batch: usize,
) -> Duration {
    let events: Vec<_> = events.collect();
    let begun = Instant::now();
    let mut positions: Positions = writer.positions().expect("the view store answers");
    for batch in events.chunks(batch) {
        for event in batch {
            let applied = writer.apply(event).expect("the view store answers");
            assert_eq!(applied, Applied::Taken);
            positions.insert(event.source, event.sequence);
        }
        writer.commit(&positions).expect("the view store answers");
    }
    writer.finish().expect("the view store answers");
    begun.elapsed()
}

/// Opens empty views on a log with a history, and says how long it takes until they show all of it.
fn rebuild(system: &SystemRunner, history: &History) -> Duration {
    let folder = folder();
    system.block_on(async {
        let begun = Instant::now();
        let log = Arc::<EmbeddedLog>::clone(&history.log);
        let (views, _) = support::views::start(folder.path(), log);
        views.settled(Duration::from_secs(60)).await;
        for view in views.all() {
            let reached = view
                .wait_until(&history.end(), Duration::from_secs(60))
                .await;
            reached.expect("the view takes in everything");
        }
        let took = begun.elapsed();
        views.stop().await;
        took
    })
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5));
    targets = projection
}
criterion_main!(benches);
