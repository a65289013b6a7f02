//! What a run must have left behind when nothing is in flight any more: every saga ended, credit
//! reserved for the approved orders and for nothing else, outboxes without holes.

use anyhow::Context;
use sea_orm::sqlx::{self, ConnectOptions, PgConnection};

use super::options::{Database, Options};

/// A query of one number, which is zero when all is well.
struct Check {
    what: &'static str,
    violations: &'static str,
}

const OUTBOX: Check = Check {
    what: "outbox rows that do not follow the row before them",
    violations: "SELECT count(*) FROM (SELECT sequence, lag(sequence + count, 1, 1::bigint) \
        OVER (PARTITION BY shard ORDER BY sequence) AS expected FROM outbox) AS rows \
        WHERE sequence <> expected",
};

const ORDERS: [Check; 3] = [
    OUTBOX,
    Check {
        what: "orders neither approved nor rejected",
        violations: "SELECT count(*) FROM orders WHERE state NOT IN ('APPROVED', 'REJECTED')",
    },
    Check {
        what: "orders without a saga that has ended as they have",
        violations: "SELECT count(*) FROM orders LEFT JOIN sagas USING (order_id) \
            WHERE sagas.ended_at IS NULL \
            OR (orders.state = 'APPROVED') <> (sagas.state = 'COMPLETED')",
    },
];

const CUSTOMERS: [Check; 3] = [
    OUTBOX,
    Check {
        what: "customers whose reserved credit is not the sum of their reservations",
        violations: "SELECT count(*) FROM customers LEFT JOIN (SELECT customer_id, \
            sum(amount_cents) AS total FROM reservations GROUP BY customer_id) AS held \
            USING (customer_id) WHERE reserved_cents <> coalesce(held.total, 0)",
    },
    Check {
        what: "customers with more reserved than their limit",
        violations: "SELECT count(*) FROM customers WHERE reserved_cents > credit_limit_cents",
    },
];

/// The number of orders, and a digest of their ids and amounts: the same in both databases.
const APPROVED: &str = "SELECT count(*), coalesce(md5(string_agg(order_id::text || total_cents, \
    ',' ORDER BY order_id)), '') FROM orders WHERE state = 'APPROVED'";
const RESERVED: &str = "SELECT count(*), coalesce(md5(string_agg(order_id::text || amount_cents, \
    ',' ORDER BY order_id)), '') FROM reservations";
const ALL: &str = "SELECT count(*) FROM orders";

/// Checks both databases; prints what is there and what is wrong. Gives whether all is well.
///
/// # Errors
/// When they cannot be read.
pub async fn check(options: &Options) -> anyhow::Result<bool> {
    let connect = async |database: &Database| {
        let options = database.beside_a_lane(&options.namespace);
        options.connect().await.context("cannot connect")
    };
    let mut orders = connect(&options.orders_database_url).await?;
    let mut customers = connect(&options.customers_database_url).await?;

    let mut is_well = true;
    for (connection, checks) in [(&mut orders, &ORDERS), (&mut customers, &CUSTOMERS)] {
        for Check { what, violations } in checks {
            let found: i64 = sqlx::query_scalar(*violations)
                .fetch_one(&mut *connection)
                .await?;
            if found > 0 {
                is_well = false;
                println!("violation: {found} {what}");
            }
        }
    }

    let all: i64 = sqlx::query_scalar(ALL).fetch_one(&mut orders).await?;
    let approved = digest(&mut orders, APPROVED).await?;
    let reserved = digest(&mut customers, RESERVED).await?;
    if approved != reserved {
        is_well = false;
        println!("violation: the reservations are not those of the approved orders");
    }

    let (approved, reserved) = (approved.0, reserved.0);
    println!("{all} orders, {approved} of them approved, {reserved} reservations");
    Ok(is_well)
}

async fn digest(
    connection: &mut PgConnection,
    query: &'static str,
) -> Result<(i64, String), sqlx::Error> {
    sqlx::query_as(query).fetch_one(connection).await
}
