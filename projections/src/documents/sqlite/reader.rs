//! The read side: SeaORM on a small pool of read-only connections.
//!
//! Each answer is read in one transaction with the view's positions, or in one statement, so that
//! both are of one snapshot. The statements have fixed shapes ([`queries`]), so that they stay
//! prepared.

use domain::{CustomerId, OrderId, Service};
use futures_util::future::BoxFuture;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait,
    FromQueryResult, PaginatorTrait, QueryFilter, QuerySelect, TransactionTrait,
};
use store::Positions;
use uuid::Uuid;

use self::queries::NewestOrders;
use super::conversions::CustomerOrderRow;
use super::errors;
use super::tables::{customer_document, order_document, view_position};
use crate::ViewError;
use crate::documents::cursor::{List, Place};
use crate::documents::{
    CustomerOrdersQuery, CustomerWithOrders, CustomersQuery, DocumentReader, Page, Seen, VIEW,
    damaged,
};
use crate::port::VersionReader;
use crate::positions;
use crate::shop::{CustomerDocument, CustomerOrder, OrderDocument};

mod document_slices;
pub(super) mod queries;

pub(super) use document_slices::SqliteDocumentAudit;

/// Answers the queries of the document view.
#[derive(Clone, Debug)]
pub struct SqliteDocumentReader {
    pool: DatabaseConnection,
}

impl SqliteDocumentReader {
    pub(super) fn new(pool: DatabaseConnection) -> Self {
        SqliteDocumentReader { pool }
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &DatabaseConnection {
        &self.pool
    }

    /// Begins a snapshot: the first read fixes what all others of the transaction see.
    async fn snapshot(&self) -> Result<(DatabaseTransaction, Positions), ViewError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a read snapshot of a view; nothing is written"
        )]
        let snapshot = self.pool.begin().await.map_err(errors::read)?;
        let row = view_position::Entity::find_by_id(VIEW.to_owned())
            .one(&snapshot)
            .await
            .map_err(errors::read)?;

        Ok((snapshot, positions_of(row)?))
    }
}

impl DocumentReader for SqliteDocumentReader {
    fn customer(
        &self,
        id: CustomerId,
        orders: u16,
    ) -> BoxFuture<'_, Result<Seen<Option<CustomerWithOrders>>, ViewError>> {
        Box::pin(async move {
            let (snapshot, positions) = self.snapshot().await?;

            let value = match find_customer(&snapshot, id).await? {
                Some(customer) => {
                    let newest = NewestOrders {
                        customer: id.0,
                        state: None,
                        after: None,
                        limit: u64::from(orders),
                    };
                    let orders = newest_orders(&snapshot, &newest).await?;
                    let orders = orders
                        .into_iter()
                        .map(CustomerOrder::try_from)
                        .collect::<Result<_, _>>()?;
                    Some(CustomerWithOrders { customer, orders })
                }
                None => None,
            };
            finish(snapshot, value, positions).await
        })
    }

    fn customers(
        &self,
        query: CustomersQuery,
    ) -> BoxFuture<'_, Result<Seen<Page<CustomerDocument>>, ViewError>> {
        Box::pin(async move {
            let select =
                queries::customers(&query, place_of(query.cursor.as_deref(), List::Customers)?);
            let (snapshot, positions) = self.snapshot().await?;
            let rows = select.all(&snapshot).await.map_err(errors::read)?;

            let place = |row: &customer_document::Model| Place {
                created_at: row.created_at,
                id: row.id,
            };
            let page = page_of(rows, query.limit, List::Customers, place)?;
            finish(snapshot, page, positions).await
        })
    }

    fn count_customers(&self) -> BoxFuture<'_, Result<Seen<u64>, ViewError>> {
        Box::pin(async move {
            let (snapshot, positions) = self.snapshot().await?;
            let count = customer_document::Entity::find()
                .count(&snapshot)
                .await
                .map_err(errors::read)?;
            finish(snapshot, count, positions).await
        })
    }

    fn customer_orders(
        &self,
        id: CustomerId,
        query: CustomerOrdersQuery,
    ) -> BoxFuture<'_, Result<Seen<Option<Page<CustomerOrder>>>, ViewError>> {
        Box::pin(async move {
            let after = place_of(query.cursor.as_deref(), List::CustomerOrders)?;

            let (snapshot, positions) = self.snapshot().await?;
            if find_customer(&snapshot, id).await?.is_none() {
                return finish(snapshot, None, positions).await;
            }

            let limit = u64::from(query.limit) + 1;

            let newest = NewestOrders {
                customer: id.0,
                state: query.state,
                after,
                limit,
            };
            let rows = newest_orders(&snapshot, &newest).await?;

            let place = |row: &CustomerOrderRow| Place {
                created_at: row.created_at,
                id: row.id,
            };
            let page = page_of(rows, query.limit, List::CustomerOrders, place)?;
            finish(snapshot, Some(page), positions).await
        })
    }

    fn order(&self, id: OrderId) -> BoxFuture<'_, Result<Seen<Option<OrderDocument>>, ViewError>> {
        Box::pin(async move {
            let select = queries::order_with_positions(id);
            let found = select.one(&self.pool).await.map_err(errors::read)?;
            let (row, order) = found.unzip();

            let order = order.flatten().map(OrderDocument::try_from);
            Ok(Seen {
                value: order.transpose()?,
                positions: positions_of(row)?,
            })
        })
    }
}

