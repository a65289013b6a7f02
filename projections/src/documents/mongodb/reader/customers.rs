//! Finding the customers that a query asks for: by their own fields, by going from customer to
//! customer with a look at the orders of each, or from the orders when these are few.

use mongodb::Database;
use serde::Deserialize;

use super::{aggregate, find};
use crate::ViewError;
use crate::documents::CustomersQuery;
use crate::documents::cursor::Place;
use crate::documents::mongodb::indexes::{NEWEST_CUSTOMERS, ORDERS_IN_STATE};
use crate::documents::mongodb::shapes::StoredCustomer;
use crate::documents::mongodb::{Names, queries};

/// The customers a query asks for, newest first, one beyond its limit.
pub(super) async fn customers_of(
    database: &Database,
    names: &Names,
    query: &CustomersQuery,
    after: Option<Place>,
) -> Result<Vec<StoredCustomer>, ViewError> {
    let customers = database.collection(&names.customers);
    if query.min_order_total.is_none() && query.order_state.is_none() {
        return find(&customers, queries::customers(query, after)).await;
    }

    let walk = |candidates| {
        let pipeline = queries::customers_with_order(names, query, after, candidates);
        aggregate(&customers, pipeline, NEWEST_CUSTOMERS)
    };
    // How large its largest order is a customer tells itself, so without a state nearly all that
    // are looked at match.
    if query.order_state.is_none() {
        return walk(None).await;
    }

    let found = walk(Some(queries::FEW)).await?;
    if found.len() > usize::from(query.limit) || !are_many(database, names, query, after).await? {
        return Ok(found);
    }

    match few_in_state(database, names, query).await? {
        Some(few) => find(&customers, queries::customers_among(query, after, few)).await,
        None => walk(None).await,
    }
}

#[derive(Deserialize)]
struct Count {
    count: i64,
}

/// Whether a query would go through many customers.
async fn are_many(
    database: &Database,
    names: &Names,
    query: &CustomersQuery,
    after: Option<Place>,
) -> Result<bool, ViewError> {
    let customers = database.collection::<Count>(&names.customers);

    let counted = aggregate(
        &customers,
        queries::candidates(query, after),
        NEWEST_CUSTOMERS,
    )
    .await?;

    Ok(counted
        .first()
        .is_some_and(|Count { count }| *count > queries::FEW))
}

/// How many of the orders that a query asks for are a customer's.
#[derive(Deserialize)]
struct InState {
    #[serde(rename = "_id")]
    customer: String,
    orders: i64,
}

/// The customers who have the orders that a query asks for, if these are few.
async fn few_in_state(
    database: &Database,
    names: &Names,
    query: &CustomersQuery,
) -> Result<Option<Vec<String>>, ViewError> {
    let Some(pipeline) = queries::orders_in_state(query) else {
        return Ok(None);
    };
    let orders = database.collection::<InState>(&names.orders);
    let found = aggregate(&orders, pipeline, ORDERS_IN_STATE).await?;
    let count: i64 = found.iter().map(|customer| customer.orders).sum();
    Ok((count <= queries::FEW).then(|| found.into_iter().map(|found| found.customer).collect()))
}
