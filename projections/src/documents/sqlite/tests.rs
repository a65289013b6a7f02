//! How a file comes about, and the plans of the statements. What they answer is the contract of all
//! document stores.

use domain::{Money, OrderState, Timestamp};
use sea_orm::{ConnectionTrait, QueryTrait, Statement};
use tempfile::TempDir;
use uuid::Uuid;

use super::reader::queries::{self, NewestOrders};
use super::*;
use crate::documents::CustomersQuery;
use crate::documents::cursor::Place;

/// The plan of a statement, as SQLite explains it.
async fn plan(reader: &SqliteDocumentReader, statement: Statement) -> String {
    let Statement {
        sql,
        values,
        db_backend,
    } = statement;

    let explained = Statement {
        sql: format!("EXPLAIN QUERY PLAN {sql}"),
        values,
        db_backend,
    };

    let rows = reader.connection().query_all_raw(explained).await.unwrap();
    rows.iter()
        .map(|row| row.try_get::<String>("", "detail").unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test]
async fn every_query_walks_an_index() {
    let directory = TempDir::new().unwrap();
    let (_writer, reader) = open(directory.path()).await.unwrap();
    let backend = sea_orm::DbBackend::Sqlite;

    let after = Some(Place {
        created_at: 7,
        id: Uuid::nil(),
    });

    for (state, after) in [
        (None, None),
        (None, after),
        (Some(OrderState::Approved), after),
    ] {
        let newest = NewestOrders {
            customer: Uuid::nil(),
            state,
            after,
            limit: 20,
        };
        let plan = plan(&reader, backend.build(&newest.statement())).await;
        assert!(
            plan.contains("USING COVERING INDEX order_documents_newest (customer_id=? AND state=?"),
            "{plan}"
        );
        assert!(!plan.contains("SCAN order_documents"), "{plan}");
        assert_eq!(
            after.is_some(),
            plan.contains("(created_at,id)<("),
            "{plan}"
        );
    }

    let valuable = CustomersQuery {
        since: Some(Timestamp::from_micros(5)),
        min_order_total: Some(Money::from_cents(5)),
        limit: 20,
        ..CustomersQuery::default()
    };

    let plan = plan(&reader, queries::customers(&valuable, after).build(backend)).await;
    assert!(
        plan.contains("USING INDEX customer_documents_newest (created_at"),
        "{plan}"
    );

    let orders = "USING COVERING INDEX order_documents_newest (customer_id=? AND state=?)";
    assert!(plan.contains(orders), "{plan}");
    let largest = "SEARCH customer_largest_orders EXISTS USING INDEX sqlite_autoindex_customer_largest_orders_1 (customer_id=?)";
    assert!(plan.contains(largest), "{plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
}

/// A kill in the middle of making the tables must leave nothing of them.
#[tokio::test]
async fn tables_that_cannot_all_be_made_are_not_made_at_all_and_the_next_start_makes_them() {
    let directory = TempDir::new().unwrap();
    let path = generations::folder(directory.path()).path(1);
    let obstacle = rusqlite::Connection::open(&path).unwrap();
    obstacle
        .execute_batch("CREATE TABLE view_quarantine (x)")
        .unwrap();
    assert!(open(directory.path()).await.is_err());

    obstacle
        .execute_batch("DROP TABLE view_quarantine")
        .unwrap();
    drop(obstacle);
    open(directory.path()).await.unwrap();
}
