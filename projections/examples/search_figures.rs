//! Measures the embedded search view: what feeding it costs, and how fast it answers.
//!
//! `cargo run --release -p projections --example search_figures -- [ORDERS]` (1,000,000 by
//! default). Orders are fed as a shop makes them at 10,000 a second with a commit each second:
//! every order is created and approved, the last 512 of each second are approved in the next one.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement may end at the first surprise"
)]

use std::fs;
use std::time::{Duration, Instant};

use domain::order::{OrderApproved, OrderCreated};
use domain::{CustomerId, Money, OrderEvent, OrderLine, OrderState, ShardId, Timestamp};
use projections::search::{SearchQuery, SearchReader, Sort, open_embedded};
use projections::shop::{Event, Payload};
use projections::{Applied, OrderDocument, ViewWriter};
use store::Positions;
use uuid::Uuid;

const PER_COMMIT: u64 = 10_000;
const LATE: u64 = 512;
const ADJECTIVES: [&str; 12] = [
    "Fresh", "Whole", "Organic", "Frozen", "Canned", "Sliced", "Smoked", "Sweet", "Salted", "Ripe",
    "Dried", "Roasted",
];
const GOODS: [&str; 24] = [
    "milk",
    "rolls",
    "yogurt",
    "sausage",
    "tomatoes",
    "berries",
    "bagels",
    "butter",
    "cheese",
    "coffee",
    "beef",
    "apples",
    "peaches",
    "pastries",
    "soda",
    "beans",
    "rice",
    "onions",
    "napkins",
    "chocolate",
    "waffles",
    "salmon",
    "cookies",
    "glasses",
];
const NAMES: [&str; 10] = [
    "Ada", "Grace", "Alan", "Edsger", "Barbara", "Tony", "Leslie", "Hector", "Ken", "Frances",
];

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.below(u64::try_from(from.len()).unwrap())).unwrap()]
    }
}

fn main() {
    let orders = std::env::args()
        .nth(1)
        .map_or(1_000_000, |orders| orders.parse().unwrap());

    let folder = std::env::temp_dir().join(format!("search-figures-{}", std::process::id()));
    let (mut writer, reader) = open_embedded(&folder).unwrap();
    feed(writer.as_mut(), orders);
    println!("on disk {} MB", folder_bytes(&folder) >> 20);

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    ask(&runtime, reader.as_ref());
    drop((writer, reader));
    let started = Instant::now();
    let (writer, reader) = open_embedded(&folder).unwrap();

    println!(
        "opened again in {:?}, RssAnon {} MB",
        started.elapsed(),
        anonymous_kilobytes() >> 10
    );

    ask(&runtime, reader.as_ref());
    drop((writer, reader));
    fs::remove_dir_all(&folder).unwrap();
}

fn feed(writer: &mut dyn ViewWriter<OrderDocument>, orders: u64) {
    let mut numbers = Numbers(1);
    let (mut peak, mut slowest, mut sequence) = (0, Duration::ZERO, 0);
    let source = ShardId::new(domain::ORDERS, 0);
    let (started, cpu) = (Instant::now(), cpu_time());
    let mut late: Vec<Uuid> = Vec::new();

    for number in 0..orders {
        let mut apply = |entity, version, change| {
            sequence += 1;
            let time = Timestamp::from_micros(
                1_700_000_000_000_000 + i64::try_from(number).unwrap() * 100,
            );
            let event = Event {
                source,
                sequence,
                entity,
                version,
                time,
                payload: Payload::Order(change),
            };
            assert_eq!(
                writer.apply(&event.encode().unwrap()).unwrap(),
                Applied::Taken
            );
        };
        let entity = id_of(number);
        apply(entity, 1, created(&mut numbers));
        let name = format!("{} {}", numbers.pick(&NAMES), numbers.below(100));
        let approved = |name| {
            OrderEvent::Approved(OrderApproved {
                customer_name: Some(name),
                customer_version: None,
            })
        };
        if number % PER_COMMIT >= PER_COMMIT - LATE {
            late.push(entity);
        } else {
            apply(entity, 2, approved(name));
            if let Some(entity) = late.pop() {
                apply(entity, 2, approved("Late Comer".to_owned()));
            }
        }
        if (number + 1) % PER_COMMIT == 0 || number + 1 == orders {
            let commit = Instant::now();
            writer
                .commit(&Positions::from([(source, sequence)]))
                .unwrap();
            slowest = slowest.max(commit.elapsed());
            peak = peak.max(anonymous_kilobytes());
        }
    }

    let used = cpu_time() - cpu;

    let per_order = used.as_secs_f64() * 1e6 / f64::from(u32::try_from(orders).unwrap());
    println!(
        "fed {orders} orders in {:?}: {per_order:.1} µs of CPU each, slowest commit {slowest:?}, RssAnon at most {} MB",
        started.elapsed(),
        peak >> 10
    );
}

