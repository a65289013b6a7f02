//! A migration that is killed anywhere is carried on by the next start.
//!
//! How it is tested: SQLite calls us after each instruction of its virtual machine. Whenever the
//! files have changed by then, we copy them: the copies are what a `kill -9` at any moment can
//! leave behind. Each is then opened as a node would, and must come to the schema of a new database
//! and to the rows of an upgrade that nobody disturbed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use rusqlite::types::Value;
use sea_orm_migration::seaql_migrations;
use tempfile::TempDir;

use sea_orm::ActiveValue;

use super::*;
use crate::ServiceDatabase;
use crate::database::{Use, connect};

const SHARDS: u16 = 2;
/// What a service's database is made of on disk; the third file is memory that processes share.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// From where a migration begins.
#[derive(Clone, Copy, Debug)]
enum From {
    Nothing,
    /// A database of the first schema, with rows.
    FirstSchema,
}

impl From {
    fn lay_out(self, service: Service, folder: &Path) {
        let From::FirstSchema = self else { return };
        let sql = match service {
            domain::CUSTOMERS => include_str!("tests/first_customers.sql"),
            _ => include_str!("tests/first_orders.sql"),
        };
        let connection = Connection::open(file(service, folder)).unwrap();
        connection.execute_batch(sql).unwrap();
    }
}

fn file(service: Service, folder: &Path) -> PathBuf {
    folder.join(format!("{service}.db"))
}

/// The states of a database's files that a kill can leave behind.
struct Kills {
    service: Service,
    folder: PathBuf,
    lengths: Vec<u64>,
    states: Vec<TempDir>,
}

impl Kills {
    fn of(service: Service, folder: &Path) -> Self {
        Kills {
            service,
            folder: folder.to_owned(),
            lengths: Vec::new(),
            states: Vec::new(),
        }
    }

    /// Files only grow here: nothing is copied back from the log, and nothing is deleted.
    fn look(&mut self) {
        let path = file(self.service, &self.folder);
        let files = SUFFIXES.map(|suffix| PathBuf::from(format!("{}{suffix}", path.display())));
        let length = |file: &PathBuf| fs::metadata(file).map_or(0, |data| data.len());
        let lengths: Vec<u64> = files.iter().map(length).collect();
        if lengths == self.lengths {
            return;
        }

        let state = tempfile::tempdir().unwrap();
        for file in files.iter().filter(|file| file.exists()) {
            fs::copy(file, state.path().join(file.file_name().unwrap())).unwrap();
        }
        self.lengths = lengths;
        self.states.push(state);
    }
}

/// Who runs the migrations.
#[derive(Clone, Copy, Debug)]
enum By {
    ThisRelease,
    /// Statement by statement, each a transaction of its own, and the row at the end.
    Release01,
}

/// Migrates the database in a folder, and gives every state that a kill can leave behind.
async fn states(by: By, service: Service, folder: &Path) -> Vec<TempDir> {
    let connection = connect(&file(service, folder), Use::Write).await.unwrap();
    let kills = Arc::new(Mutex::new(Kills::of(service, folder)));

    let watch = Arc::clone(&kills);
    let pool = connection.get_sqlite_connection_pool().clone();
    let mut pooled = pool.acquire().await.unwrap();
    pooled
        .lock_handle()
        .await
        .unwrap()
        .set_progress_handler(1, move || {
            watch.lock().unwrap().look();
            true
        });
    drop(pooled);

    match (by, service) {
        (By::ThisRelease, _) => migrate(service, &connection).await.unwrap(),
        (By::Release01, domain::CUSTOMERS) => one_by_one::<CustomersMigrator>(&connection).await,
        (By::Release01, _) => one_by_one::<OrdersMigrator>(&connection).await,
    }

    let mut kills = kills.lock().unwrap();
    kills.look();
    std::mem::take(&mut kills.states)
}

async fn one_by_one<M: MigratorTrait>(connection: &DatabaseConnection) {
    let applied = M::get_migration_models(connection).await.unwrap();
    let is_applied = |name: &str| applied.iter().any(|row| row.version == name);

    for migration in M::migrations() {
        if is_applied(migration.name()) {
            continue;
        }
        migration.up(&SchemaManager::new(connection)).await.unwrap();
        let row = seaql_migrations::ActiveModel {
            version: ActiveValue::Set(migration.name().to_owned()),
            applied_at: ActiveValue::Set(0),
        };
        seaql_migrations::Entity::insert(row)
            .exec(connection)
            .await
            .unwrap();
    }
}

/// Opens a database as a node does, and gives what it has then.
async fn opened(service: Service, folder: &Path) -> Contents {
    ServiceDatabase::open_embedded(service, folder, SHARDS)
        .await
        .unwrap()
        .close()
        .await;
    Contents::of(&Connection::open(file(service, folder)).unwrap())
}

/// The columns of each table: name, whether it may be absent, and place in the key.
type Tables = BTreeMap<String, BTreeSet<(String, bool, i64)>>;

