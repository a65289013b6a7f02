//! Messages per second through the embedded log, from a unit that is submitted to a subscriber that
//! has its messages, and from the outbox table to a reader that catches up.
//!
//! The first includes the durable commit, without which nothing leaves; `journal_commit` tells how
//! much of it that is. What a receiver does with a message is not in it.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot go on ends with a message"
)]

mod support {
    pub mod allocator;
    pub mod basket;
    pub mod folder;
    pub mod gate;
    pub mod units;
}

use std::time::{Duration, Instant};

use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use domain::ShardId;
use store::log::embedded::EmbeddedLog;
use store::{Destination, Log, Subscription};
use support::gate::commit_at_once;
use support::units::{OrdersStore, SHARDS};
use tokio::runtime::Runtime;

/// Units per commit: what gathers on a busy node.
const UNITS: usize = 100;
/// Units in the outbox that is caught up on; each has an event and a command.
const BACKLOG: usize = 20_000;
/// What a shard, and a projector, read at once.
const PAGES: [usize; 2] = [500, 1_000];

fn outbox_to_inbox(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime can be started");
    let (mut store, log) = runtime.block_on(OrdersStore::open());
    let mut group = criterion.benchmark_group("outbox_to_inbox");
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(elements(2 * UNITS)));

    group.bench_function("live", |bencher| {
        let mut events = log.subscribe(Destination::Events);
        let mut commands = log.subscribe(Destination::Shard(store.customer_shard()));
        bencher.iter_custom(|times| {
            let mut took = Duration::ZERO;
            for _ in 0..times {
                took += commit_at_once(&mut store, UNITS);
                let begun = Instant::now();
                runtime.block_on(async {
                    receive(&mut events, UNITS).await;
                    receive(&mut commands, UNITS).await;
                });
                took += begun.elapsed();
            }
            took
        });
    });

    for _ in 0..BACKLOG / 500 {
        commit_at_once(&mut store, 500);
    }

    let commands = Destination::Shard(store.customer_shard());
    catch_up(&mut group, &runtime, &log, commands);
    group.finish();
    runtime.block_on(store.close());
}

/// Receives this many messages, in whatever batches they come.
async fn receive(subscription: &mut Subscription, mut count: usize) {
    while count > 0 {
        let delivery = subscription.deliveries.recv().await.expect("the log runs");
        count = count
            .checked_sub(delivery.len())
            .expect("no message comes twice");
    }
}

fn catch_up(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    runtime: &Runtime,
    log: &EmbeddedLog,
    commands: Destination,
) {
    for (name, destination) in [
        ("catch-up-events", Destination::Events),
        ("catch-up-commands", commands),
    ] {
        let messages = runtime.block_on(read_all(log, destination, 1_000));
        group.throughput(Throughput::Elements(elements(messages)));

        for page in PAGES {
            group.bench_function(BenchmarkId::new(name, page), |bencher| {
                bencher.iter(|| runtime.block_on(read_all(log, destination, page)));
            });
        }
    }
}

/// Reads every shard's outbox from its beginning, page by page; says how many messages there were.
async fn read_all(log: &EmbeddedLog, destination: Destination, page: usize) -> usize {
    let mut count = 0;

    for number in 0..SHARDS {
        let shard = ShardId::new(domain::ORDERS, number);
        let mut position = 0;
        loop {
            let messages = log
                .read(shard, destination, position, page)
                .await
                .expect("the outbox can be read");
            count += messages.len();
            match messages.last() {
                Some(last) => position = last.sequence,
                None => break,
            }
        }
    }

    count
}

fn elements(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = outbox_to_inbox
}
criterion_main!(benches);
