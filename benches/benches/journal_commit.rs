//! Units per second through the journal, by units per commit, durable: a real SQLite file with
//! `synchronous=FULL`.
//!
//! A unit is the first step of a create-order saga: an order, a saga, an outbox row. For scale, the
//! same rows by SeaORM's `insert_many` in one transaction: what the journal would cost if it did
//! not write below SeaORM.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot go on ends with a message"
)]

mod support {
    pub mod allocator;
    pub mod basket;
    pub mod folder;
    pub mod gate;
    pub mod units;
}

use std::time::{Duration, Instant};

use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ActiveModelTrait, ConnectOptions, Database, DatabaseConnection, EntityTrait, IntoActiveModel,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use serde_json::json;
use store::ServiceDatabase;
use store::services::orders;
use store::services::orders::tables::order;
use store::tables::{outbox, saga};
use support::folder::folder;
use support::gate::commit_at_once;
use support::units::{FirstStep, OrdersStore, SHARDS};
use tokio::runtime::Runtime;

const BATCHES: [usize; 4] = [1, 10, 100, 500];

fn journal_commit(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime can be started");

    let mut group = criterion.benchmark_group("journal_commit");
    group.sampling_mode(SamplingMode::Flat);
    // Each begins with empty tables of its own, because larger ones are slower to write.
    for batch in BATCHES {
        group.throughput(Throughput::Elements(u64::try_from(batch).unwrap_or(0)));
        let (mut store, _log) = runtime.block_on(OrdersStore::open());
        group.bench_function(BenchmarkId::new("journal", batch), |bencher| {
            bencher
                .iter_custom(|times| (0..times).map(|_| commit_at_once(&mut store, batch)).sum());
        });
        let folder = folder();
        let connection = runtime.block_on(connect_by_seaorm(folder.path()));
        group.bench_function(BenchmarkId::new("seaorm-insert-many", batch), |bencher| {
            bencher.iter_custom(|times| {
                let mut steps = || (0..batch).map(|_| store.first_step()).collect();
                (0..times)
                    .map(|_| runtime.block_on(insert_many(&connection, steps())))
                    .sum()
            });
        });
        runtime.block_on(async {
            store.close().await;
            connection.close().await.expect("the connection closes");
        });
    }

    group.finish();
}

/// A connection to an orders database of its own, with the durability of the journal's.
async fn connect_by_seaorm(folder: &std::path::Path) -> DatabaseConnection {
    let database = ServiceDatabase::open_embedded(orders::SCHEMA, folder, SHARDS).await;
    database.expect("the database can be made").close().await;

    let file = folder.join(format!("{}.db", domain::ORDERS));
    let mut options = ConnectOptions::new(format!("sqlite://{}", file.display()));
    options
        .max_connections(1)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .pragma("wal_autocheckpoint", "4000")
        });

    Database::connect(options)
        .await
        .expect("the database can be opened")
}

/// The rows of the steps in one transaction, three statements; says how long it took.
async fn insert_many(connection: &DatabaseConnection, steps: Vec<FirstStep>) -> Duration {
    let outbox: Vec<_> = steps
        .iter()
        .map(outbox_row)
        .map(new::<outbox::ActiveModel, _>)
        .collect();

    let (orders, sagas): (Vec<_>, Vec<_>) = steps
        .into_iter()
        .map(|step| {
            (
                new::<order::ActiveModel, _>(step.order),
                new::<saga::ActiveModel, _>(step.saga),
            )
        })
        .unzip();

    let begun = Instant::now();

    let immediate = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };

    let transaction = connection
        .begin_with_options(immediate)
        .await
        .expect("a transaction begins");

    order::Entity::insert_many(orders)
        .exec_without_returning(&transaction)
        .await
        .expect("orders are inserted");

    saga::Entity::insert_many(sagas)
        .exec_without_returning(&transaction)
        .await
        .expect("sagas are inserted");

    outbox::Entity::insert_many(outbox)
        .exec_without_returning(&transaction)
        .await
        .expect("messages are inserted");

    transaction.commit().await.expect("it commits");

    begun.elapsed()
}

/// A row that is not in the database yet.
fn new<A: ActiveModelTrait, M: IntoActiveModel<A>>(row: M) -> A {
    row.into_active_model().reset_all()
}

/// The row that the journal writes for a unit's messages.
fn outbox_row(step: &FirstStep) -> outbox::Model {
    let outgoing = &step.outgoing;
    let events: Vec<_> = outgoing
        .events
        .iter()
        .map(|event| json!({"type": event.name, "v": event.type_version, "data": &*event.body}))
        .collect();

    let messages: Vec<_> = outgoing
        .messages
        .iter()
        .map(|message| {
            json!({
                "type": message.name, "v": message.type_version, "to": message.destination.service,
                "shard": message.destination.number, "entity": message.entity,
                "data": &*message.body,
            })
        })
        .collect();

    outbox::Model {
        shard: i32::from(step.shard.number),
        sequence: i64::try_from(outgoing.first_sequence).unwrap_or(0),
        count: i32::try_from(outgoing.count()).unwrap_or(0),
        entity_id: outgoing.entity,
        version: i64::try_from(outgoing.first_version).ok(),
        correlation_id: outgoing.correlation_id,
        time: outgoing.time.micros(),
        events: serde_json::to_string(&events).ok(),
        messages: serde_json::to_string(&messages).ok(),
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = journal_commit
}
criterion_main!(benches);
