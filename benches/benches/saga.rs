//! Completed create-order sagas per second through the gateway, by how many are in flight: from the
//! command to the approved order, three durable units each, without HTTP and without views.
//!
//! The callers run in the same process, on a thread of their own. The load generator measures the
//! whole product.
//!
//! Printed at the end: the memory of a customer's actor that lives in a running node.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot go on ends with a message"
)]

mod support {
    pub mod allocator;
    pub mod basket;
    pub mod folder;
    pub mod memory;
    pub mod shop;
}

use std::time::{Duration, Instant};

use actix::System;
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group};
use support::memory;
use support::shop::Shop;

const CUSTOMERS: usize = 1_000;
/// Customers whose memory is measured: with those before them, fewer than may stay in memory.
const MORE_CUSTOMERS: usize = 60_000;
/// In flight, and sagas per iteration: enough for the first and the last ones, with less company,
/// not to count.
const LOADS: [(usize, u64); 3] = [(1, 100), (64, 2_000), (512, 8_000)];

fn saga(criterion: &mut Criterion) {
    let system = System::new();
    let mut group = criterion.benchmark_group("saga");
    group.sampling_mode(SamplingMode::Flat);

    for (customers, name) in [
        (CUSTOMERS, "create-order"),
        (1, "create-order-one-customer"),
    ] {
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

/// What one more customer in memory costs a running node: the actor, its place in its shard's
/// directory, and its share of all that grows with them. In words.
fn memory_of_living_actors() -> String {
    let system = System::new();
    system.block_on(async {
        // Caches, queues and the allocator get what they need before what is counted begins.
        let (mut shop, _log) = Shop::open(MORE_CUSTOMERS / 4).await;
        let before = memory::anonymous_bytes();
        let begun = Instant::now();
        shop.add_customers(MORE_CUSTOMERS).await;
        let took = begun.elapsed();
        let after = memory::anonymous_bytes();
        shop.close().await;

        let Some((before, after)) = before.zip(after) else {
            return "saga/live-actor: not measured, this system has no /proc".to_owned();
        };
        let customers = u64::try_from(MORE_CUSTOMERS).unwrap_or(u64::MAX);
        let bytes = after.saturating_sub(before) / customers;
        format!(
            "saga/live-actor: {bytes} bytes per live customer \
             ({MORE_CUSTOMERS} customers, created in {took:.2?})"
        )
    })
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5));
    targets = saga
}

fn main() {
    // Before the benchmarks, whose freed memory would be taken again unseen.
    let memory = memory_of_living_actors();
    benches();
    Criterion::default().configure_from_args().final_summary();
    println!("{memory}");
}
