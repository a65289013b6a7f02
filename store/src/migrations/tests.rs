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

use ::sagas::Service;
use rusqlite::Connection;
use rusqlite::types::Value;
use sea_orm::{ActiveValue, DatabaseConnection, EntityTrait};
use sea_orm_migration::seaql_migrations;
use tempfile::TempDir;

use super::*;
use crate::ServiceDatabase;
use crate::database::{Use, connect};
use crate::testing::{BOOKINGS_SCHEMA, ROOMS, ROOMS_SCHEMA};

const SHARDS: u16 = 2;
/// What a service's database is made of on disk; the third file is memory that processes share.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// From what migrations begin: a database of release 0.1 with rows, as SQL, or nothing.
#[derive(Clone, Copy, Debug)]
struct From(Option<&'static str>);

impl From {
    fn lay_out(self, service: Service, folder: &Path) {
        let Some(sql) = self.0 else { return };
        let connection = Connection::open(file(service, folder)).unwrap();
        connection.execute_batch(sql).unwrap();
    }
}

/// Services, each with what its migrations begin from.
fn services() -> Vec<(ServiceSchema, Vec<From>)> {
    let of_tests = [ROOMS_SCHEMA, BOOKINGS_SCHEMA];
    let new = of_tests.map(|schema| (schema, vec![From(None)]));

    #[cfg(feature = "shop")]
    let released = crate::services::RELEASED.map(|(schema, first)| {
        let from = vec![From(None), From(Some(first))];
        (schema, from)
    });
    #[cfg(not(feature = "shop"))]
    let released = [];

    new.into_iter().chain(released).collect()
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
async fn states(by: By, schema: &ServiceSchema, folder: &Path) -> Vec<TempDir> {
    let service = schema.service;
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

    match by {
        By::ThisRelease => migrate(schema, &connection).await.unwrap(),
        By::Release01 => one_by_one(&Migrator(schema), &connection).await,
    }

    let mut kills = kills.lock().unwrap();
    kills.look();
    std::mem::take(&mut kills.states)
}

async fn one_by_one(migrator: &Migrator<'_>, connection: &DatabaseConnection) {
    let applied = migrator.get_migration_models(connection).await.unwrap();
    let is_applied = |name: &str| applied.iter().any(|row| row.version == name);

    for migration in migrator.migrations() {
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
async fn opened(schema: ServiceSchema, folder: &Path) -> Contents {
    ServiceDatabase::open_embedded(schema, folder, SHARDS)
        .await
        .unwrap()
        .close()
        .await;
    Contents::of(&Connection::open(file(schema.service, folder)).unwrap())
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
    for (schema, beginnings) in services() {
        let service = schema.service;
        let fresh = tempfile::tempdir().unwrap();
        let fresh = opened(schema, fresh.path()).await;

        for from in beginnings {
            let undisturbed = tempfile::tempdir().unwrap();
            from.lay_out(service, undisturbed.path());
            let expected = opened(schema, undisturbed.path()).await;
            assert_eq!(expected.schema(), fresh.schema(), "{service} from {from:?}");

            let folder = tempfile::tempdir().unwrap();
            from.lay_out(service, folder.path());
            let states = states(by, &schema, folder.path()).await;
            assert!(
                states.len() > 1,
                "the kills were not seen: {}",
                states.len()
            );
            for (number, state) in states.iter().enumerate() {
                let contents = opened(schema, state.path()).await;
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
    for (schema, _) in services() {
        let folder = tempfile::tempdir().unwrap();
        let known = all_of(&schema).len();
        // Nothing, the table of applied migrations, and each migration.
        let states = states(By::ThisRelease, &schema, folder.path()).await;
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
    opened(ROOMS_SCHEMA, folder.path()).await;
    let connection = Connection::open(file(ROOMS, folder.path())).unwrap();
    let later = "INSERT INTO seaql_migrations VALUES ('m2999_01_01_000001_later', 0)";
    connection.execute(later, []).unwrap();

    let refused = ServiceDatabase::open_embedded(ROOMS_SCHEMA, folder.path(), SHARDS).await;
    let line = refused.unwrap_err().to_string();
    assert!(
        line.contains("rooms.db was written by a newer release"),
        "{line}"
    );
    assert!(line.contains("m2999_01_01_000001_later"), "{line}");
}

fn names(schema: &ServiceSchema) -> Vec<String> {
    let all = all_of(schema).into_iter();
    all.map(|migration| migration.name).collect()
}

/// They stand in databases: if this fails, change the code back, not the test.
#[test]
fn what_was_released_keeps_its_name_and_its_place() {
    let of_all = [
        "m2026_11_23_000001_initial_schema",
        "m2026_11_25_000001_history_index",
        "m2026_11_28_000001_numbered_commands",
        "m2026_11_28_000002_streams_and_queues",
        "m2026_11_28_000005_sagas_of_any_service",
        "m2026_11_29_000001_operators",
        "m2026_11_29_000003_entity_snapshots",
    ];
    let mut with_json = of_all.to_vec();
    with_json.insert(4, "m2026_11_28_000004_entities");
    assert_eq!(names(&ROOMS_SCHEMA), with_json);

    #[cfg(feature = "shop")]
    {
        let mut of_orders = of_all.to_vec();
        of_orders.insert(1, "m2026_11_24_000001_compensated_sagas");
        of_orders.insert(5, "m2026_11_28_000003_former_sagas");
        of_orders.insert(8, "m2026_11_29_000002_orders_without_sagas");
        let mut of_customers = of_all.to_vec();
        of_customers.push("m2026_11_29_000004_corrected_limits");
        let shop = crate::services::SHOP.map(|schema| names(&schema));
        assert_eq!(shop[0], of_customers);
        assert_eq!(shop[1], of_orders);
    }
}
