//! For tests: a database of their own on the real server, dropped in the end.

#[cfg(test)]
pub(crate) mod proxy;

use sea_orm::sqlx::{self, Executor, PgConnection};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::{PostgresAddress, Use};
use crate::testing::BOOKINGS;

/// The name of the variable that says where the server is. A database is added to it.
pub(crate) const URL: &str = "COUNTERFOIL_TEST_POSTGRES_URL";

/// A database that goes with the value.
pub struct TestDatabase {
    name: String,
}

impl TestDatabase {
    pub(crate) fn new() -> Self {
        let name = format!("counterfoil_test_{}", Uuid::now_v7().simple());
        let database = TestDatabase { name };
        let create = format!("CREATE DATABASE {}", database.name);
        beside(async move { run_on("postgres", &create).await });
        database
    }

    pub(crate) fn address(&self) -> PostgresAddress {
        address(&self.name)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
impl TestDatabase {
    /// Runs statements as the server's owner.
    pub(crate) async fn run(&self, statements: &str) {
        run_on(&self.name, statements).await;
    }

    /// The same from without, for statements about the database itself.
    pub(crate) async fn run_beside(&self, statements: &str) {
        run_on("postgres", statements).await;
    }

    /// A connection that a test looks and disturbs through.
    pub(crate) async fn connect(&self) -> PgConnection {
        connect(&self.name).await
    }

    /// Ends the sessions of one use, as an operator or a failover does.
    pub(crate) async fn end_sessions(&self, service: sagas::Service, r#use: Use) {
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
            WHERE datname = '{}' AND application_name = 'counterfoil {service} {}'",
            self.name,
            r#use.name()
        );
        self.run(&end).await;
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let name = self.name.clone();
        // Whoever follows its log is no session that the server ends by force.
        let end = format!(
            "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots \
            WHERE database = '{name}' AND active"
        );
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        beside(async move {
            run_on("postgres", &end).await;
            run_on("postgres", &drop).await;
        });
    }
}

/// The address of the server with a database and another user, or another port.
pub(crate) fn server() -> String {
    std::env::var(URL).unwrap_or_else(|_| panic!("{URL} must say where PostgreSQL is"))
}

fn address(database: &str) -> PostgresAddress {
    PostgresAddress::parse(&format!("{}/{database}", server())).unwrap()
}

async fn connect(database: &str) -> PgConnection {
    let connecting = address(database);
    connecting.connect(BOOKINGS, Use::Write).await.unwrap()
}

async fn run_on(database: &str, statements: &str) {
    let statements = sqlx::AssertSqlSafe(statements.to_owned());
    let mut connection = connect(database).await;
    connection.execute(sqlx::raw_sql(statements)).await.unwrap();
}

/// Runs on a runtime of its own, because a test may be within another.
fn beside(work: impl Future<Output = ()> + Send + 'static) {
    let thread = std::thread::spawn(|| Runtime::new().unwrap().block_on(work));
    thread.join().unwrap();
}
