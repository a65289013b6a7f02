//! What a database leaves on its disk, and how its connections are set.

use rusqlite::{Connection, StatementStatus};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::*;
use crate::testing::ROOMS_SCHEMA;

#[tokio::test]
async fn a_database_that_was_closed_is_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let database = ServiceDatabase::open_embedded(ROOMS_SCHEMA, folder.path(), 1)
        .await
        .unwrap();
    let [file, log, index] = all_of(database.file());
    assert!(log.exists(), "it keeps commits in a second file meanwhile");

    database.set("name", "value").await.unwrap();
    database.close().await;
    assert!(file.exists() && !log.exists() && !index.exists());
}

/// See `.cargo/config.toml`: how SQLite is compiled decides this.
#[test]
fn a_statement_with_another_limit_is_not_parsed_and_planned_again() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE a (b)").unwrap();

    let mut statement = connection.prepare("SELECT b FROM a LIMIT ?").unwrap();
    for limit in 1..=3 {
        assert!(!statement.exists([limit]).unwrap());
    }
    assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
}

#[tokio::test]
async fn every_connection_that_writes_does_so_durably() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let names = ["synchronous", "cache_size", "wal_autocheckpoint"];

    let by_sea_orm = connect(&file, Use::Write).await.unwrap();
    let journal = open_to_commit(&file).unwrap();
    for (name, expected) in names.into_iter().zip([2, -4096, 2000]) {
        let sql = format!("PRAGMA {name}");
        let statement = Statement::from_string(DbBackend::Sqlite, sql);
        let row = by_sea_orm.query_one_raw(statement).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index(0), Ok(expected), "{name}");
        assert_eq!(of(&journal, name), expected, "{name}");
    }
    assert_eq!(of(&journal, "journal_size_limit"), 67_108_864);
    assert_eq!(of(&journal, "mmap_size"), 0x7fff_0000);
}

fn of(connection: &Connection, name: &str) -> i64 {
    let value = connection.pragma_query_value(None, name, |row| row.get(0));
    value.unwrap()
}

#[tokio::test]
async fn a_connection_that_reads_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let database = ServiceDatabase::open_embedded(ROOMS_SCHEMA, folder.path(), 1)
        .await
        .unwrap();

    let refused = database.read.execute_unprepared("DELETE FROM settings");
    let error = refused.await.unwrap_err().to_string();
    assert!(error.contains("readonly"), "{error}");
}
