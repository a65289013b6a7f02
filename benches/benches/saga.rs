//! Completed create-order sagas per second through the gateway, by how many are in flight: from the command to the
//! approved order, three durable units each, without HTTP and without views.
//!
//! The callers run in the same process, on a thread of their own. The load generator measures the whole product.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on ends with a message")]

mod support {
    pub mod allocator;
    pub mod basket;
    pub mod folder;
    pub mod shop;
}

use std::time::{Duration, Instant};

use actix::System;
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use support::shop::Shop;

const CUSTOMERS: usize = 1_000;
/// In flight, and sagas per iteration: enough for the first and the last ones, with less company, not to count.
const LOADS: [(usize, u64); 3] = [(1, 100), (64, 2_000), (512, 8_000)];

fn saga(criterion: &mut Criterion) {
    let system = System::new();
    let mut group = criterion.benchmark_group("saga");
    group.sampling_mode(SamplingMode::Flat);
    for (customers, name) in [(CUSTOMERS, "create-order"), (1, "create-order-one-customer")] {
        let (shop, _log) = system.block_on(Shop::open(customers));
        for (in_flight, sagas) in LOADS {
            group.throughput(Throughput::Elements(sagas));
            group.bench_function(BenchmarkId::new(name, in_flight), |bencher| {
                bencher.iter_custom(|times| {
                    let begun = Instant::now();
                    system.block_on(shop.complete_sagas(times * sagas, in_flight));
                    begun.elapsed()
                });
            });
        }
        system.block_on(shop.close());
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5));
    targets = saga
}
criterion_main!(benches);
