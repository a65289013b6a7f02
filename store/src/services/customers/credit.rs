//! Customers whose credit does not add up. The database itself finds them: it sums all reservations
//! in one statement.

use sea_orm::{DbBackend, EntityTrait, FromQueryResult, Statement, Value};
use uuid::Uuid;

use super::tables::{customer, reservation};
use crate::snapshot::IdRange;
use crate::snapshot::as_read::Attempt;
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

const ORPHANS: &str = "\
    SELECT r.order_id, r.customer_id, r.amount_cents FROM reservations r \
    WHERE r.amount_cents <= 0 \
          OR NOT EXISTS (SELECT 1 FROM customers c WHERE c.customer_id = r.customer_id) \
    ORDER BY r.order_id LIMIT";

/// The customers of a range whose credit does not add up, at most `limit`. A row that cannot be
/// read is none of them.
///
/// One statement is one snapshot, and the database sorts on disk what does not fit into its memory.
///
/// # Errors
/// When the database does not answer.
pub async fn mismatches(
    customers: &ServiceDatabase,
    range: IdRange,
    limit: u32,
) -> Result<Vec<CreditMismatch>, StoreError> {
    let backend = customers.read.backend();
    let mut values: Vec<Value> = Vec::new();
    let mut within = |column: &str| {
        let bounds = [(">", range.after), ("<=", range.up_to)].into_iter();
        let bounds = bounds.filter_map(|(compared, id)| Some((compared, id?)));
        let conditions: Vec<_> = bounds
            .map(|(compared, id)| {
                values.push(id.into());
                match backend {
                    DbBackend::Postgres => format!("{column} {compared} ${}", values.len()),
                    _ => format!("{column} {compared} ?"),
                }
            })
            .collect();
        match conditions.is_empty() {
            true => "TRUE".to_owned(),
            false => conditions.join(" AND "),
        }
    };

    // No amount is so large that it stops the rest.
    let (total, as_number) = match backend {
        DbBackend::Postgres => (
            "SUM(amount_cents)",
            "LEAST(GREATEST(COALESCE(r.total, 0), -9223372036854775808), 9223372036854775807)",
        ),
        _ => (
            "SUM(amount_cents / 1000000) * 1000000 + SUM(amount_cents % 1000000)",
            "COALESCE(r.total, 0)",
        ),
    };
    let (of_reservations, of_customers) = (within("customer_id"), within("c.customer_id"));
    let sql = format!(
        "SELECT c.customer_id, c.credit_limit_cents, c.reserved_cents, \
               CAST({as_number} AS BIGINT) AS reservations_cents \
        FROM customers c LEFT JOIN \
             (SELECT customer_id, {total} AS total FROM reservations \
              WHERE {of_reservations} GROUP BY customer_id) r \
             ON r.customer_id = c.customer_id \
        WHERE {of_customers} AND (c.reserved_cents < 0 \
              OR c.reserved_cents > c.credit_limit_cents \
              OR c.reserved_cents <> COALESCE(r.total, 0)) \
        ORDER BY c.customer_id LIMIT {limit}"
    );
    let statement = Statement::from_sql_and_values(backend, sql, values);
    readable::<customer::Entity, _>(customers, statement).await
}

/// The reservations of unknown customers, or of nothing, at most `limit`. A row that cannot be read
/// is none of them.
///
/// # Errors
/// When the database does not answer.
pub async fn orphans(
    customers: &ServiceDatabase,
    limit: u32,
) -> Result<Vec<OrphanReservation>, StoreError> {
    let backend = customers.read.backend();
    let statement = Statement::from_string(backend, format!("{ORPHANS} {limit}"));
    readable::<reservation::Entity, _>(customers, statement).await
}

/// Those of the rows that can be read.
async fn readable<E: EntityTrait, R: FromQueryResult>(
    customers: &ServiceDatabase,
    statement: Statement,
) -> Result<Vec<R>, StoreError> {
    let rows = Attempt::<E, R>::find_by_statement(statement).all(&customers.read);
    let rows = rows.await.map_err(|e| customers.failed(e))?;
    Ok(rows
        .into_iter()
        .filter_map(|attempt| attempt.row.ok())
        .collect())
}
