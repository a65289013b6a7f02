//! What a node reads again and again goes by indexes, on plans that were made while the tables were
//! empty, too: nobody makes them anew before the server has counted the rows.

use sagas::{SagaId, ShardId, Timestamp};
use sea_orm::sqlx;
use serde_json::Value;
use uuid::Uuid;

use super::*;
use crate::testing::BOOKINGS;
use crate::{census, entities, history, parking, sagas as stored_sagas, timers};

/// As many as no look at an index reads.
const ROWS: i64 = 5_000;

/// A plan is kept after some executions.
const OFTEN: usize = 8;

const TABLES: [&str; 5] = ["entities", "sagas", "timers", "outbox", "parked_messages"];

fn filled() -> String {
    let rows = format!("FROM generate_series(1, {ROWS}) n");
    format!(
        "INSERT INTO entities (entity_id, version, state, created_at, updated_at) \
         SELECT gen_random_uuid(), 1, '{{}}', n, n {rows}; \
         INSERT INTO sagas (saga_id, kind, definition_version, state, shard, entity_id, data, \
         steps, attempts, commands_sent, started_at, updated_at, deadline, version) \
         SELECT gen_random_uuid(), 'book', 1, 'COMPLETED', n % 2, gen_random_uuid(), '{{}}', \
         '[]', 0, 0, n, n, n, 1 {rows}; \
         INSERT INTO timers (timer_id, shard, wake_at, patience) \
         SELECT saga_id, 1, 1, 1 FROM sagas LIMIT 3; \
         INSERT INTO outbox (shard, sequence, count, entity_id, version, correlation_id, time, \
         events) SELECT n % 2, n, 1, gen_random_uuid(), 1, gen_random_uuid(), n, '[]' {rows}; \
         INSERT INTO parked_messages (message_id, shard, entity_id, place, source_service, \
         source_shard, source_sequence, name, type_version, correlation_id, time, body, attempts, \
         state, parked_at, version) SELECT gen_random_uuid(), n % 2, gen_random_uuid(), n, \
         'rooms', 0, n, 'x', 1, gen_random_uuid(), n, '{{}}', 0, 'WAITING', n, 1 {rows}"
    )
}

/// What a running node reads for each piece of work, or all the time.
async fn read(database: &ServiceDatabase) {
    let (shard, id) = (ShardId::new(BOOKINGS, 0), Uuid::now_v7());
    for _ in 0..OFTEN {
        let ids: Vec<Uuid> = (0..4).map(|_| Uuid::now_v7()).collect();
        entities::load::<Value>(database, &ids).await.unwrap();
        entities::memories(database, &ids).await.unwrap();
        census::saga_state(database, SagaId(id)).await.unwrap();
        census::open_sagas(database).await.unwrap();
        stored_sagas::entity_of(database, SagaId(id)).await.unwrap();
        timers::of_shard(database, shard).await.unwrap();
        history::events(database, shard, id, 1, 10).await.unwrap();
        let now = Timestamp::from_micros(1);
        history::version_at(database, shard, id, now).await.unwrap();
        let parked = [sagas::MessageId(id)];
        parking::load(database, &parked).await.unwrap();
        parking::count_of(database, id).await.unwrap();
        parking::next_behind(database, shard, id, 0).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn what_is_read_all_the_time_walks_over_no_table_that_was_small_once() {
    let server = TestDatabase::new();
    let database = open(&server.address()).await.unwrap();
    read(&database).await;

    server.run(&filled()).await;
    let mut looking = server.connect().await;
    let reset = "SELECT pg_stat_reset()";
    sqlx::query(reset).execute(&mut looking).await.unwrap();
    read(&database).await;
    database.close().await;
    // What a session has read is told when it ends, and it is shown until then.
    let gone = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
        AND pid <> pg_backend_pid()";
    while sqlx::query_scalar::<_, i64>(gone)
        .fetch_one(&mut looking)
        .await
        .unwrap()
        > 0
    {
        tokio::task::yield_now().await;
    }

    for table in TABLES {
        let rows = "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables \
            WHERE relname = $1";
        let rows = sqlx::query_scalar::<_, i64>(rows).bind(table);
        let rows = rows.fetch_one(&mut looking).await.unwrap();
        assert!(rows < ROWS, "{rows} rows of {table} were read");
    }
}