#[derive(Debug, PartialEq)]
struct Contents {
    /// Tables by name with their columns, in any order: whether they may be null, their place in
    /// the key.
    tables: Tables,
    /// Indexes and views, with their text.
    others: BTreeMap<String, String>,
    /// Rows by table, each as its columns by name.
    rows: BTreeMap<String, Vec<String>>,
}

impl Contents {
    fn of(connection: &Connection) -> Self {
        let named = |kind: &str| -> BTreeMap<String, String> {
            let sql = "SELECT name, sql FROM sqlite_master WHERE type = ? AND sql IS NOT NULL";
            let mut statement = connection.prepare(sql).unwrap();
            let rows = statement.query_map([kind], |row| Ok((row.get(0)?, row.get(1)?)));
            rows.unwrap().map(Result::unwrap).collect()
        };

        let columns = |table: &String| {
            let sql = "SELECT name, \"notnull\", pk FROM pragma_table_info(?)";
            let mut statement = connection.prepare(sql).unwrap();
            let rows =
                statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
            rows.unwrap().map(Result::unwrap).collect()
        };

        let tables: Vec<String> = named("table").into_keys().collect();
        let others = [named("index"), named("view")].into_iter().flatten();

        Contents {
            // When a migration was applied is no part of it.
            rows: tables
                .iter()
                .filter(|table| *table != "seaql_migrations")
                .map(|table| (table.clone(), rows(connection, table)))
                .collect(),
            tables: tables
                .iter()
                .map(|table| (table.clone(), columns(table)))
                .collect(),
            others: others.collect(),
        }
    }

    fn schema(&self) -> (&Tables, &BTreeMap<String, String>) {
        (&self.tables, &self.others)
    }
}

fn rows(connection: &Connection, table: &str) -> Vec<String> {
    let mut statement = connection
        .prepare(&format!("SELECT * FROM {table}"))
        .unwrap();
    let names: Vec<String> = statement
        .column_names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let shown = |row: &rusqlite::Row<'_>| {
        let values = names
            .iter()
            .map(|name| Ok((name.clone(), row.get::<_, Value>(name.as_str())?)));
        let values = values.collect::<rusqlite::Result<BTreeMap<String, Value>>>()?;
        Ok(format!("{values:?}"))
    };
    let mut rows: Vec<String> = statement
        .query_map([], shown)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    rows.sort();
    rows
}

/// Every state that a kill leaves behind becomes what an undisturbed upgrade gives.
async fn every_kill_is_carried_on(by: By) {
    for service in domain::SERVICES {
        let fresh = tempfile::tempdir().unwrap();
        let fresh = opened(service, fresh.path()).await;

        for from in [From::Nothing, From::FirstSchema] {
            let undisturbed = tempfile::tempdir().unwrap();
            from.lay_out(service, undisturbed.path());
            let expected = opened(service, undisturbed.path()).await;
            assert_eq!(expected.schema(), fresh.schema(), "{service} from {from:?}");

            let folder = tempfile::tempdir().unwrap();
            from.lay_out(service, folder.path());
            let states = states(by, service, folder.path()).await;
            assert!(
                states.len() > 1,
                "the kills were not seen: {}",
                states.len()
            );
            for (number, state) in states.iter().enumerate() {
                let contents = opened(service, state.path()).await;
                assert_eq!(
                    contents, expected,
                    "{service} from {from:?}, killed at {number}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_migration_killed_anywhere_is_carried_on_by_the_next_start() {
    every_kill_is_carried_on(By::ThisRelease).await;
}

#[tokio::test]
async fn a_database_in_which_release_0_1_was_killed_anywhere_starts_again() {
    every_kill_is_carried_on(By::Release01).await;
}

#[tokio::test]
async fn a_migration_and_its_row_become_visible_at_once() {
    for service in domain::SERVICES {
        let folder = tempfile::tempdir().unwrap();
        let known = match service {
            domain::CUSTOMERS => CustomersMigrator::migrations().len(),
            _ => OrdersMigrator::migrations().len(),
        };
        // Nothing, the table of applied migrations, and each migration.
        let states = states(By::ThisRelease, service, folder.path()).await;
        assert!(
            states.len() <= known + 3,
            "{} states of {known} migrations",
            states.len()
        );
    }
}

#[tokio::test]
async fn a_database_of_a_newer_release_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    opened(domain::ORDERS, folder.path()).await;
    let connection = Connection::open(file(domain::ORDERS, folder.path())).unwrap();
    let later = "INSERT INTO seaql_migrations VALUES ('m2999_01_01_000001_later', 0)";
    connection.execute(later, []).unwrap();

    let refused = ServiceDatabase::open_embedded(domain::ORDERS, folder.path(), SHARDS).await;
    let line = refused.unwrap_err().to_string();
    assert!(
        line.contains("orders.db was written by a newer release"),
        "{line}"
    );
    assert!(line.contains("m2999_01_01_000001_later"), "{line}");
}
