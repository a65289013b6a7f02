use super::*;
use crate::views::options::CustomerWrites;

#[test]
fn an_order_is_new_in_the_batch_that_creates_it_and_known_in_the_one_that_approves_it() {
    let mut orders = Orders::default();
    let events: Vec<Event> = Shop::new(1, 3, 40, 8).collect();
    let (mut new, mut known, mut approved) = (0, 0, 0);

    for batch in events.chunks(10) {
        let changed = orders.after(batch);
        known += changed.known.len();
        new += changed
            .orders
            .iter()
            .filter(|order| !changed.known.contains(&order.order_id.0))
            .count();
        approved += changed
            .orders
            .iter()
            .filter(|order| order.version == 2)
            .count();
    }

    assert_eq!((new, approved), (40, 40));

    assert!(
        known > 0,
        "batches are larger than the way from creation to approval"
    );

    assert!(orders.under_way.is_empty());
}

/// View and floor of a backend write the same few documents.
fn is_measured(backend: Backend, customer_writes: CustomerWrites) {
    let place = PlaceOptions {
        folder: std::env::temp_dir(),
        mongodb_url: std::env::var("COUNTERFOIL_TEST_MONGODB_URL").ok(),
        elasticsearch_url: std::env::var("COUNTERFOIL_TEST_ELASTICSEARCH_URL").ok(),
    };

    let asked = Throughput {
        backend,
        orders: 300,
        customers: 7,
        batch: 100,
        under_way: 16,
        customer_writes,
        seed: 1,
    };

    let report = measure(&Runtime::new().unwrap(), &place, &asked).unwrap();
    // Each order is created, reserves credit and is approved; each customer is created.
    assert_eq!((report.events, report.commits), (907, 10));
    assert!(report.documents >= 300, "{report:?}");
}

#[test]
fn embedded_views_and_their_floors_are_measured() {
    is_measured(Backend::Sqlite, CustomerWrites::Whole);
    is_measured(Backend::Tantivy, CustomerWrites::Whole);
}

#[test]
#[ignore = "needs MongoDB: COUNTERFOIL_TEST_MONGODB_URL"]
fn mongodb_and_its_floors_are_measured() {
    is_measured(Backend::Mongodb, CustomerWrites::Whole);
    is_measured(Backend::Mongodb, CustomerWrites::Changes);
}

#[test]
#[ignore = "needs Elasticsearch: COUNTERFOIL_TEST_ELASTICSEARCH_URL"]
fn elasticsearch_and_its_floor_are_measured() {
    is_measured(Backend::Elasticsearch, CustomerWrites::Whole);
}
