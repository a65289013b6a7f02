//! What one HTTP thread uses: it hands new orders to the lane of this node, and reads and writes
//! everything else beside the lanes, from the rows themselves.

use domain::Money;
use sea_orm::sqlx::postgres::PgPoolOptions;
use sea_orm::sqlx::{self, PgPool, Row};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::options::Options;
use super::orders;
use super::pacing::InFlight;
use crate::floor::messages::{OrderOutcome, now};
use crate::floor::reader::{CustomerDocument, OrderDocument};
use crate::floor::routes::{Backend, NewOrder};

/// Connections of an HTTP thread to each database.
const CONNECTIONS: u32 = 4;

const CREATE: &str = "INSERT INTO customers (customer_id, name, credit_limit_cents, \
    reserved_cents, version, created_at, updated_at) VALUES ($1, $2, $3, 0, 1, $4, $4)";
const CUSTOMER: &str = "SELECT name, credit_limit_cents, reserved_cents, version FROM customers \
    WHERE customer_id = $1";
const ORDER: &str = "SELECT customer_id, customer_name, total_cents, state, rejection_reason, \
    version FROM orders WHERE order_id = $1";

/// What the handlers of one HTTP thread use.
pub struct State {
    orders: UnboundedSender<orders::Message>,
    in_flight: InFlight,
    customers_database: PgPool,
    orders_database: PgPool,
}

impl State {
    /// Connections are made when they are needed, in the runtime of this thread.
    #[must_use]
    pub fn new(
        orders: UnboundedSender<orders::Message>,
        in_flight: InFlight,
        options: &Options,
    ) -> State {
        let pool = |database: &super::options::Database| {
            PgPoolOptions::new()
                .max_connections(CONNECTIONS)
                .connect_lazy_with(database.beside_a_lane(&options.namespace))
        };

        State {
            orders,
            in_flight,
            customers_database: pool(&options.customers_database_url),
            orders_database: pool(&options.orders_database_url),
        }
    }

    /// The owner of the customer's shard finds it when it needs it.
    async fn insert(&self, name: String, limit: Money) -> Result<Uuid, sqlx::Error> {
        let id = Uuid::now_v7();
        sqlx::query(CREATE)
            .bind(id)
            .bind(name)
            .bind(limit.cents())
            .bind(now())
            .execute(&self.customers_database)
            .await?;
        Ok(id)
    }
}

impl Backend for State {
    async fn create_customer(&self, name: String, limit: Money) -> Option<Uuid> {
        let created = self.insert(name, limit).await;
        created
            .inspect_err(|error| eprintln!("cluster_floor: cannot create a customer: {error}"))
            .ok()
    }

    async fn create_order(&self, order: NewOrder) -> Option<OrderOutcome> {
        let _counted = self.in_flight.count();
        let (answer, ended) = oneshot::channel();

        let order = orders::Message::Create(order, answer);
        self.orders.send(order).ok()?;
        ended.await.ok()
    }

    async fn customer(&self, id: Uuid) -> anyhow::Result<Option<CustomerDocument>> {
        let found = sqlx::query(CUSTOMER).bind(id);
        let Some(row) = found.fetch_optional(&self.customers_database).await? else {
            return Ok(None);
        };

        let (limit, reserved): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
        Ok(Some(CustomerDocument {
            customer_id: id,
            name: row.try_get(0)?,
            credit_limit: Money::from_cents(limit),
            available_credit: Money::from_cents(limit - reserved),
            version: row.try_get(3)?,
        }))
    }

    async fn order(&self, id: Uuid) -> anyhow::Result<Option<OrderDocument>> {
        let found = sqlx::query(ORDER).bind(id);
        let Some(row) = found.fetch_optional(&self.orders_database).await? else {
            return Ok(None);
        };

        Ok(Some(OrderDocument {
            order_id: id,
            customer_id: row.try_get(0)?,
            customer_name: row.try_get(1)?,
            order_total: Money::from_cents(row.try_get(2)?),
            state: row.try_get(3)?,
            rejection_reason: row.try_get(4)?,
            version: row.try_get(5)?,
        }))
    }
}
