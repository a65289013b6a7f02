//! What a service's database is read through.
//!
//! A server may vanish behind a read that it has taken: its machine dies, or the network to it.
//! Nobody tells, since the client waits and sends nothing; and without a limit of its own the
//! reader would wait for ever, and a shard, a relay or a caller with it. So every read of a server
//! ends in time.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::sqlx::{self, Connection, PgConnection};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    QueryResult, RuntimeErr, Statement, TransactionTrait,
};
#[cfg(feature = "testing")]
use sea_orm::{DatabaseConnectionType, MockDatabaseConnection};
use tokio::time::timeout;

/// Longer than a server lets a statement of a reader run, and a reader wait for a connection.
const ANSWERS_WITHIN: Duration = Duration::from_secs(36);
/// Connections that come back so soon after a server was silent are looked at.
const DOUBTED_FOR: Duration = Duration::from_secs(10);
/// A connection that comes back then says within this time that it is well.
const WELL_WITHIN: Duration = Duration::from_secs(2);

/// The connections that read a database. A transaction of several reads has no limit as a whole,
/// nor have its reads: nothing that serves callers begins one.
#[derive(Clone, Debug)]
pub struct Reading {
    connections: DatabaseConnection,
    /// Of a server; a file is always there.
    limit: Option<Limit>,
    /// A database in memory answers at once. On the way through SeaORM's connection each query
    /// moves kilobytes, for it may have any pool to wait for.
    #[cfg(feature = "testing")]
    at_once: Option<Arc<MockDatabaseConnection>>,
}

#[derive(Clone, Debug)]
struct Limit {
    within: Duration,
    silence: Silence,
}

/// When a server was silent last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Silence(Arc<Mutex<Option<Instant>>>);

impl Silence {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn is_recent(&self) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < DOUBTED_FOR)
    }

    /// Whether a connection that comes back to its pool is well, if there is a doubt. The pool
    /// asks, too, but without a limit, and has one connection less for as long.
    ///
    /// # Errors
    /// When it is to be dropped.
    pub(crate) async fn is_well(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        if self.is_recent() {
            let well = timeout(WELL_WITHIN, connection.ping()).await;
            well.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
        }
        Ok(true)
    }
}

impl Reading {
    pub(crate) const fn file(connections: DatabaseConnection) -> Self {
        Reading {
            connections,
            limit: None,
            #[cfg(feature = "testing")]
            at_once: None,
        }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn memory(answers: MockDatabaseConnection) -> Self {
        let answers = Arc::new(answers);
        let connection = DatabaseConnectionType::MockDatabaseConnection(Arc::clone(&answers));
        Reading {
            connections: connection.into(),
            limit: None,
            at_once: Some(answers),
        }
    }

    pub(crate) const fn server(connections: DatabaseConnection, silence: Silence) -> Self {
        let limit = Limit {
            within: ANSWERS_WITHIN,
            silence,
        };
        Reading {
            connections,
            limit: Some(limit),
            #[cfg(feature = "testing")]
            at_once: None,
        }
    }

    /// Which kind of database it is.
    pub(crate) fn backend(&self) -> DbBackend {
        self.connections.get_database_backend()
    }

    /// A transaction of several reads, which sees one moment.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        #[expect(
            clippy::disallowed_methods,
            reason = "it reads, and ends without having written"
        )]
        let beginning = self.connections.begin();
        self.answer(beginning).await
    }

    pub(crate) async fn close(self) -> Result<(), DbErr> {
        self.connections.close().await
    }

    async fn answer<T>(&self, answer: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        let Some(Limit { within, silence }) = &self.limit else {
            return answer.await;
        };

        let mut answer = pin!(answer);
        match timeout(*within, &mut answer).await {
            Ok(answer) => answer,
            Err(_) => {
                // Before its connection goes back to the others.
                silence.note();
                let silent = format!("the server has not answered within {within:?}");
                Err(DbErr::Query(RuntimeErr::Internal(silent)))
            }
        }
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl ConnectionTrait for Reading {
    fn get_database_backend(&self) -> DbBackend {
        self.backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.answer(self.connections.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.answer(self.connections.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        #[cfg(feature = "testing")]
        if let Some(memory) = &self.at_once {
            return memory.query_one(statement);
        }
        self.answer(self.connections.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        #[cfg(feature = "testing")]
        if let Some(memory) = &self.at_once {
            return memory.query_all(statement);
        }
        self.answer(self.connections.query_all_raw(statement)).await
    }

    fn support_returning(&self) -> bool {
        self.connections.support_returning()
    }

    fn is_mock_connection(&self) -> bool {
        self.connections.is_mock_connection()
    }
}

#[cfg(test)]
impl Reading {
    /// With another limit.
    pub(crate) fn within(mut self, within: Duration) -> Self {
        if let Some(limit) = &mut self.limit {
            limit.within = within;
        }
        self
    }

    /// How many connections there are.
    pub(crate) fn size(&self) -> u32 {
        self.connections.get_postgres_connection_pool().size()
    }
}
