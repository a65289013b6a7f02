//! The indexes of a generation: one for each kind of query, and no more, as every one costs each
//! write.

use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Database, IndexModel};

use super::errors::failed;
use super::{Names, quarantine};
use crate::ViewError;

/// Customers, newest first; it has all that lists filter by, so that only those shown are fetched.
pub(super) const NEWEST_CUSTOMERS: &str = "newest";
/// A customer's orders, newest first, in one state; those in any state are merged from the six.
pub(super) const NEWEST_ORDERS: &str = "newest";
/// Whether a customer has an order of at least some total, in some state.
const LARGEST_ORDERS: &str = "largest";

/// The orders in some state, by whom.
pub(super) const ORDERS_IN_STATE: &str = "in_state";

/// Makes the indexes, and with them the collections, that are not there.
pub(super) async fn create(database: &Database, names: &Names) -> Result<(), ViewError> {
    let customers = database.collection::<Document>(&names.customers);

    let newest = doc! {"createdAt": -1, "_id": -1, "nameFolded": 1, "largestOrder": 1};
    customers
        .create_index(index(NEWEST_CUSTOMERS, newest))
        .await
        .map_err(failed)?;

    let orders = database.collection::<Document>(&names.orders);
    let newest = doc! {"customerId": 1, "state": 1, "createdAt": -1, "_id": -1};
    let largest = doc! {"customerId": 1, "state": 1, "orderTotal.cents": -1};
    let in_state = doc! {"state": 1, "orderTotal.cents": -1, "customerId": 1};

    let all = [
        index(NEWEST_ORDERS, newest),
        index(LARGEST_ORDERS, largest),
        index(ORDERS_IN_STATE, in_state),
    ];
    orders.create_indexes(all).await.map_err(failed)?;

    let quarantine = database.collection::<Document>(quarantine::COLLECTION);
    quarantine
        .create_index(index("generation", doc! {"generation": 1}))
        .await
        .map_err(failed)?;

    Ok(())
}

fn index(name: &str, keys: Document) -> IndexModel {
    IndexModel::builder()
        .keys(keys)
        .options(IndexOptions::builder().name(name.to_owned()).build())
        .build()
}
