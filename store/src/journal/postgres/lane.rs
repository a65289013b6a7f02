//! The connection through which a journal writes, and how it is made.
//!
//! Connecting goes on while nobody waits for it: a server that is far away may need longer than one
//! call has patience, and the next call finds the connection made.

use std::time::Duration;

use futures_util::StreamExt;
use sagas::Service;
use sea_orm::sqlx::postgres::{PgArguments, PgRow};
use sea_orm::sqlx::{self, Executor, PgConnection, Row, SqlSafeStr};
use tokio::task::JoinHandle;

use super::Trouble;
use super::routine::Routines;
use crate::StoreError;
use crate::database::PostgresAddress;
use crate::database::postgres::Use;
use crate::database::postgres::errors::{self, Kind};
use crate::database::postgres::opening::READS_ONLY;
use crate::journal::noted_versions::{NOTED, NotedVersions};
use crate::journal::standing::Patience;

/// A connection must be there within this time, however patient those are who wait for it.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// A server that is not there is tried again after this long.
const PAUSE: Duration = Duration::from_millis(50);

/// The time line of a server that can be written to; none when it only reads. A standby that takes
/// over begins a new one.
const TIMELINE: &str = "SELECT CASE WHEN pg_is_in_recovery() \
    OR current_setting('transaction_read_only')::bool THEN NULL \
    ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END";
/// Has the server look from time to time whether its client is still there. Not every system that
/// PostgreSQL runs on can do this.
const LOOK_FOR_CLIENT: &str = "SET client_connection_check_interval = '1s'";

/// An open connection.
pub(super) struct Lane {
    connection: PgConnection,
    /// The history that the server writes.
    pub timeline: String,
    /// What the session can do in one call.
    pub routines: Routines,
    /// Of the database that the session is in, which may be another one than before.
    pub noted: NotedVersions,
}

pub(super) type Bound = PgArguments;

impl Lane {
    /// Runs statements as they are written.
    pub(super) async fn execute(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        self.connection.execute(sqlx::raw_sql(sql)).await.map(drop)
    }

    /// Runs statements as they are written, and gives the rows of all of them.
    pub(super) async fn fetch_raw(&mut self, sql: String) -> Result<Vec<PgRow>, sqlx::Error> {
        let statements = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
        self.connection.fetch_all(statements).await
    }

    /// Runs a statement that stays prepared; says how many rows it has changed.
    pub(super) async fn run(
        &mut self,
        sql: impl SqlSafeStr,
        bound: Bound,
    ) -> Result<u64, sqlx::Error> {
        let query = sqlx::query_with(sql, bound);
        let done = self.connection.execute(query).await?;
        Ok(done.rows_affected())
    }

    pub(super) async fn row(
        &mut self,
        sql: &'static str,
        bound: Bound,
    ) -> Result<Option<PgRow>, sqlx::Error> {
        let query = sqlx::query_with(sql, bound);
        self.connection.fetch_optional(query).await
    }

    /// Hands each row to `take`, as it comes.
    pub(super) async fn each_row(
        &mut self,
        sql: &'static str,
        bound: Bound,
        mut take: impl FnMut(PgRow),
    ) -> Result<(), sqlx::Error> {
        let query = sqlx::query_with(sql, bound);
        let mut rows = self.connection.fetch(query);
        while let Some(row) = rows.next().await {
            take(row?);
        }
        Ok(())
    }
}

/// The lane of a service: none, one that is being opened, or an open one.
pub(super) struct Lanes {
    service: Service,
    address: PostgresAddress,
    open: Option<Lane>,
    opening: Option<JoinHandle<Result<Lane, sqlx::Error>>>,
}

impl Lanes {
    pub(super) fn new(service: Service, address: PostgresAddress) -> Self {
        Lanes {
            service,
            address,
            open: None,
            opening: None,
        }
    }

    pub(super) fn drop_all(&mut self) {
        self.open = None;
    }

    pub(super) fn put_back(&mut self, lane: Lane) {
        self.open = Some(lane);
    }

    /// The open lane, or a new one. A server that is not there may be back within the patience of
    /// the call.
    pub(super) async fn take(&mut self, patience: &Patience) -> Result<Lane, Trouble> {
        if let Some(lane) = self.open.take() {
            return Ok(lane);
        }

        let mut cause = None;
        loop {
            let error = match tokio::time::timeout_at(patience.ends(), self.opened()).await {
                Ok(Ok(lane)) => return Ok(lane),
                Ok(Err(error)) => error,
                Err(_) => return Err(self.unreachable(cause)),
            };

            let text = errors::text(&error);
            patience.waits_for(|| text.clone());
            cause = Some(text);
            if errors::kind(&error) != Kind::Lost || patience.is_over() {
                return Err(self.unreachable(cause));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn unreachable(&self, cause: Option<String>) -> Trouble {
        let cause = cause.unwrap_or_else(|| "it has not let us in in time".to_owned());
        Trouble::Store(errors::unreachable(&self.address, self.service, cause))
    }

    /// Waits for the connection that is being made. Whoever gives up leaves it to the next one.
    async fn opened(&mut self) -> Result<Lane, sqlx::Error> {
        let (service, address) = (self.service, &self.address);
        let opening = self
            .opening
            .get_or_insert_with(|| tokio::spawn(open(service, address.clone())));
        let opened = opening.await;
        self.opening = None;
        opened.unwrap_or_else(|_| Err(sqlx::Error::WorkerCrashed))
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        if let Some(opening) = &self.opening {
            opening.abort();
        }
    }
}

async fn open(service: Service, address: PostgresAddress) -> Result<Lane, sqlx::Error> {
    let opening = async {
        let mut connection = address.connect(service, Use::Commit).await?;
        let row = connection.fetch_one(TIMELINE).await?;
        let Some(timeline) = row.try_get::<Option<String>, _>(0)? else {
            return Err(sqlx::Error::Configuration(READS_ONLY.into()));
        };
        let noted = connection.fetch_all(NOTED).await?;
        let noted = noted
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        let noted: Result<Vec<_>, sqlx::Error> = noted.collect();
        // It works without, only later.
        let _ = connection.execute(LOOK_FOR_CLIENT).await;
        Ok(Lane {
            connection,
            timeline,
            routines: Routines::default(),
            noted: NotedVersions::read(noted?),
        })
    };

    tokio::time::timeout(CONNECT_WITHIN, opening)
        .await
        .unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut))
}

/// A value that was read and is none.
pub(super) fn corrupt(what: String, error: impl Into<sqlx::Error>) -> StoreError {
    StoreError::Corrupt {
        what,
        source: Box::new(error.into()),
    }
}
