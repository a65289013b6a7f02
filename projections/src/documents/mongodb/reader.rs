//! The read side. Documents are read first and the positions after them, so that these cover what
//! is shown.

use domain::{CustomerId, OrderId};
use futures_util::future::{BoxFuture, try_join};
use futures_util::{FutureExt as _, TryStreamExt as _};
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use mongodb::options::Hint;
use serde::de::DeserializeOwned;

use super::connection::Connection;
use super::errors::failed;
use super::queries::{self, Find};
use super::room::SHOWN;
use super::shapes::{StoredCustomer, StoredOrder, StoredPart, id_of};
use super::{Names, READ_BOUND, positions};
use crate::ViewError;
use crate::documents::cursor::{List, Place};
use crate::documents::{
    CustomerOrdersQuery, CustomerWithOrders, CustomersQuery, DocumentReader, Page, Seen, damaged,
};
use crate::shop::{CustomerDocument, CustomerOrder, OrderDocument};

mod customers;
mod versions;

use customers::customers_of;

/// Answers the queries of one generation of the document view.
#[derive(Clone, Debug)]
pub(super) struct MongoDocumentReader {
    connection: Connection,
    names: Names,
}

impl MongoDocumentReader {
    pub(super) fn new(connection: Connection, names: Names) -> Self {
        MongoDocumentReader { connection, names }
    }

    /// Reads something, then the positions.
    async fn see<T: Send + 'static>(
        &self,
        read: impl Future<Output = Result<T, ViewError>> + Send + 'static,
    ) -> Result<Seen<T>, ViewError> {
        let (database, generation) = (self.connection.database.clone(), self.names.generation);
        let reading = async move {
            let value = read.await?;
            let positions = positions::reaching(&database, generation).await?;
            Ok(Seen { value, positions })
        };
        self.connection.run(READ_BOUND, reading).await
    }

    fn customer_collection<T: Send + Sync>(&self) -> Collection<T> {
        self.connection.database.collection(&self.names.customers)
    }

    fn order_collection<T: Send + Sync>(&self) -> Collection<T> {
        self.connection.database.collection(&self.names.orders)
    }
}

impl DocumentReader for MongoDocumentReader {
    fn customer(
        &self,
        id: CustomerId,
        orders: u16,
    ) -> BoxFuture<'_, Result<Seen<Option<CustomerWithOrders>>, ViewError>> {
        let customers = self.customer_collection::<StoredCustomer>();
        self.see(async move {
            let mut filter = queries::is_customer();
            filter.insert("_id", id.to_string());

            let found = customers
                .find_one(filter)
                .hint(Hint::Name("_id_".to_owned()))
                .max_time(READ_BOUND);

            let Some(mut stored) = found.await.map_err(failed)? else {
                return Ok(None);
            };

            let embedded = std::mem::take(&mut stored.orders).into_values();
            let mut shown = embedded
                .map(CustomerOrder::try_from)
                .collect::<Result<Vec<_>, _>>()?;
            shown.sort_by_key(|order| std::cmp::Reverse((order.creation_time, order.order_id)));
            shown.truncate(usize::from(orders).min(SHOWN));

            Ok(Some(CustomerWithOrders {
                customer: stored.try_into()?,
                orders: shown,
            }))
        })
        .boxed()
    }

    fn customers(
        &self,
        query: CustomersQuery,
    ) -> BoxFuture<'_, Result<Seen<Page<CustomerDocument>>, ViewError>> {
        let (database, names) = (self.connection.database.clone(), self.names.clone());
        async move {
            let after = place_of(query.cursor.as_deref(), List::Customers)?;
            self.see(async move {
                let stored = customers_of(&database, &names, &query, after).await?;
                page_of(stored, query.limit, List::Customers, |customer| {
                    (customer.created_at, &customer.id)
                })
            })
            .await
        }
        .boxed()
    }

    fn count_customers(&self) -> BoxFuture<'_, Result<Seen<u64>, ViewError>> {
        let database = self.connection.database.clone();
        let command = queries::count(&self.names);
        self.see(async move {
            let answer = database.run_command(command).await.map_err(failed)?;
            let count = answer
                .get_i32("n")
                .map(i64::from)
                .or_else(|_| answer.get_i64("n"))
                .map_err(damaged)?;
            u64::try_from(count).map_err(damaged)
        })
        .boxed()
    }

    fn customer_orders(
        &self,
        id: CustomerId,
        query: CustomerOrdersQuery,
    ) -> BoxFuture<'_, Result<Seen<Option<Page<CustomerOrder>>>, ViewError>> {
        let customers = self.customer_collection::<Document>();
        let orders = self.order_collection::<StoredPart>();

        async move {
            let after = place_of(query.cursor.as_deref(), List::CustomerOrders)?;
            self.see(async move {
                let mut filter = queries::is_customer();
                filter.insert("_id", id.to_string());
                let customer = customers
                    .find_one(filter)
                    .hint(Hint::Name("_id_".to_owned()));
                let customer = customer
                    .projection(doc! {"_id": 1})
                    .max_time(READ_BOUND)
                    .into_future();
                let newest = queries::orders_of(id, query.state, after, i64::from(query.limit) + 1);
                let (customer, stored) = try_join(
                    async { customer.await.map_err(failed) },
                    find(&orders, newest),
                )
                .await?;
                if customer.is_none() {
                    return Ok(None);
                }
                page_of(stored, query.limit, List::CustomerOrders, |order| {
                    (order.created_at, &order.order_id)
                })
                .map(Some)
            })
            .await
        }
        .boxed()
    }

    fn order(&self, id: OrderId) -> BoxFuture<'_, Result<Seen<Option<OrderDocument>>, ViewError>> {
        let orders = self.order_collection::<StoredOrder>();
        self.see(async move {
            let found = orders
                .find_one(doc! {"_id": id.to_string()})
                .max_time(READ_BOUND);
            found
                .await
                .map_err(failed)?
                .map(OrderDocument::try_from)
                .transpose()
        })
        .boxed()
    }
}

