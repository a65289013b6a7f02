//! Customers whose credit does not add up. The database itself finds them: it sums all reservations
//! in one statement.

use sea_orm::{FromQueryResult, Statement};
use uuid::Uuid;

use crate::{ServiceDatabase, StoreError};

/// A customer whose reserved credit is not within its limit, or not the sum of its reservations.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct CreditMismatch {
    /// Whose credit it is.
    pub customer_id: Uuid,
    /// What it may have reserved at most.
    pub credit_limit_cents: i64,
    /// What its row says is reserved.
    pub reserved_cents: i64,
    /// The sum of its reservations.
    pub reservations_cents: i64,
}

/// A reservation of a customer that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct OrphanReservation {
    /// The order that it is for.
    pub order_id: Uuid,
    /// The customer who is not there.
    pub customer_id: Uuid,
    /// What is reserved.
    pub amount_cents: i64,
}

// One statement is one snapshot, and the database sorts on disk what does not fit into its memory.
const MISMATCHES: &str = "\
    SELECT c.customer_id, c.credit_limit_cents, c.reserved_cents, \
           CAST(COALESCE(r.total, 0) AS BIGINT) AS reservations_cents \
    FROM customers c LEFT JOIN \
         (SELECT customer_id, SUM(amount_cents) AS total FROM reservations GROUP BY customer_id) r \
         ON r.customer_id = c.customer_id \
    WHERE c.reserved_cents < 0 OR c.reserved_cents > c.credit_limit_cents \
          OR c.reserved_cents <> COALESCE(r.total, 0) \
    ORDER BY c.customer_id LIMIT";

const ORPHANS: &str = "\
    SELECT r.order_id, r.customer_id, r.amount_cents FROM reservations r \
    WHERE r.amount_cents <= 0 \
          OR NOT EXISTS (SELECT 1 FROM customers c WHERE c.customer_id = r.customer_id) \
    ORDER BY r.order_id LIMIT";

/// The customers whose credit does not add up, at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn mismatches(
    customers: &ServiceDatabase,
    limit: u32,
) -> Result<Vec<CreditMismatch>, StoreError> {
    all(customers, MISMATCHES, limit).await
}

/// The reservations of unknown customers, or of nothing, at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn orphans(
    customers: &ServiceDatabase,
    limit: u32,
) -> Result<Vec<OrphanReservation>, StoreError> {
    all(customers, ORPHANS, limit).await
}

async fn all<T: FromQueryResult>(
    database: &ServiceDatabase,
    sql: &str,
    limit: u32,
) -> Result<Vec<T>, StoreError> {
    let statement = Statement::from_string(
        database.read.get_database_backend(),
        format!("{sql} {limit}"),
    );
    T::find_by_statement(statement)
        .all(&database.read)
        .await
        .map_err(|e| database.failed(e))
}
