//! What an actor costs: a question and its answer, an activation, and the memory of one that lives.
//!
//! The actors of the product are its own business, so this one is made like them: a `Context` with
//! a mailbox of four, a customer of the domain as its state, decisions behind `catch_unwind`, asked
//! one thing at a time. This measures actix and a decision, without the shard, its journal and its
//! database; the `saga` benchmark has those.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot go on ends with a message"
)]

mod support {
    pub mod allocator;
    pub mod memory;
}

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use actix::{Actor, Addr, Arbiter, Context, Handler, Message, System};
use criterion::{Criterion, Throughput, criterion_group};
use domain::customer::CustomerCreated;
use domain::{Customer, CustomerEvent, CustomerId, Money, OrderId, Timestamp};
use futures_util::future::join_all;
use support::memory;
use uuid::Uuid;

/// The number of actors asked at once, in the benchmarks with many.
const AT_ONCE: usize = 64;
/// The number of actors activated in one go.
const ACTIVATED: usize = 1_000;
/// The number of actors alive while their memory is measured.
const LIVING: usize = 100_000;

struct CustomerActor {
    customer: Customer,
}

impl CustomerActor {
    fn new() -> Self {
        let created = CustomerCreated {
            name: "Ada Park".to_owned(),
            credit_limit: Money::from_cents(1_000_000),
        };
        CustomerActor {
            customer: Customer::created(CustomerId(Uuid::now_v7()), &created, Timestamp::default()),
        }
    }
}

impl Actor for CustomerActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(4);
    }
}

#[derive(Message)]
#[rtype(result = "Option<CustomerEvent>")]
struct Reserve(OrderId);

impl Handler<Reserve> for CustomerActor {
    type Result = Option<CustomerEvent>;

    fn handle(&mut self, message: Reserve, _context: &mut Self::Context) -> Self::Result {
        // The state stays as it is: every question finds the same credit.
        let decided = catch_unwind(AssertUnwindSafe(|| {
            self.customer.reserve(message.0, Money::from_cents(1), None)
        }));
        decided
            .expect("the decision does not panic")
            .expect("the limit is high")
    }
}

async fn ask(actor: &Addr<CustomerActor>, order: OrderId) {
    let event = actor.send(Reserve(order)).await.expect("the actor lives");
    assert!(event.is_some());
}

fn messages(criterion: &mut Criterion) {
    let order = OrderId(Uuid::now_v7());
    let system = System::new();
    let arbiter = Arbiter::new();
    let near = || system.block_on(async { CustomerActor::new().start() });
    let far = || CustomerActor::start_in_arbiter(&arbiter.handle(), |_| CustomerActor::new());
    let mut group = criterion.benchmark_group("actor_message");
    group.throughput(Throughput::Elements(1));

    for (name, actor) in [("same-arbiter", near()), ("across-arbiters", far())] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                system.block_on(async {
                    let begun = Instant::now();
                    for _ in 0..times {
                        ask(&actor, order).await;
                    }
                    begun.elapsed()
                })
            });
        });
    }

    group.throughput(Throughput::Elements(u64::try_from(AT_ONCE).unwrap_or(0)));
    let all_near: Vec<_> = (0..AT_ONCE).map(|_| near()).collect();
    let all_far: Vec<_> = (0..AT_ONCE).map(|_| far()).collect();

    for (name, actors) in [
        ("same-arbiter-64-at-once", all_near),
        ("across-arbiters-64-at-once", all_far),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                system.block_on(async {
                    let begun = Instant::now();
                    for _ in 0..times {
                        join_all(actors.iter().map(|actor| ask(actor, order))).await;
                    }
                    begun.elapsed()
                })
            });
        });
    }

    group.finish();
    arbiter.stop();
}

/// Starts actors and asks each once: only an actor that answers has really started.
async fn activate(count: usize) -> Vec<Addr<CustomerActor>> {
    let order = OrderId(Uuid::now_v7());
    let mut actors = Vec::with_capacity(count);
    for _ in 0..count {
        let actor = CustomerActor::new().start();
        ask(&actor, order).await;
        actors.push(actor);
    }
    actors
}

fn activation(criterion: &mut Criterion) {
    let system = System::new();
    let mut group = criterion.benchmark_group("actor_activation");
    group.throughput(Throughput::Elements(u64::try_from(ACTIVATED).unwrap_or(0)));

    group.bench_function("start-ask-stop", |bencher| {
        bencher.iter_custom(|times| {
            system.block_on(async {
                let begun = Instant::now();
                for _ in 0..times {
                    // An actor stops when its last address is gone.
                    drop(activate(ACTIVATED).await);
                    tokio::task::yield_now().await;
                }
                begun.elapsed()
            })
        });
    });

    group.finish();
}

/// The memory of actors that live, as the system sees it, in words. No time, hence no benchmark of
/// Criterion's.
fn memory_of_living_actors() -> String {
    let system = System::new();
    system.block_on(async {
        // The runtime and the allocator get what they need once before what is counted begins.
        drop(activate(ACTIVATED).await);

        let Some(before) = memory::anonymous_bytes() else {
            return "actor_memory: not measured, this system has no /proc".to_owned();
        };

        let begun = Instant::now();
        let actors = activate(LIVING).await;
        let took = begun.elapsed();
        let after = memory::anonymous_bytes().unwrap_or(before);

        let bytes = after.saturating_sub(before) / u64::try_from(LIVING).unwrap_or(u64::MAX);
        format!(
            "actor_memory: {bytes} bytes per live actor, of which {} are the customer \
             ({} actors, started in {took:.2?})",
            size_of::<Customer>(),
            actors.len(),
        )
    })
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = messages, activation
}

fn main() {
    // Before the benchmarks, whose freed memory would be taken again unseen.
    let memory = memory_of_living_actors();
    benches();
    Criterion::default().configure_from_args().final_summary();
    println!("{memory}");
}
