//! Queries per second, each as the API asks it, one caller after the other; without HTTP.

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
use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use domain::{CustomerId, Money, OrderId, OrderState};
use projections::documents::{CustomerOrdersQuery, CustomersQuery};
use projections::search::{SearchQuery, Sort};
use projections::views::AnyView as _;
use projections::{ConsistencyToken, ShopViews};
use store::log::embedded::EmbeddedLog;
use support::folder::folder;
use support::views::History;

const WAIT: Duration = Duration::from_secs(60);
/// The default of `limit`.
const PAGE: u16 = 20;

fn query(criterion: &mut Criterion) {
    let system = System::new();
    let history = History::write(&system);
    let folder = folder();

    let (views, shop) = system.block_on(async {
        let log = Arc::<EmbeddedLog>::clone(&history.log);
        let (views, shop) = support::views::start(folder.path(), log);
        views.settled(WAIT).await;
        for view in views.all() {
            view.wait_until(&history.end(), WAIT)
                .await
                .expect("the view takes in everything");
        }
        (views, shop)
    });

    let mut group = criterion.benchmark_group("query");
    group.throughput(Throughput::Elements(1));
    by_id(&mut group, &system, &shop, &history);
    lists(&mut group, &system, &shop, &history);
    searches(&mut group, &system, &shop, &history);
    group.finish();
    system.block_on(views.stop());
    history.close(&system);
}

fn by_id(
    group: &mut BenchmarkGroup<'_, WallTime>,
    system: &SystemRunner,
    views: &ShopViews,
    history: &History,
) {
    let documents = views.documents.current().expect("the view answers");

    let documents = documents.reader();
    one_after_the_other(group, system, "customer", customers(history), async |id| {
        let customer = documents.customer(id, 100).await.expect("the view answers");
        assert!(customer.value.is_some());
    });

    one_after_the_other(group, system, "order", orders(history), async |id| {
        let order = documents.order(id).await.expect("the view answers");
        assert!(order.value.is_some());
    });

    one_after_the_other(
        group,
        system,
        "order-with-token",
        orders(history),
        async |id| {
            let token = ConsistencyToken::of(domain::ORDERS, id.0, 2);
            views
                .documents
                .wait_until(&token, WAIT)
                .await
                .expect("the view has reached it");
            let order = documents.order(id).await.expect("the view answers");
            assert!(order.value.is_some());
        },
    );
}

fn lists(
    group: &mut BenchmarkGroup<'_, WallTime>,
    system: &SystemRunner,
    views: &ShopViews,
    history: &History,
) {
    let documents = views.documents.current().expect("the view answers");
    let documents = documents.reader();

    one_after_the_other(
        group,
        system,
        "customer-orders",
        customers(history),
        async |id| {
            let query = CustomerOrdersQuery {
                limit: PAGE,
                ..CustomerOrdersQuery::default()
            };
            let orders = documents
                .customer_orders(id, query)
                .await
                .expect("the view answers");
            assert!(orders.value.is_some());
        },
    );

    let newest = CustomersQuery {
        limit: PAGE,
        ..CustomersQuery::default()
    };

    let named = CustomersQuery {
        name: Some("customer 7".to_owned()),
        ..newest.clone()
    };

    let valuable = CustomersQuery {
        min_order_total: Some(Money::from_cents(1_000)),
        order_state: Some(OrderState::Approved),
        ..newest.clone()
    };

    for (name, query) in [
        ("customers", newest),
        ("customers-by-name", named),
        ("customers-by-order", valuable),
    ] {
        one_after_the_other(group, system, name, std::iter::repeat(()), async |()| {
            let customers = documents
                .customers(query.clone())
                .await
                .expect("the view answers");
            assert!(!customers.value.items.is_empty());
        });
    }

    one_after_the_other(
        group,
        system,
        "customers-count",
        std::iter::repeat(()),
        async |()| {
            documents.count_customers().await.expect("the view answers");
        },
    );
}

fn searches(
    group: &mut BenchmarkGroup<'_, WallTime>,
    system: &SystemRunner,
    views: &ShopViews,
    history: &History,
) {
    let search = views.search.current().expect("the view answers");
    let search = search.reader();

    let text = |text: &str| SearchQuery {
        text: Some(text.to_owned()),
        ..SearchQuery::default()
    };

    for (name, query) in [
        ("search-newest", SearchQuery::default()),
        ("search-one-customer", text("\"customer 7\"")),
        ("search-words-of-all", text("yogurt bananas")),
        ("search-prefix-of-all", text("yog*")),
        (
            "search-largest-total",
            SearchQuery {
                sort: Some(Sort::Total),
                ..text("yogurt")
            },
        ),
    ] {
        one_after_the_other(group, system, name, std::iter::repeat(()), async |()| {
            let found = search
                .search(query.clone())
                .await
                .expect("the view answers");
            assert!(!found.hits.is_empty());
        });
    }

    one_after_the_other(
        group,
        system,
        "search-with-token",
        orders(history),
        async |id| {
            let token = ConsistencyToken::of(domain::ORDERS, id.0, 2);
            views
                .search
                .wait_until(&token, WAIT)
                .await
                .expect("the view has reached it");
            let found = search
                .search(text("\"customer 7\""))
                .await
                .expect("the view answers");
            assert!(!found.hits.is_empty());
        },
    );
}

/// Asks one question after the other, each of the next in turn.
fn one_after_the_other<T>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    system: &SystemRunner,
    name: &str,
    mut of: impl Iterator<Item = T>,
    ask: impl AsyncFn(T),
) {
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|times| {
            system.block_on(async {
                let begun = Instant::now();
                for _ in 0..times {
                    ask(of.next().expect("the shop is not empty")).await;
                }
                begun.elapsed()
            })
        });
    });
}

fn customers(history: &History) -> impl Iterator<Item = CustomerId> + '_ {
    let customers = history.messages.iter();
    let customers = customers.filter(|message| message.source.service == domain::CUSTOMERS);
    customers.map(|message| CustomerId(message.entity)).cycle()
}

fn orders(history: &History) -> impl Iterator<Item = OrderId> + '_ {
    history
        .orders()
        .map(|message| OrderId(message.entity))
        .cycle()
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = query
}
criterion_main!(benches);