/// Half of the ids in the order of time (version 7), half anywhere (version 8).
fn id_of(number: u64) -> Uuid {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    if number.is_multiple_of(2) {
        let milliseconds = 1_700_000_000_000 + number / 10;
        Uuid::from_u64_pair(
            (milliseconds << 16) | 0x7000 | (mixed & 0xfff),
            mixed | (1 << 63),
        )
    } else {
        Uuid::from_u64_pair(mixed, mixed.rotate_left(21) | (1 << 63))
    }
}

fn created(numbers: &mut Numbers) -> OrderEvent {
    let mut lines = Vec::new();

    for _ in 0..=numbers.below(3) {
        let name = format!("{} {}", numbers.pick(&ADJECTIVES), numbers.pick(&GOODS));
        let unit_price = Money::from_cents(125);
        lines.push(OrderLine {
            sku: format!("AB-{:05}", numbers.below(20_000)),
            name,
            quantity: 2,
            unit_price,
        });
    }

    OrderEvent::Created(OrderCreated {
        customer_id: CustomerId(Uuid::from_u128(u128::from(numbers.below(1_000)))),
        order_total: Money::from_cents(i64::try_from(numbers.below(50_000)).unwrap()),
        lines,
        note: (numbers.below(10) == 0).then(|| "please ring twice, the dog is deaf".to_owned()),
        coordination: domain::Coordination::default(),
    })
}

fn ask(runtime: &tokio::runtime::Runtime, reader: &dyn SearchReader) {
    let text = |text: &str| SearchQuery {
        text: Some(text.to_owned()),
        ..SearchQuery::default()
    };

    let sorted = |text: Option<&str>, sort| SearchQuery {
        text: text.map(str::to_owned),
        sort: Some(sort),
        ..SearchQuery::default()
    };

    let customer = Some(CustomerId(Uuid::from_u128(7)));

    let queries = [
        ("word, frequent", text("bagels")),
        ("word, in a tenth", text("dog")),
        ("word, rare", text("00042")),
        ("two words", text("fresh bagels")),
        ("four words", text("fresh bagels milk ada")),
        ("prefix, short", text("b*")),
        ("prefix, long", text("bage*")),
        ("phrase", text("\"fresh bagels\"")),
        ("sku", text("AB-00042")),
        ("sku, prefix", text("AB-0004*")),
        ("sku, short prefix", text("AB-0*")),
        ("word, newest", sorted(Some("bagels"), Sort::Newest)),
        ("word, total", sorted(Some("bagels"), Sort::Total)),
        (
            "word, state",
            SearchQuery {
                state: Some(OrderState::Approved),
                ..text("bagels")
            },
        ),
        ("newest", sorted(None, Sort::Newest)),
        (
            "newest of a customer",
            SearchQuery {
                customer_id: customer,
                ..sorted(None, Sort::Newest)
            },
        ),
        (
            "newest approved",
            SearchQuery {
                state: Some(OrderState::Approved),
                ..sorted(None, Sort::Newest)
            },
        ),
        ("total", sorted(None, Sort::Total)),
        (
            "total of at least",
            SearchQuery {
                min_total: Some(Money::from_cents(49_000)),
                ..sorted(None, Sort::Total)
            },
        ),
        (
            "newest, 200",
            SearchQuery {
                limit: 200,
                ..sorted(None, Sort::Newest)
            },
        ),
    ];

    println!("{:<22} {:>9} {:>10} {:>10}", "query", "total", "p50", "p99");

    for (name, query) in queries {
        let mut times = Vec::new();
        let mut total = 0;
        let begun = Instant::now();
        while times.len() < 500 && begun.elapsed() < Duration::from_secs(3) {
            let started = Instant::now();
            total = runtime
                .block_on(reader.search(query.clone()))
                .unwrap()
                .total;
            times.push(started.elapsed());
        }
        times.sort_unstable();
        println!(
            "{name:<22} {total:>9} {:>10.2?} {:>10.2?}",
            times[times.len() / 2],
            times[times.len() * 99 / 100]
        );
    }
}

fn anonymous_kilobytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// Of all threads, user and system.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat
        .split_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

fn folder_bytes(folder: &std::path::Path) -> u64 {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum()
}
