//! Pipelined group commit of one service on one node, on one connection: whatever has gathered
//! while one commit ran goes into the next.
//!
//! What a unit causes outside (an answer, a message) is handed over only after its commit. Nothing
//! is repeated or repaired: a floor whose commit fails measures nothing, so it ends.

use std::sync::Arc;

use anyhow::{Context, ensure};
use sea_orm::sqlx::postgres::{PgArguments, PgConnectOptions};
use sea_orm::sqlx::{self, AssertSqlSafe, ConnectOptions, PgConnection, SqlSafeStr, SqlStr};
use tokio::sync::mpsc::UnboundedReceiver;

use super::options::Form;
use super::pacing::Pace;
use super::statements::{Batch, Statement, call};
use super::tally::Tally;

/// How one service turns its messages into rows.
pub trait Service {
    /// What the service receives.
    type Message: 'static;

    /// The stored function of a commit.
    const FUNCTION: &'static str;

    /// The tables that only this service has.
    const TABLES: &'static str;

    /// What a commit writes, in this order.
    fn statements(form: Form) -> Vec<&'static Statement>;

    /// Loads what the decisions about these messages need.
    fn load(
        &mut self,
        connection: &mut PgConnection,
        messages: &[Self::Message],
    ) -> impl Future<Output = anyhow::Result<()>>;

    /// Decides, adds the rows of one unit, and remembers what it causes.
    ///
    /// # Errors
    /// When a message before it is missing.
    fn write(&mut self, message: Self::Message, batch: &mut Batch) -> anyhow::Result<()>;

    /// All units are there: adds the rows that a batch has once.
    ///
    /// # Errors
    /// When they do not fit the batch.
    fn complete(&mut self, batch: &mut Batch) -> anyhow::Result<()>;

    /// The transaction is durable: lets out what its units caused.
    ///
    /// # Errors
    /// When a message cannot be sent.
    fn committed(&mut self) -> anyhow::Result<()>;
}

/// The connection through which a service commits, and what it commits next.
pub struct Lane {
    connection: PgConnection,
    batch: Batch,
    /// Calls the stored function; none in the plain form.
    call: Option<SqlStr>,
}

impl Lane {
    /// Connects.
    ///
    /// # Errors
    /// When the server does not let us in.
    pub async fn open<S: Service>(options: &PgConnectOptions, form: Form) -> anyhow::Result<Lane> {
        let statements = S::statements(form);
        let call = match form {
            Form::Plain => None,
            Form::Best => {
                let sql: Arc<str> = call(S::FUNCTION, &statements).into();
                Some(AssertSqlSafe(sql).into_sql_str())
            }
        };

        Ok(Lane {
            connection: options.connect().await.context("a lane cannot connect")?,
            batch: Batch::new(&statements),
            call,
        })
    }

    /// Commits what arrives until nobody is left to send.
    ///
    /// # Errors
    /// When anything fails.
    pub async fn commit_all<S: Service>(
        mut self,
        mut service: S,
        mut inbox: UnboundedReceiver<S::Message>,
        pace: Pace,
        tally: &Tally,
    ) -> anyhow::Result<()> {
        let mut gathered = Vec::new();
        while pace.gather(&mut inbox, &mut gathered).await {
            service.load(&mut self.connection, &gathered).await?;

            tally.commit(gathered.len());
            for message in gathered.drain(..) {
                service.write(message, &mut self.batch)?;
            }
            service.complete(&mut self.batch)?;

            self.commit().await.context("cannot commit")?;
            self.batch.clear();
            service.committed()?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> anyhow::Result<()> {
        match self.call.clone() {
            Some(call) => self.by_function(call).await,
            None => self.by_statements().await,
        }
    }

    /// One round trip, and a transaction of its own.
    async fn by_function(&mut self, call: SqlStr) -> anyhow::Result<()> {
        let mut bound = PgArguments::default();
        for rows in self.batch.rows() {
            rows.bind(&mut bound)?;
        }

        let call = sqlx::query_with(call, bound);
        call.execute(&mut self.connection).await?;
        Ok(())
    }

    /// A round trip a statement.
    async fn by_statements(&mut self) -> anyhow::Result<()> {
        let begin = sqlx::raw_sql("BEGIN");
        begin.execute(&mut self.connection).await?;

        for rows in self.batch.rows().filter(|rows| !rows.is_empty()) {
            let mut bound = PgArguments::default();
            rows.bind(&mut bound)?;

            let sql = rows.statement.sql;
            let query = sqlx::query_with(sql, bound);
            let done = query.execute(&mut self.connection).await?.rows_affected();
            let all = rows.len();
            ensure!(done == all, "only {done} of {all} rows: {sql}");
        }

        let commit = sqlx::raw_sql("COMMIT");
        commit.execute(&mut self.connection).await?;
        Ok(())
    }
}
