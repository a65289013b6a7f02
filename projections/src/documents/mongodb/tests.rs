//! What is MongoDB's alone: the plans of the queries, what people see of the collections, servers
//! that are not there.

use std::time::Instant;

use domain::{CustomerId, Money, OrderId, OrderState, ShardId, Timestamp};
use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use super::queries::Find;
use super::room::{SHOWN, SPARE};
use super::testing::TestDatabase;
use super::*;
use crate::ViewError;
use crate::documents::cursor::Place;
use crate::documents::{CustomersQuery, DocumentReader};
use crate::generations::{Catalog, ViewStore};
use crate::port::{VersionReader, ViewWriter};
use crate::shop::{CustomerDocument, Document as Whole, OrderDocument};
use crate::testing::{DEPLOYMENT, Shop};

mod damage;

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

fn documents() -> [Whole; 2] {
    let (customer_id, total) = (CustomerId(Uuid::from_u128(1)), Money::from_cents(1_234));
    let time = Timestamp::from_micros(1_700_000_000_123_456);

    let customer = CustomerDocument {
        customer_id,
        name: "Ada Park".to_owned(),
        credit_limit: Money::from_cents(5_000),
        available_credit: Money::from_cents(3_766),
        creation_time: time,
        version: 2,
    };

    let order = OrderDocument {
        order_id: OrderId(Uuid::from_u128(10)),
        customer_id,
        customer_name: Some("Ada Park".to_owned()),
        order_total: total,
        state: OrderState::Approved,
        rejection_reason: None,
        lines: Vec::new(),
        note: None,
        creation_time: time,
        version: 2,
    };
    [Whole::Customer(customer), Whole::Order(order)]
}

async fn explain(database: &TestDatabase, command: Document) -> String {
    let explained = doc! {"explain": command, "verbosity": "executionStats"};
    let answer = database
        .connection
        .database
        .run_command(explained)
        .await
        .unwrap();
    let text = answer.to_string();
    assert!(!text.contains("COLLSCAN"), "{text}");
    text
}

fn find(collection: &str, find: Find) -> Document {
    let Find {
        filter,
        sort,
        projection,
        hint,
        limit,
    } = find;
    doc! {
        "find": collection, "filter": filter, "sort": sort, "projection": projection, "hint": hint, "limit": limit,
    }
}

/// What a stage of a plan looks like.
fn stage(name: &str) -> String {
    format!("\"stage\": \"{name}\"")
}

