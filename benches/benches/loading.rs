//! What it costs to bring a customer into memory: from its row, and by replay of 10, 100 and 1,000
//! events, whole or behind a snapshot that is half an interval old, which is the mean.
//!
//! Each read is one query that a shard makes: of one customer, and of a hundred at once, as a shard
//! takes what has gathered.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot go on ends with a message"
)]

mod support {
    pub mod allocator;
    pub mod folder;
    pub mod histories;
}

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use support::histories::{Histories, SNAPSHOT_EVERY};
use tokio::runtime::Runtime;
use uuid::Uuid;

const EVENTS: [u64; 3] = [10, 100, 1_000];
/// Customers that are loaded at once.
const TOGETHER: usize = 100;

fn loading(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime can be started");
    let mut histories = runtime.block_on(Histories::open());
    let alone: Vec<_> = EVENTS
        .into_iter()
        .map(|events| (events, runtime.block_on(histories.customer(events))))
        .collect();
    let together: Vec<Uuid> = (0..TOGETHER)
        .map(|_| runtime.block_on(histories.customer(10)))
        .collect();
    // So that what is measured stands in the index, as all but the newest events do.
    runtime.block_on(histories.customer(2_000));

    let mut group = criterion.benchmark_group("loading");
    for (events, id) in alone {
        let ids = [id];
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new("row", events), |bencher| {
            bencher.iter(|| runtime.block_on(histories.by_row(&ids)));
        });
        group.bench_function(BenchmarkId::new("replay", events), |bencher| {
            bencher.iter(|| runtime.block_on(histories.by_replay(&ids, false)));
        });

        for every in SNAPSHOT_EVERY.into_iter().filter(|every| *every <= events) {
            runtime.block_on(histories.take_snapshot(id, events - every / 2));
            let name = format!("replay-with-snapshot-every-{every}");
            group.bench_function(BenchmarkId::new(name, events), |bencher| {
                bencher.iter(|| runtime.block_on(histories.by_replay(&ids, true)));
            });
        }
    }

    group.throughput(Throughput::Elements(u64::try_from(TOGETHER).unwrap_or(1)));
    group.bench_function("row/100-customers-of-10-events", |bencher| {
        bencher.iter(|| runtime.block_on(histories.by_row(&together)));
    });
    group.bench_function("replay/100-customers-of-10-events", |bencher| {
        bencher.iter(|| runtime.block_on(histories.by_replay(&together, false)));
    });
    group.finish();
    runtime.block_on(histories.close());
}

criterion_group!(benches, loading);
criterion_main!(benches);
