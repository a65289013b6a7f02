//! The entities of a service, in ranges of their ids.

use sea_orm::sea_query::{Alias, Expr, Func, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, ExprTrait};
use uuid::Uuid;

use super::IdRange;
use crate::{ServiceDatabase, StoreError, loading};

/// How many entities the service has.
///
/// # Errors
/// When the database does not answer.
pub async fn count(database: &ServiceDatabase) -> Result<u64, StoreError> {
    let mut query = from_entities(database);
    query.expr(Func::count(Expr::cust("*")));

    let row = database.read.query_one(&query).await;
    let count: Result<Option<i64>, _> =
        row.and_then(|row| row.map(|row| row.try_get_by_index(0)).transpose());
    let count = count.map_err(|e| database.failed(e))?;
    Ok(count
        .and_then(|count| u64::try_from(count).ok())
        .unwrap_or(0))
}

/// The range of the service's next `limit` entities after an id; the last one has no end.
///
/// # Errors
/// When the database does not answer.
pub async fn next_range(
    database: &ServiceDatabase,
    after: Option<Uuid>,
    limit: u64,
) -> Result<IdRange, StoreError> {
    let key = Alias::new(database.schema.entities().key);
    let mut places = limit.saturating_sub(1);

    loop {
        let mut query = from_entities(database);
        query
            .column(key.clone())
            .order_by(key.clone(), Order::Asc)
            .offset(places)
            .limit(1);
        if let Some(after) = after {
            query.and_where(Expr::col(key.clone()).gt(after));
        }

        let row = database.read.query_one(&query).await;
        let last = row.and_then(|row| row.map(|row| row.try_get_by_index(0)).transpose());
        match last {
            Ok(up_to) => return Ok(IdRange { after, up_to }),
            // The range ends with the next one whose id can be read.
            Err(error) if loading::is_of_a_row(&error) => places += 1,
            Err(error) => return Err(database.failed(error)),
        }
    }
}

fn from_entities(database: &ServiceDatabase) -> SelectStatement {
    let table = Alias::new(database.schema.entities().name);
    Query::select().from(table).to_owned()
}
