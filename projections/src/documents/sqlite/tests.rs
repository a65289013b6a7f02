//! The document store on its own: the queries of the public contract, and their plans.

use domain::{CustomerId, Money, OrderId, OrderState, Service, Timestamp};
use sea_orm::{ConnectionTrait, QueryTrait, Statement};
use store::{Destination, Log, Positions};
use tempfile::TempDir;
use uuid::Uuid;

use super::reader::queries::{self, NewestOrders};
use super::*;
use crate::documents::cursor::Place;
use crate::documents::{CustomerOrdersQuery, CustomersQuery, DocumentReader};
use crate::port::{Applied, Event, Payload, VersionReader, ViewWriter};
use crate::testing::Shop;
use domain::{CustomerEvent, OrderEvent};

struct Store {
    shop: Shop,
    writer: SqliteDocumentWriter,
    reader: SqliteDocumentReader,
    positions: Positions,
    _directory: TempDir,
}

fn decode(message: &store::Message) -> Event {
    let (name, version, body) = (&message.name, message.type_version, message.body.get());
    let payload = match message.source.service {
        Service::Customers => Payload::Customer(CustomerEvent::decode(name, version, body).unwrap()),
        Service::Orders => Payload::Order(OrderEvent::decode(name, version, body).unwrap()),
    };
    let store::Message { source, sequence, entity, version, time, .. } = *message;
    Event { source, sequence, entity, version, time, payload }
}

impl Store {
    async fn open() -> Self {
        let directory = TempDir::new().unwrap();
        let (writer, reader) = open(directory.path()).await.unwrap();
        Store { shop: Shop::new(), writer, reader, positions: Positions::new(), _directory: directory }
    }

    /// Applies all events of the shop that are not applied yet, in one commit.
    async fn project(&mut self) {
        for source in self.shop.log.sources() {
            let position = self.positions.get(&source).copied().unwrap_or(0);
            for message in self.shop.log.read(source, Destination::Events, position, usize::MAX).await.unwrap() {
                assert_eq!(self.writer.apply(&decode(&message)).unwrap(), Applied::Taken);
                self.positions.insert(source, message.sequence);
            }
        }
        self.writer.commit(&self.positions).unwrap();
    }

    async fn names(&self, query: CustomersQuery) -> Vec<String> {
        let page = self.reader.customers(CustomersQuery { limit: 20, ..query }).await.unwrap().value;
        page.items.into_iter().map(|customer| customer.name).collect()
    }
}

fn id(number: u128) -> CustomerId {
    CustomerId(Uuid::from_u128(number))
}

#[tokio::test]
async fn an_answer_tells_the_positions_of_its_own_snapshot() {
    let mut store = Store::open().await;
    assert!(store.reader.count_customers().await.unwrap().positions.is_empty());
    store.shop.create_customer(1, "Ada Park");
    store.project().await;
    let answer = store.reader.customer(id(1), 100).await.unwrap();
    assert_eq!(answer.positions, store.positions);
    assert_eq!(store.writer.positions().unwrap(), store.positions);
    assert!(store.reader.order(OrderId(Uuid::nil())).await.unwrap().value.is_none());
}

#[tokio::test]
async fn nothing_is_visible_before_the_commit_and_positions_drop_the_rest() {
    let mut store = Store::open().await;
    let message = store.shop.create_order(10, 1, 100);
    store.writer.apply(&decode(&message)).unwrap();
    assert!(store.reader.order(OrderId(message.entity)).await.unwrap().value.is_none());
    assert!(store.writer.positions().unwrap().is_empty());
    store.writer.commit(&Positions::new()).unwrap();
    assert!(store.reader.order(OrderId(message.entity)).await.unwrap().value.is_none());
}

#[tokio::test]
async fn repeats_and_holes_are_told_and_an_old_state_replaces_no_newer_one() {
    let mut store = Store::open().await;
    let events: Vec<_> = std::iter::once(store.shop.create_order(10, 1, 100))
        .chain((1..4).filter_map(|_| store.shop.advance(10, 1)))
        .map(|message| decode(&message))
        .collect();
    let writer = &mut store.writer;
    assert_eq!(writer.apply(&events[1]).unwrap(), Applied::Missing { from_version: 1 });
    assert_eq!(writer.apply(&events[0]).unwrap(), Applied::Taken);
    assert_eq!(writer.apply(&events[2]).unwrap(), Applied::Missing { from_version: 2 });
    for event in &events[1..] {
        assert_eq!(writer.apply(event).unwrap(), Applied::Taken);
        assert_eq!(writer.apply(event).unwrap(), Applied::Duplicate);
    }
    writer.commit(&Positions::new()).unwrap();
    // A writer that has forgotten everything takes the first event again; the table does not.
    writer.positions().unwrap();
    assert_eq!(writer.apply(&events[0]).unwrap(), Applied::Taken);
    writer.commit(&Positions::new()).unwrap();
    let shown = store.reader.order(OrderId(events[0].entity)).await.unwrap().value.unwrap();
    assert_eq!((shown.version, shown.state), (4, store.shop.orders[&events[0].entity].0.state));
    let asked = [(Service::Orders, events[0].entity), (Service::Customers, Uuid::nil())];
    assert_eq!(store.reader.versions_of(&asked).await.unwrap(), [4, 0]);
}