async fn find<T: DeserializeOwned + Send + Sync>(
    collection: &Collection<T>,
    find: Find,
) -> Result<Vec<T>, ViewError> {
    let Find {
        filter,
        sort,
        projection,
        hint,
        limit,
    } = find;

    let hint = Hint::Name(hint.to_owned());

    let found = collection
        .find(filter)
        .sort(sort)
        .projection(projection)
        .hint(hint)
        .limit(limit)
        .max_time(READ_BOUND);

    found
        .await
        .map_err(failed)?
        .try_collect()
        .await
        .map_err(failed)
}

async fn aggregate<T: DeserializeOwned + Send + Sync>(
    collection: &Collection<T>,
    pipeline: Vec<Document>,
    hint: &str,
) -> Result<Vec<T>, ViewError> {
    let hint = Hint::Name(hint.to_owned());

    let found = collection
        .aggregate(pipeline)
        .hint(hint)
        .max_time(READ_BOUND)
        .with_type::<T>();

    found
        .await
        .map_err(failed)?
        .try_collect()
        .await
        .map_err(failed)
}

fn place_of(cursor: Option<&str>, list: List) -> Result<Option<Place>, ViewError> {
    cursor
        .map(|cursor| Place::from_cursor(cursor, list))
        .transpose()
}

/// Makes a page of documents that were read one beyond the limit, to know whether there is a next.
fn page_of<R, T: TryFrom<R, Error = ViewError>>(
    mut stored: Vec<R>,
    limit: u16,
    list: List,
    place: impl Fn(&R) -> (i64, &String),
) -> Result<Page<T>, ViewError> {
    let limit = usize::from(limit);
    let more = stored.len() > limit;
    stored.truncate(limit);

    let last = stored.last().filter(|_| more).map(place);
    let next = last.map(|(created_at, id)| {
        Ok::<_, ViewError>(
            Place {
                created_at,
                id: id_of(id)?,
            }
            .to_cursor(list),
        )
    });
    let next = next.transpose()?;

    let items = stored
        .into_iter()
        .map(T::try_from)
        .collect::<Result<_, _>>()?;

    Ok(Page { items, next })
}
