//! A service's database in memory. A node that dies loses what it has not committed: the database
//! lives on, as a disk does.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};
use sea_orm::{
    DatabaseConnectionType, DbBackend, DbErr, ExecResult, MockDatabase, MockDatabaseConnection,
    MockDatabaseTrait, QueryResult, RuntimeErr, Statement, Transaction,
};
use tempfile::TempDir;

use super::{Trouble, rows};
use crate::faults::Faults;
use crate::journal::sqlite::SqliteStore;
use crate::{Deployment, ServiceDatabase, ServiceSchema, StoreError};

/// The databases of a deployment as they are before anything has happened. Making one takes a
/// while; a simulation begins with a copy.
#[derive(Debug)]
pub struct Template {
    schemas: Vec<ServiceSchema>,
    shards: u16,
    folder: TempDir,
}

impl Template {
    /// Makes the databases of these services in a folder, as a first start does.
    ///
    /// # Errors
    /// As [`Deployment::open_embedded`].
    pub async fn make(schemas: &[ServiceSchema], shards: u16) -> Result<Self, StoreError> {
        let failed = |error: std::io::Error| StoreError::Configuration(error.to_string());
        let folder = TempDir::new().map_err(failed)?;
        let deployment = Deployment::open_embedded(schemas, folder.path(), shards).await?;
        for database in deployment.databases {
            let schema = database.schema;
            let file = crate::database::file_of(schema.service, folder.path());
            database.close().await;
            // Memory has no write-ahead log.
            Connection::open(&file)
                .and_then(|connection| connection.pragma_update(None, "journal_mode", "delete"))
                .map_err(|error| failure(&schema, &error))?;
        }

        Ok(Template {
            schemas: schemas.to_vec(),
            shards,
            folder,
        })
    }

    /// How many shards each service has.
    #[must_use]
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// A copy of all databases.
    ///
    /// # Errors
    /// When there is no memory for them.
    pub fn copy(&self) -> Result<Vec<MemoryDatabase>, StoreError> {
        let copies = self.schemas.iter().map(|schema| {
            let file = crate::database::file_of(schema.service, self.folder.path());
            MemoryDatabase::copy_of(*schema, &file)
        });
        copies.collect()
    }
}

/// One service's database.
#[derive(Clone)]
pub struct MemoryDatabase {
    schema: ServiceSchema,
    place: String,
    /// Keeps it, and reads from it.
    connection: Arc<Mutex<Connection>>,
}

impl MemoryDatabase {
    fn copy_of(schema: ServiceSchema, file: &Path) -> Result<Self, StoreError> {
        // Databases of one name are one database.
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let place = format!("file:/{}-{number}?vfs=memdb", schema.service);

        let copied = || {
            let from = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let mut connection = open(&place)?;
            Backup::new(&from, &mut connection)?.run_to_completion(
                i32::MAX,
                std::time::Duration::ZERO,
                None,
            )?;
            Ok(connection)
        };
        let connection = copied().map_err(|error| failure(&schema, &error))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);

        Ok(MemoryDatabase {
            schema,
            place,
            connection: Arc::new(Mutex::new(connection)),
        })
    }

    /// The service whose database it is.
    #[must_use]
    pub fn service(&self) -> sagas::Service {
        self.schema.service
    }

    /// It, as a node reads it; its queries meet with trouble.
    ///
    /// # Errors
    /// When another service has its name or number.
    pub fn opened(&self, trouble: Arc<dyn Trouble>) -> Result<ServiceDatabase, StoreError> {
        let reading = MockDatabaseConnection::new(Reading {
            database: self.clone(),
            trouble,
        });
        let read = DatabaseConnectionType::MockDatabaseConnection(Arc::new(reading));
        ServiceDatabase::simulated(self.schema, read.into())
    }

    /// It, as the journal of a node writes it.
    ///
    /// # Errors
    /// When there is no memory for one more connection.
    pub fn commit_store(&self, faults: Faults) -> Result<SqliteStore, StoreError> {
        let connection = open(&self.place).map_err(|error| failure(&self.schema, &error))?;
        Ok(SqliteStore::on(self.schema.service, connection, faults))
    }

    /// Does something to it behind everybody's back: damages a row, say.
    ///
    /// # Errors
    /// As SQLite has it.
    pub fn tamper(&self, statement: &str) -> rusqlite::Result<usize> {
        self.lock().execute(statement, [])
    }

    /// All its rows, as text, in the order of their tables.
    ///
    /// # Panics
    /// When SQLite does not know its own tables.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "a simulation without its disks cannot go on"
    )]
    pub fn contents(&self) -> Vec<String> {
        let connection = self.lock();
        rows::all(&connection).expect("a database in memory can be read")
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDatabase")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// Statements that stay prepared: one for each kind of query.
const STATEMENTS: usize = 128;

fn open(place: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(place, flags)?;
    // What is sorted on the way has no file to go to.
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(connection)
}

fn failure(schema: &ServiceSchema, error: &rusqlite::Error) -> StoreError {
    StoreError::Configuration(format!("{}: {error}", schema.service))
}

/// What SeaORM reads through.
#[derive(Debug)]
struct Reading {
    database: MemoryDatabase,
    trouble: Arc<dyn Trouble>,
}

impl Reading {
    fn rows(&self, statement: &Statement) -> Result<Vec<rows::Row>, DbErr> {
        if !self.trouble.answers(self.database.schema.service.name()) {
            return Err(DbErr::Conn(RuntimeErr::Internal("no answer".to_owned())));
        }

        let failed = |error: rusqlite::Error| {
            let told = format!("{error} in {}", statement.sql);
            DbErr::Query(RuntimeErr::Internal(told))
        };
        rows::read(&self.database.lock(), statement).map_err(failed)
    }
}

/// SeaORM lets strangers answer its queries by way of its mock, which has each answer here made
/// by SQLite. A transaction sees one state: nobody writes while it reads.
impl MockDatabaseTrait for Reading {
    fn query(&mut self, _: usize, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let rows = self.rows(&statement)?;
        let mut answer = MockDatabase::new(DbBackend::Sqlite).append_query_results([rows]);
        MockDatabaseTrait::query(&mut answer, 0, statement)
    }

    // Only the journal writes, and not through SeaORM.
    fn execute(&mut self, _: usize, statement: Statement) -> Result<ExecResult, DbErr> {
        Err(DbErr::Exec(RuntimeErr::Internal(format!(
            "a reading connection is to execute {}",
            statement.sql
        ))))
    }

    fn begin(&mut self) {}

    fn commit(&mut self) {}

    fn rollback(&mut self) {}

    fn drain_transaction_log(&mut self) -> Vec<Transaction> {
        Vec::new()
    }

    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Sqlite
    }

    fn ping(&self) -> Result<(), DbErr> {
        Ok(())
    }
}
