//! A service's database in memory. A node that dies loses what it has not committed: the database
//! lives on, as a disk does.

use std::fmt;
use std::sync::Arc;

use rusqlite::Connection;
use sagas::ShardId;
use sea_orm::{
    DbBackend, DbErr, ExecResult, MockDatabase, MockDatabaseConnection, MockDatabaseTrait,
    QueryResult, RuntimeErr, Statement, Transaction,
};
use tempfile::TempDir;

use super::disk::{Lent, MemoryStore, Pool};
use super::{Trouble, outbox, sqlite_rows};
use crate::faults::Faults;
use crate::{Deployment, Message, ServiceDatabase, ServiceSchema, StoreError};

/// The databases of a deployment as they are before anything has happened. Making one takes a
/// while; a simulation begins with a copy.
pub struct Template {
    schemas: Vec<ServiceSchema>,
    shards: u16,
    folder: TempDir,
    disks: Arc<Pool>,
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
            disks: Arc::default(),
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
            let disk = self.disks.lend(schema.service, &file);
            let disk = disk.map_err(|error| failure(schema, &error))?;
            Ok(MemoryDatabase {
                schema: *schema,
                disk: Arc::new(disk),
            })
        });
        copies.collect()
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}

/// One service's database.
#[derive(Clone)]
pub struct MemoryDatabase {
    schema: ServiceSchema,
    disk: Arc<Lent>,
}

impl MemoryDatabase {
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
        ServiceDatabase::simulated(self.schema, reading)
    }

    /// It, as the journal of a node writes it.
    ///
    /// # Errors
    /// When there is no memory for one more connection.
    pub fn commit_store(&self, faults: Faults) -> Result<MemoryStore, StoreError> {
        MemoryStore::on(&self.disk, faults).map_err(|error| failure(&self.schema, &error))
    }

    /// Does something to it behind everybody's back: damages a row, say.
    ///
    /// # Errors
    /// As SQLite has it.
    pub fn tamper(&self, statement: &str) -> rusqlite::Result<usize> {
        self.disk.reader().execute(statement, [])
    }

    /// How many rows a question counts, for whoever looks from outside.
    ///
    /// # Panics
    /// When SQLite does not understand it.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "a simulation without its disks cannot go on"
    )]
    pub fn count(&self, question: &str) -> u64 {
        let reader = self.disk.reader();
        let counted = reader
            .prepare_cached(question)
            .and_then(|mut question| question.query_row([], |row| row.get(0)));
        counted.expect("a database in memory can be read")
    }

    /// All that the outbox of one of its shards holds after a sequence, wherever it goes, for
    /// whoever looks from outside.
    ///
    /// # Panics
    /// When SQLite cannot read it.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "a simulation without its disks cannot go on"
    )]
    pub fn outbox(&self, shard: u16, after: u64) -> Vec<Message> {
        let source = ShardId::new(self.service(), shard);
        outbox::read(&self.disk.reader(), source, after).expect("a database in memory can be read")
    }

    /// All that one of its shards has ever sent, what has been removed since as well, for whoever
    /// looks from outside.
    ///
    /// # Panics
    /// When SQLite cannot read it.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "a simulation without its disks cannot go on"
    )]
    pub fn sent(&self, shard: u16) -> Vec<Message> {
        let sent = self.disk.sent(ShardId::new(self.service(), shard));
        sent.expect("a database in memory can be read")
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
        sqlite_rows::all(&self.disk.reader()).expect("a database in memory can be read")
    }
}

impl fmt::Debug for MemoryDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDatabase")
            .field("place", &self.disk.place())
            .finish_non_exhaustive()
    }
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
    fn rows(&self, statement: &Statement) -> Result<Vec<sqlite_rows::Row>, DbErr> {
        if !self.trouble.answers(self.database.schema.service.name()) {
            return Err(DbErr::Conn(RuntimeErr::Internal("no answer".to_owned())));
        }

        let failed = |error: rusqlite::Error| {
            let told = format!("{error} in {}", statement.sql);
            DbErr::Query(RuntimeErr::Internal(told))
        };
        sqlite_rows::read(&self.database.disk.reader(), statement).map_err(failed)
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
