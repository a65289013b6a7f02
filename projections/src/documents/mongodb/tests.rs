//! What is MongoDB's alone: what people see of the collections, commits in several steps, and how
//! many orders a customer's document holds.

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
mod no_server;
mod plans;

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
    // There is no room yet for all of them, so they are counted: the document has its hundred after
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