#[tokio::test]
async fn customers_are_found_by_what_is_asked_for() {
    let mut store = Store::open().await;
    for (number, name) in [(1, "Ada Park"), (2, "ÉMILE Zola"), (3, "Ada O'Neil 100%")] {
        store.shop.create_customer(number, name);
    }
    store.shop.create_order(10, 1, 5_000);
    store.shop.create_order(11, 1, 9_000);
    store.shop.advance(11, 0);
    store.shop.create_order(12, 2, 7_000);
    store.project().await;
    let named = |name: &str| CustomersQuery { name: Some(name.to_owned()), ..CustomersQuery::default() };
    for (name, count) in [("ada", 2), ("PARK ada", 1), ("émile", 1), ("100%", 1), ("%", 1), ("o'neil", 1), ("zz", 0)] {
        assert_eq!(store.names(named(name)).await.len(), count, "{name}");
    }
    let orders = |cents: Option<i64>, order_state| CustomersQuery {
        min_order_total: cents.map(Money::from_cents),
        order_state,
        ..CustomersQuery::default()
    };
    assert_eq!(store.names(orders(Some(9_000), None)).await, ["Ada Park"]);
    assert_eq!(store.names(orders(Some(7_000), None)).await.len(), 2);
    assert_eq!(store.names(orders(Some(9_001), None)).await.len(), 0);
    assert_eq!(store.names(orders(None, Some(OrderState::Rejected))).await, ["Ada Park"]);
    assert_eq!(store.names(orders(Some(6_000), Some(OrderState::Pending))).await, ["ÉMILE Zola"]);
    let newest = store.reader.customers(CustomersQuery { limit: 1, ..CustomersQuery::default() }).await.unwrap().value;
    let since = Some(newest.items[0].creation_time);
    assert!(store.names(CustomersQuery { since, ..CustomersQuery::default() }).await.is_empty());
    assert_eq!(store.reader.count_customers().await.unwrap().value, 3);
}

#[tokio::test]
async fn pages_lose_and_repeat_nothing_while_orders_are_added_and_changed() {
    let mut store = Store::open().await;
    store.shop.create_customer(1, "Ada");
    store.shop.create_customer(2, "Idle");
    for number in 10..60 {
        store.shop.create_order(number, 1, 100);
        store.shop.advance(number, u8::try_from(number % 3).unwrap());
    }
    store.project().await;
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let query = CustomerOrdersQuery { state: None, limit: 7, cursor };
        let page = store.reader.customer_orders(id(1), query).await.unwrap().value.unwrap();
        seen.extend(page.items.iter().map(|order| (order.creation_time, order.order_id)));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
        store.shop.advance(10 + u128::try_from(seen.len()).unwrap() % 50, 1);
        store.project().await;
    }
    assert_eq!(seen.len(), 50);
    assert!(seen.is_sorted_by(|newer, older| newer > older));
    let rejected = CustomerOrdersQuery { state: Some(OrderState::Rejected), limit: 200, cursor: None };
    let rejected = store.reader.customer_orders(id(1), rejected).await.unwrap().value.unwrap();
    assert!(!rejected.items.is_empty() && rejected.items.iter().all(|order| order.state == OrderState::Rejected));
    let all = CustomerOrdersQuery { limit: 5, ..CustomerOrdersQuery::default() };
    assert!(store.reader.customer_orders(id(2), all.clone()).await.unwrap().value.unwrap().items.is_empty());
    assert!(store.reader.customer_orders(id(3), all.clone()).await.unwrap().value.is_none());
    assert_eq!(store.reader.customer(id(1), 20).await.unwrap().value.unwrap().orders.len(), 20);
    let foreign = CustomerOrdersQuery { cursor: Some("AAAA".into()), ..all };
    let error = store.reader.customer_orders(id(1), foreign).await.unwrap_err();
    assert!(matches!(error, ViewError::InvalidQuery { field: "cursor", .. }), "{error}");
}

/// The plan of a statement, as SQLite explains it.
async fn plan(store: &Store, statement: Statement) -> String {
    let Statement { sql, values, db_backend } = statement;
    let explained = Statement { sql: format!("EXPLAIN QUERY PLAN {sql}"), values, db_backend };
    let rows = store.reader.connection().query_all_raw(explained).await.unwrap();
    rows.iter().map(|row| row.try_get::<String>("", "detail").unwrap()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn every_query_walks_an_index() {
    let store = Store::open().await;
    let backend = sea_orm::DbBackend::Sqlite;
    let after = Some(Place { created_at: 7, id: Uuid::nil() });
    for (state, after) in [(None, None), (None, after), (Some(OrderState::Approved), after)] {
        let newest = NewestOrders { customer: Uuid::nil(), state, after, limit: 20 };
        let plan = plan(&store, backend.build(&newest.statement())).await;
        assert!(plan.contains("USING COVERING INDEX order_documents_newest (customer_id=? AND state=?"), "{plan}");
        assert!(!plan.contains("SCAN order_documents"), "{plan}");
        assert_eq!(after.is_some(), plan.contains("(created_at,id)<("), "{plan}");
    }
    let valuable = CustomersQuery {
        since: Some(Timestamp::from_micros(5)),
        min_order_total: Some(Money::from_cents(5)),
        limit: 20,
        ..CustomersQuery::default()
    };
    let plan = plan(&store, queries::customers(&valuable, after).build(backend)).await;
    assert!(plan.contains("USING INDEX customer_documents_newest (created_at"), "{plan}");
    let largest = "USING COVERING INDEX order_documents_largest (customer_id=? AND state=? AND total_cents>?)";
    assert!(plan.contains(largest), "{plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
}