impl VersionReader for SqliteDocumentReader {
    fn versions_of<'a>(
        &'a self,
        entities: &'a [(Service, Uuid)],
    ) -> BoxFuture<'a, Result<Vec<u64>, ViewError>> {
        Box::pin(async move {
            let mut known = std::collections::HashMap::new();

            for service in domain::SERVICES {
                let ids: Vec<Uuid> = entities
                    .iter()
                    .filter(|(of, _)| *of == service)
                    .map(|(_, id)| *id)
                    .collect();
                for (id, version) in self
                    .stored_versions(service, ids)
                    .await
                    .map_err(errors::read)?
                {
                    known.insert((service, id), u64::try_from(version).map_err(damaged)?);
                }
            }

            Ok(entities
                .iter()
                .map(|key| known.get(key).copied().unwrap_or(0))
                .collect())
        })
    }
}

impl SqliteDocumentReader {
    async fn stored_versions(
        &self,
        service: Service,
        ids: Vec<Uuid>,
    ) -> Result<Vec<(Uuid, i64)>, DbErr> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        match service {
            domain::CUSTOMERS => {
                use customer_document::{Column, Entity};

                let columns = Entity::find()
                    .select_only()
                    .columns([Column::Id, Column::Version]);

                columns
                    .filter(Column::Id.is_in(ids))
                    .into_tuple()
                    .all(&self.pool)
                    .await
            }
            _ => {
                use order_document::{Column, Entity};

                let columns = Entity::find()
                    .select_only()
                    .columns([Column::Id, Column::Version]);

                columns
                    .filter(Column::Id.is_in(ids))
                    .into_tuple()
                    .all(&self.pool)
                    .await
            }
        }
    }
}

/// What a commit of the view has noted; a view that has none has nothing else either.
fn positions_of(row: Option<view_position::Model>) -> Result<Positions, ViewError> {
    let positions = row.map(|row| positions::from_json(&row.positions).map_err(damaged));
    Ok(positions.transpose()?.unwrap_or_default())
}

async fn find_customer(
    snapshot: &DatabaseTransaction,
    id: CustomerId,
) -> Result<Option<CustomerDocument>, ViewError> {
    let row = customer_document::Entity::find_by_id(id.0)
        .one(snapshot)
        .await
        .map_err(errors::read)?;
    row.map(CustomerDocument::try_from).transpose()
}

async fn newest_orders(
    snapshot: &DatabaseTransaction,
    newest: &NewestOrders,
) -> Result<Vec<CustomerOrderRow>, ViewError> {
    let rows = snapshot
        .query_all(&newest.statement())
        .await
        .map_err(errors::read)?;
    rows.iter()
        .map(|row| CustomerOrderRow::from_query_result(row, "").map_err(damaged))
        .collect()
}

/// Ends a snapshot; nothing was written, so there is nothing to commit but the lock to give back.
async fn finish<T>(
    snapshot: DatabaseTransaction,
    value: T,
    positions: Positions,
) -> Result<Seen<T>, ViewError> {
    snapshot.commit().await.map_err(errors::read)?;
    Ok(Seen { value, positions })
}

fn place_of(cursor: Option<&str>, list: List) -> Result<Option<Place>, ViewError> {
    cursor
        .map(|cursor| Place::from_cursor(cursor, list))
        .transpose()
}

/// Makes a page of rows that were read one beyond the limit, to know whether there is a next.
fn page_of<R, T: TryFrom<R, Error = ViewError>>(
    mut rows: Vec<R>,
    limit: u16,
    list: List,
    place: impl Fn(&R) -> Place,
) -> Result<Page<T>, ViewError> {
    let limit = usize::from(limit);
    let more = rows.len() > limit;
    rows.truncate(limit);

    let next = rows
        .last()
        .filter(|_| more)
        .map(|row| place(row).to_cursor(list));

    let items = rows
        .into_iter()
        .map(T::try_from)
        .collect::<Result<_, _>>()?;

    Ok(Page { items, next })
}