#[test]
#[ignore = "needs MongoDB: COUNTERFOIL_TEST_MONGODB_URL"]
fn mongodb_every_query_walks_an_index_and_sorts_nothing() {
    let runtime = runtime();
    let database = TestDatabase::new(runtime.handle());
    let names = Names::of(1);

    let mut opened = runtime
        .block_on(database.store().open(1, DEPLOYMENT))
        .unwrap();
    for document in documents() {
        opened.writer.put(&document).unwrap();
    }

    opened
        .writer
        .commit(&store::Positions::from([(
            ShardId::new(domain::ORDERS, 0),
            1,
        )]))
        .unwrap();

    runtime.block_on(async {
        let after = Some(Place {
            created_at: i64::MAX,
            id: Uuid::max(),
        });
        let plain = CustomersQuery {
            limit: 20,
            ..CustomersQuery::default()
        };
        let named = CustomersQuery {
            name: Some("ada p.".to_owned()),
            ..plain.clone()
        };
        let recent = CustomersQuery {
            since: Some(Timestamp::from_micros(5)),
            ..plain.clone()
        };
        for query in [&plain, &named, &recent] {
            for after in [None, after] {
                let text = explain(
                    &database,
                    find(&names.customers, queries::customers(query, after)),
                )
                .await;
                assert!(
                    text.contains(&stage("IXSCAN")) && !text.contains(&stage("SORT")),
                    "{text}"
                );
            }
        }
        for (state, min_order_total, candidates) in [
            (Some(OrderState::Approved), None, Some(queries::FEW)),
            (Some(OrderState::Approved), None, None),
            (None, Some(Money::from_cents(5)), None),
            (
                Some(OrderState::Approved),
                Some(Money::from_cents(5)),
                Some(queries::FEW),
            ),
            (Some(OrderState::Approved), Some(Money::from_cents(5)), None),
        ] {
            let query = CustomersQuery {
                order_state: state,
                min_order_total,
                ..recent.clone()
            };
            let command = doc! {
                "aggregate": &names.customers,
                "pipeline": queries::customers_with_order(&names, &query, after, candidates),
                "cursor": {},
                "hint": indexes::NEWEST_CUSTOMERS,
            };
            let text = explain(&database, command).await;
            assert!(
                text.contains(&stage("IXSCAN")) && !text.contains(&stage("SORT")),
                "{text}"
            );
            let by_state =
                min_order_total.is_none() && text.contains(r#""indexesUsed": ["newest"]"#);
            assert!(
                by_state || text.contains(r#""indexesUsed": ["largest"]"#),
                "{text}"
            );
            assert!(!text.contains(r#""collectionScans": 1"#), "{text}");
        }
        for min_order_total in [None, Some(Money::from_cents(100))] {
            let query = CustomersQuery {
                order_state: Some(OrderState::Rejected),
                min_order_total,
                ..recent.clone()
            };
            let command = doc! {
                "aggregate": &names.orders,
                "pipeline": queries::orders_in_state(&query).unwrap(),
                "cursor": {},
                "hint": indexes::ORDERS_IN_STATE,
            };
            let text = explain(&database, command).await;
            assert!(
                text.contains(&stage("IXSCAN")) && !text.contains(&stage("FETCH")),
                "{text}"
            );
            let command = doc! {
                "aggregate": &names.customers,
                "pipeline": queries::candidates(&query, after),
                "cursor": {},
                "hint": indexes::NEWEST_CUSTOMERS,
            };
            let text = explain(&database, command).await;
            assert!(
                text.contains(&stage("IXSCAN")) && !text.contains(&stage("FETCH")),
                "{text}"
            );
            let few = queries::customers_among(&query, after, vec!["a".to_owned(), "b".to_owned()]);
            assert!(
                explain(&database, find(&names.customers, few))
                    .await
                    .contains(&stage("IXSCAN"))
            );
        }
        for state in [None, Some(OrderState::Approved)] {
            for after in [None, after] {
                let newest = queries::orders_of(CustomerId(Uuid::from_u128(1)), state, after, 21);
                let text = explain(&database, find(&names.orders, newest)).await;
                assert!(
                    text.contains(&stage("IXSCAN")) && !text.contains(&stage("SORT")),
                    "{text}"
                );
                assert!(
                    state.is_some() || text.contains(&stage("SORT_MERGE")),
                    "{text}"
                );
            }
        }
        let mut count = queries::count(&names);
        count.remove("readConcern");
        count.remove("maxTimeMS");
        let text = explain(&database, count).await;
        assert!(text.contains(&stage("COUNT_SCAN")), "{text}");
        let by_id = doc! {"find": &names.orders, "filter": {"_id": {"$in": ["a", "b"]}}};
        assert!(explain(&database, by_id).await.contains(&stage("IXSCAN")));
        let range =
            doc! {"find": &names.orders, "filter": {"_id": {"$gt": "a"}}, "sort": {"_id": 1}};
        assert!(!explain(&database, range).await.contains(&stage("SORT")));
        explain(
            &database,
            doc! {"find": quarantine::COLLECTION, "filter": {"generation": 1}},
        )
        .await;
    });
}

#[test]
#[ignore = "needs MongoDB: COUNTERFOIL_TEST_MONGODB_URL"]
fn mongodb_people_find_the_answering_generation_by_its_name() {
    let runtime = runtime();
    let database = TestDatabase::new(runtime.handle());
    let store = database.store();

    let shown = |collection: &str| -> Vec<Document> {
        let collection = database
            .connection
            .database
            .collection::<Document>(collection);
        runtime.block_on(async {
            collection
                .find(doc! {})
                .await
                .unwrap()
                .try_collect()
                .await
                .unwrap()
        })
    };

    let mut opened = runtime.block_on(store.open(1, DEPLOYMENT)).unwrap();
    runtime.block_on(store.open(2, DEPLOYMENT)).unwrap();

    for document in documents() {
        opened.writer.put(&document).unwrap();
    }

    opened.writer.commit(&store::Positions::new()).unwrap();

    for (live, count) in [(Some(1), 1), (Some(2), 0), (Some(1), 1), (None, 0)] {
        runtime
            .block_on(store.save(&Catalog {
                live,
                ..Catalog::default()
            }))
            .unwrap();
        assert_eq!(
            (shown("customers").len(), shown("orders").len()),
            (count, count),
            "{live:?}"
        );
    }

    runtime
        .block_on(store.save(&Catalog {
            live: Some(1),
            ..Catalog::default()
        }))
        .unwrap();

    let customer = shown("customers").remove(0);
    assert_eq!(
        customer.get_str("_id").unwrap(),
        Uuid::from_u128(1).to_string()
    );

    assert_eq!(
        customer
            .get_document("creditLimit")
            .unwrap()
            .get_str("amount")
            .unwrap(),
        "50.00"
    );

    assert_eq!(
        customer
            .get_document("availableCredit")
            .unwrap()
            .get_str("amount")
            .unwrap(),
        "37.66"
    );

    let order = Uuid::from_u128(10).to_string();

    let embedded = customer
        .get_document("orders")
        .unwrap()
        .get_document(&order)
        .unwrap();
    assert_eq!(embedded.get_str("orderId").unwrap(), order);
    assert_eq!(embedded.get_str("state").unwrap(), "APPROVED");

    assert_eq!(
        embedded
            .get_document("orderTotal")
            .unwrap()
            .get_str("amount")
            .unwrap(),
        "12.34"
    );
}

#[test]
fn a_server_that_is_not_there_is_told_and_not_waited_for() {
    let runtime = runtime();
    // Nothing listens on this port, and the URL is read all the same.
    let url = "mongodb://127.0.0.1:1/shop?serverSelectionTimeoutMS=100";

    let store = runtime
        .block_on(MongoDocumentStore::new(
            url,
            "unused",
            runtime.handle().clone(),
        ))
        .unwrap();

    let begun = Instant::now();
    let error = runtime.block_on(store.open(1, DEPLOYMENT)).err().unwrap();
    assert!(matches!(error, ViewError::Unavailable { .. }), "{error}");

    let connection = runtime
        .block_on(connection::Connection::new(
            url,
            "unused",
            runtime.handle().clone(),
        ))
        .unwrap();
    assert_eq!(connection.database.name(), "shop");
    let reader = reader::MongoDocumentReader::new(connection, Names::of(1));
    let asked = [(domain::ORDERS, Uuid::nil())];

    assert!(
        runtime
            .block_on(reader.versions_of(&asked))
            .unwrap_err()
            .is_transient()
    );

    assert!(
        runtime
            .block_on(reader.count_customers())
            .unwrap_err()
            .is_transient()
    );

    assert!(begun.elapsed() < READ_BOUND);
}

/// A server that takes connections and never says a word, as one that is stopped.
#[test]
fn a_server_that_hangs_is_given_up() {
    let runtime = runtime();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();

    let url = format!(
        "mongodb://{}/?serverSelectionTimeoutMS=100000",
        listener.local_addr().unwrap()
    );

    let connection = runtime
        .block_on(connection::Connection::new(
            &url,
            "shop",
            runtime.handle().clone(),
        ))
        .unwrap();
    let database = connection.database.clone();

    let bound = std::time::Duration::from_millis(100);
    let asking = connection.run(
        bound,
        async move { positions::committed(&database, 1).await },
    );
    assert!(runtime.block_on(asking).unwrap_err().is_transient());
}

#[test]
fn a_url_that_is_none_is_refused_by_name() {
    let runtime = runtime();
    for (url, told) in [
        ("mongodb://", "host"),
        ("http://x", "scheme"),
        ("mongodb://h/?w=many&ssl=x", "ssl"),
    ] {
        let made = runtime.block_on(MongoDocumentStore::new(
            url,
            "shop",
            runtime.handle().clone(),
        ));
        let error = made.unwrap_err().to_string();
        assert!(error.to_lowercase().contains(told), "{url}: {error}");
    }
}

#[test]
#[ignore = "needs MongoDB: COUNTERFOIL_TEST_MONGODB_URL"]
fn mongodb_a_commit_that_ends_after_any_step_is_repeated_without_a_trace() {
    let runtime = runtime();
    let database = TestDatabase::new(runtime.handle());
    let mut shop = Shop::new();

    let batches = [
        [
            shop.create_customer(1, "Ada"),
            shop.create_order(10, 1, 500),
        ],
        [
            shop.advance(10, 1).unwrap(),
            shop.reserve(1, 10, 500).unwrap(),
        ],
    ];

    let names = Names::of(1);
    let reader = reader::MongoDocumentReader::new(database.connection.clone(), names.clone());
    let (order, customer) = (Uuid::from_u128(10), CustomerId(Uuid::from_u128(1)));
    let (mut before, mut positions) = (store::Positions::new(), store::Positions::new());

    for (batch, version) in batches.iter().zip(1..) {
        for message in batch {
            positions.insert(message.source, message.sequence);
        }
        for orders_too in [false, true] {
            let mut writer = writer::MongoDocumentWriter::new(
                database.connection.clone(),
                names.clone(),
                DEPLOYMENT,
            );
            assert_eq!(writer.positions().unwrap(), before);
            for message in batch {
                writer.apply(message).unwrap();
            }
            let mut commit = writer.begin().unwrap();
            runtime
                .block_on(commit.write_customers(&positions))
                .unwrap();
            if orders_too {
                runtime.block_on(commit.write_orders()).unwrap();
            }
            // Nothing of it need be durable yet; readers see what is.
            runtime.block_on(database.everything_durable());
            // The customer's document runs ahead of the version that readers wait for, and what it
            // shows is told.
            let reached = runtime
                .block_on(reader.versions_of(&[(domain::ORDERS, order)]))
                .unwrap();
            assert_eq!(reached, [if orders_too { version } else { version - 1 }]);
            let seen = runtime.block_on(reader.customer(customer, 100)).unwrap();
            assert_eq!(seen.value.unwrap().orders[0].version, version);
            assert_eq!(seen.positions, positions);
        }
        let mut writer = writer::MongoDocumentWriter::new(
            database.connection.clone(),
            names.clone(),
            DEPLOYMENT,
        );
        assert_eq!(writer.positions().unwrap(), before);
        for message in batch {
            writer.apply(message).unwrap();
        }
        writer.commit(&positions).unwrap();
        // The documents are there before the positions: read once more, their events change
        // nothing.
        assert_eq!(writer.positions().unwrap(), before);
        for message in batch {
            writer.apply(message).unwrap();
        }
        writer.commit(&positions).unwrap();
        writer.finish().unwrap();
        assert_eq!(writer.positions().unwrap(), positions);
        before = positions.clone();
        let seen = runtime
            .block_on(reader.customer(customer, 100))
            .unwrap()
            .value
            .unwrap();
        assert_eq!(
            (
                seen.customer.version,
                seen.orders.len(),
                seen.orders[0].version
            ),
            (version, 1, version)
        );
    }
}

#[test]
#[ignore = "needs MongoDB: COUNTERFOIL_TEST_MONGODB_URL"]
fn mongodb_a_customers_document_shows_its_newest_orders_and_holds_few_more() {
    let runtime = runtime();
    let database = TestDatabase::new(runtime.handle());
    let store = database.store();
    let mut opened = runtime.block_on(store.open(1, DEPLOYMENT)).unwrap();

    runtime
        .block_on(store.save(&Catalog {
            live: Some(1),
            ..Catalog::default()
        }))
        .unwrap();

    let [customer, order] = documents();
    let Whole::Order(order) = order else {
        panic!("the second one is an order")
    };

    opened.writer.put(&customer).unwrap();

    let mut put = |numbers: std::ops::Range<u128>| {
        for number in numbers {
            let creation_time = Timestamp::from_micros(i64::try_from(number).unwrap());
            let order = OrderDocument {
                order_id: OrderId(Uuid::from_u128(number)),
                creation_time,
                ..order.clone()
            };
            opened.writer.put(&Whole::Order(order)).unwrap();
        }
        opened.writer.commit(&store::Positions::new()).unwrap();
        runtime.block_on(orders_in(&database, &Names::of(1).customers))
    };

    let shown = || {
        let seen = runtime
            .block_on(opened.reader.customer(order.customer_id, 100))
            .unwrap()
            .value
            .unwrap();
        let newest_first: Vec<_> = seen
            .orders
            .iter()
            .map(|order| order.order_id.to_string())
            .collect();
        let mut to_people = runtime.block_on(orders_in(&database, "customers"));
        to_people.reverse();
        assert_eq!(newest_first, to_people);
        to_people.reverse();
        to_people
    };

    let ids = |numbers: std::ops::Range<u128>| -> Vec<_> {
        numbers
            .map(|number| Uuid::from_u128(number).to_string())
            .collect()
    };

    assert_eq!(put(10..100), ids(10..100));
    // There is no room yet for so many, so they are counted: the document has its hundred after
    // that.
    assert_eq!(put(100..130), ids(30..130));

    assert_eq!(put(130..140), ids(30..140));
    // Late ones, which were in the document before, are in it again, and not shown.
    assert_eq!(put(20..25), [ids(20..25), ids(30..140)].concat());

    assert_eq!(shown(), ids(40..140));
    // Now it is full.
    assert_eq!(put(140..155), ids(55..155));

    for number in 155..400 {
        let stored = put(number..number + 1);
        assert!(stored.ends_with(&ids(number - 99..number + 1)), "{number}");
        assert!(stored.len() <= SHOWN + SPARE, "{number}: {}", stored.len());
    }

    assert_eq!(shown(), ids(300..400));
    assert_eq!(put(400..700), ids(600..700));
}

/// The ids of the orders that the one customer in a collection has.
async fn orders_in(database: &TestDatabase, collection: &str) -> Vec<String> {
    let customers = database
        .connection
        .database
        .collection::<Document>(collection);

    let stored = customers.find_one(doc! {}).await.unwrap().unwrap();
    let mut orders: Vec<_> = stored
        .get_document("orders")
        .unwrap()
        .keys()
        .cloned()
        .collect();
    orders.sort();

    orders
}
