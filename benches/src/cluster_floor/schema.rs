//! The tables of a run, in a schema of its own in each database: the product's, without those that
//! a create-order saga does not touch.
//!
//! Nodes may start at the same time. The first makes the tables; each takes its shards, once: a
//! schema in which somebody has taken them already belongs to another run.

use anyhow::{Context, ensure};
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::{self, AssertSqlSafe, ConnectOptions, Connection};

use super::lane::Service;
use super::options::{Form, Options};
use super::ownership::Ownership;
use super::statements::{Kind, Statement, define};

/// The epoch of every shard: shards do not move here.
pub const EPOCH: i64 = 1;

/// Any number that nobody else takes.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7165074649429406311)";

/// The tables of the orders service.
pub const ORDERS: &str = "
CREATE TABLE orders (
    order_id uuid PRIMARY KEY, customer_id uuid NOT NULL, customer_name text,
    total_cents bigint NOT NULL, state text NOT NULL, rejection_reason text,
    version bigint NOT NULL, created_at bigint NOT NULL, updated_at bigint NOT NULL,
    lines text, note text, request_fingerprint uuid, remembered_keys text);
CREATE TABLE sagas (
    saga_id uuid PRIMARY KEY, kind text NOT NULL, state text NOT NULL, shard int NOT NULL,
    order_id uuid NOT NULL, customer_id uuid NOT NULL, amount_cents bigint NOT NULL, reason text,
    steps text NOT NULL, attempts int NOT NULL, started_at bigint NOT NULL,
    updated_at bigint NOT NULL, ended_at bigint, deadline bigint NOT NULL, wake_at bigint,
    version bigint NOT NULL, remembered_keys text);
CREATE INDEX sagas_by_start ON sagas (started_at, saga_id);
CREATE INDEX sagas_open ON sagas (shard, wake_at) WHERE ended_at IS NULL;
";

/// The tables of the customers service.
pub const CUSTOMERS: &str = "
CREATE TABLE customers (
    customer_id uuid PRIMARY KEY, name text NOT NULL, credit_limit_cents bigint NOT NULL,
    reserved_cents bigint NOT NULL, version bigint NOT NULL, created_at bigint NOT NULL,
    updated_at bigint NOT NULL, request_fingerprint uuid);
CREATE TABLE reservations (
    order_id uuid PRIMARY KEY, customer_id uuid NOT NULL, amount_cents bigint NOT NULL);
";

/// In both databases. An inbox for each form: a row a pair of shards, or one a shard.
const MESSAGES: &str = "
CREATE TABLE settings (name text PRIMARY KEY, value text NOT NULL);
CREATE TABLE shards (shard int PRIMARY KEY, epoch bigint NOT NULL, owner text NOT NULL);
CREATE TABLE outbox (
    shard int NOT NULL, sequence bigint NOT NULL, count int NOT NULL, entity_id uuid NOT NULL,
    version bigint, correlation_id uuid NOT NULL, time bigint NOT NULL, events text, messages text,
    PRIMARY KEY (shard, sequence));
CREATE UNIQUE INDEX outbox_history ON outbox (entity_id, version) WHERE version IS NOT NULL;
CREATE TABLE inbox (
    shard int NOT NULL, source_service text NOT NULL, source_shard int NOT NULL,
    position bigint NOT NULL, PRIMARY KEY (shard, source_service, source_shard));
CREATE TABLE inbox_of_shard (shard int PRIMARY KEY, positions bytea NOT NULL);
INSERT INTO shards SELECT shard, 0, '' FROM generate_series(0, 15) AS shard;
INSERT INTO inbox_of_shard SELECT shard, '' FROM generate_series(0, 15) AS shard;
";

/// Gives a shard that nobody has had to a node.
const TAKE: &str = "UPDATE shards SET epoch = $1, owner = $2 WHERE shard = ANY($3) AND epoch = 0";

/// Locks the epoch rows of the shards to which a batch writes: the first thing that it does.
pub static FENCE: Statement = Statement {
    sql: "SELECT 1 FROM shards JOIN (SELECT unnest($1) AS shard, unnest($2) AS epoch) AS held \
          ON shards.shard = held.shard AND shards.epoch = held.epoch \
          ORDER BY shards.shard FOR SHARE OF shards",
    columns: &[Kind::Int, Kind::BigInt],
};

/// Makes the schema of a service, unless another node has, and takes this node's shards.
///
/// # Errors
/// When the schema belongs to another run, or to nodes that are set otherwise.
pub async fn prepare<S: Service>(
    database: &PgConnectOptions,
    options: &Options,
    ownership: Ownership,
) -> anyhow::Result<()> {
    let mut connection = database.connect().await.context("cannot connect")?;
    let mut transaction = connection.begin().await?;
    let lock = sqlx::query(LOCK);
    lock.execute(&mut *transaction).await?;

    let schema = &options.namespace.0;
    let made: bool = sqlx::query_scalar("SELECT to_regnamespace($1) IS NOT NULL")
        .bind(schema)
        .fetch_one(&mut *transaction)
        .await?;
    if !made {
        let all = format!(
            "CREATE SCHEMA {schema}; {MESSAGES} {} {}",
            S::TABLES,
            define(S::FUNCTION, &S::statements(Form::Best)),
        );
        let all = sqlx::raw_sql(AssertSqlSafe(all));
        all.execute(&mut *transaction).await?;
    }

    sqlx::query("INSERT INTO settings VALUES ('layout', $1) ON CONFLICT DO NOTHING")
        .bind(options.layout())
        .execute(&mut *transaction)
        .await?;
    let layout: String = sqlx::query_scalar("SELECT value FROM settings WHERE name = 'layout'")
        .fetch_one(&mut *transaction)
        .await?;
    ensure!(
        layout == options.layout(),
        "namespace: {schema} is set to {layout}; allowed is the same, or a new one"
    );

    let shards: Vec<i32> = ownership.shards().map(i32::from).collect();
    let taken = sqlx::query(TAKE)
        .bind(EPOCH)
        .bind(format!("node {}", options.node))
        .bind(&shards)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    ensure!(
        usize::try_from(taken).ok() == Some(shards.len()),
        "namespace: {schema} has had a node {}; allowed is a new one",
        options.node
    );

    Ok(transaction.commit().await?)
}
