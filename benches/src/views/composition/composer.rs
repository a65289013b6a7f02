//! API composition: whoever asks reads both services and joins what they answer.
//!
//! Each service answers from its own database, with the tables that the product has. The reads are
//! as good as they can be: only the columns that are needed, filtered by the service, and with
//! indexes that the services themselves do not need ([`Composer::index_for_composition`]).

use std::collections::HashSet;
use std::path::Path;

use domain::{Customer, CustomerId, Money, OrderState, Service, Timestamp};
use projections::CustomerDocument;
use sea_orm::{
    ColumnTrait, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};
use store::ServiceDatabase;
use store::services::customers::tables::customer;
use store::services::customers::{self, StoredCustomer};
use store::services::orders::tables::order;
use store::services::orders::{self, StoredOrder};
use uuid::Uuid;

use super::data::Data;
use super::{ComposedAnswer, Question};

const SHARDS: u16 = 16;
/// Rows of one statement while filling.
const ROWS: usize = 1_000;

/// The two services, each with its own database.
pub struct Composer {
    customers: ServiceDatabase,
    orders: ServiceDatabase,
    /// Fills the databases and makes indexes; the services' own connections only read.
    filling: [DatabaseConnection; 2],
}

impl Composer {
    /// Makes both databases and fills their tables.
    pub async fn fill(folder: &Path, data: &Data) -> anyhow::Result<Self> {
        let customers = ServiceDatabase::open_embedded(customers::SCHEMA, folder, SHARDS).await?;
        let orders = ServiceDatabase::open_embedded(orders::SCHEMA, folder, SHARDS).await?;

        let filling = [
            connect(folder, domain::CUSTOMERS).await?,
            connect(folder, domain::ORDERS).await?,
        ];
        let [to_customers, to_orders] = &filling;

        for part in data.customers.chunks(ROWS) {
            let row = |customer: &Customer| {
                let stored = StoredCustomer {
                    entity: customer.clone(),
                    created_by: None,
                    remembered: Vec::new(),
                };
                customers::to_row(&stored).into_active_model()
            };
            customer::Entity::insert_many(part.iter().map(row))
                .exec_without_returning(to_customers)
                .await?;
        }

        for part in data.orders.chunks(ROWS) {
            let mut rows = Vec::with_capacity(part.len());
            for (order, created) in part {
                let stored = StoredOrder {
                    entity: order.clone(),
                    created_by: None,
                    remembered: Vec::new(),
                };
                rows.push(orders::to_row(&stored, Some(created))?.into_active_model());
            }
            order::Entity::insert_many(rows)
                .exec_without_returning(to_orders)
                .await?;
        }

        Ok(Composer {
            customers,
            orders,
            filling,
        })
    }

    /// What composition asks of the services beyond what they need themselves: the customers
    /// service finds customers by their creation, and the orders service orders by customer. Each
    /// order then costs its service one more page written.
    pub async fn index_for_composition(&self) -> anyhow::Result<()> {
        let [customers, orders] = &self.filling;
        customers
            .execute_unprepared("CREATE INDEX composition ON customers (created_at, customer_id)")
            .await?;

        orders
            .execute_unprepared(
                "CREATE INDEX composition ON orders (customer_id, state, total_cents)",
            )
            .await?;

        for database in [customers, orders] {
            database.execute_unprepared("ANALYZE").await?;
        }

        Ok(())
    }

    /// 1+N: the recent customers, then one read of the orders service for each of them;
    /// `until_full` ends as soon as the page is full.
    pub async fn one_by_one(
        &self,
        question: Question,
        until_full: bool,
    ) -> anyhow::Result<ComposedAnswer> {
        let recent = self.recent(question).await?;

        let mut answer = ComposedAnswer {
            customers: Vec::new(),
            trips: 1,
            rows: u64::try_from(recent.len())?,
        };

        let limit = usize::from(question.limit);
        for customer in recent {
            if until_full && answer.customers.len() >= limit {
                break;
            }
            let found = valuable(question)
                .filter(order::Column::CustomerId.eq(customer.customer_id))
                .limit(1);
            let found: Option<Uuid> = found.into_tuple().one(&self.orders.read).await?;
            answer.trips += 1;
            answer.rows += u64::from(found.is_some());
            if found.is_some() {
                answer.customers.push(shown(customer));
            }
        }

        answer.customers.truncate(limit);

        Ok(answer)
    }

    /// Two bulk reads: the recent customers, then all valuable orders of these customers, joined
    /// here.
    pub async fn bulk(&self, question: Question) -> anyhow::Result<ComposedAnswer> {
        let recent = self.recent(question).await?;
        let ids = recent.iter().map(|customer| customer.customer_id);
        let found = valuable(question).filter(order::Column::CustomerId.is_in(ids));
        let owners: Vec<Uuid> = found.into_tuple().all(&self.orders.read).await?;
        let rows = u64::try_from(recent.len() + owners.len())?;
        let owners: HashSet<Uuid> = owners.into_iter().collect();

        let joined = recent
            .into_iter()
            .filter(|customer| owners.contains(&customer.customer_id));

        let customers = joined
            .take(usize::from(question.limit))
            .map(shown)
            .collect();

        Ok(ComposedAnswer {
            customers,
            trips: 2,
            rows,
        })
    }

    /// The customers created since, newest first.
    async fn recent(&self, question: Question) -> anyhow::Result<Vec<customer::Model>> {
        let recent = customer::Entity::find()
            .filter(customer::Column::CreatedAt.gt(question.since.micros()));
        let newest = recent
            .order_by_desc(customer::Column::CreatedAt)
            .order_by_desc(customer::Column::CustomerId);
        Ok(newest.all(&self.customers.read).await?)
    }

    /// Closes all connections.
    pub async fn close(self) {
        self.customers.close().await;
        self.orders.close().await;
    }
}

/// The customers of valuable orders.
fn valuable(question: Question) -> sea_orm::Select<order::Entity> {
    order::Entity::find()
        .select_only()
        .column(order::Column::CustomerId)
        .filter(order::Column::State.eq(OrderState::Approved.name()))
        .filter(order::Column::TotalCents.gte(question.min_total.cents()))
}

fn shown(row: customer::Model) -> CustomerDocument {
    CustomerDocument::from(Customer {
        id: CustomerId(row.customer_id),
        name: row.name,
        credit_limit: Money::from_cents(row.credit_limit_cents),
        reserved: Money::from_cents(row.reserved_cents),
        version: u64::try_from(row.version).unwrap_or_default(),
        created_at: Timestamp::from_micros(row.created_at),
        updated_at: Timestamp::from_micros(row.updated_at),
        limit_corrected_at: None,
    })
}

/// A connection that writes. What it writes need not be durable.
async fn connect(folder: &Path, service: Service) -> anyhow::Result<DatabaseConnection> {
    let file = folder.join(format!("{service}.db"));
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rw", file.display()));
    options.max_connections(1).sqlx_logging(false);
    options.map_sqlx_sqlite_opts(|sqlite| sqlite.pragma("synchronous", "OFF"));
    Ok(Database::connect(options).await?)
}
