//! A service's database on a PostgreSQL server: where it is, and how connections to it are made and
//! set.
//!
//! Three kinds are made, as for a file: the journal's, which writes; the pool that reads; and one
//! that writes by SeaORM before the journal begins and after it has ended.

pub(crate) mod errors;
pub mod occupancy;
pub(crate) mod opening;
pub mod striving;
#[cfg(any(test, feature = "testing"))]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]
pub(crate) mod testing;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sagas::Service;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sea_orm::sqlx::{self, ConnectOptions, Connection, PgConnection};
use sea_orm::{DatabaseConnection, SqlxPostgresConnector};
use tracing::log::LevelFilter;

use crate::StoreError;
use crate::database::reading::{Reading, Silence};

/// Connections that read at the same time.
const READERS: u32 = 8;
/// Connections that a node needs besides: the journal's, one to ask what became of a commit, one
/// that says that the node is there, and one by which it strives for what only one node has.
const OTHERS: u32 = 4;
/// A reader waits this long for a connection: one that others use, or a new one.
const READER_WITHIN: Duration = Duration::from_secs(5);
/// Whoever opens a database waits this long for the server.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

/// Set on every connection.
const EACH: [(&str, &str); 6] = [
    ("client_encoding", "UTF8"),
    // What is there already is no news.
    ("client_min_messages", "warning"),
    // A server that sees nothing of its client for this long lets go of what that has locked.
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
    // It never pays for statements as short as ours.
    ("jit", "off"),
];

/// Set on the journal's connection, too. Its statements are few and stay prepared: they are to be
/// planned once, and by their indexes also while the tables are empty.
const COMMITTING: [(&str, &str); 8] = [
    // What a durable commit rests on.
    ("synchronous_commit", "on"),
    // A node that stalls in the middle of a batch must not keep the next owner waiting.
    ("idle_in_transaction_session_timeout", "3s"),
    // Longer than the journal waits for an answer: this is for a server whose client has gone.
    ("lock_timeout", "3s"),
    ("statement_timeout", "10s"),
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];

/// Set on connections that read, too.
const READING: [(&str, &str); 6] = [
    // A plan that was made while a table was small, or before anybody had counted its rows, stays:
    // it goes by the index then as well.
    ("enable_seqscan", "off"),
    ("default_transaction_read_only", "on"),
    // A transaction of several reads sees one moment.
    ("default_transaction_isolation", "repeatable read"),
    ("statement_timeout", "30s"),
    ("lock_timeout", "5s"),
    // An auditor reads views in between.
    ("idle_in_transaction_session_timeout", "10min"),
];

/// Set on connections that write before and after the journal does, too.
const WRITING: [(&str, &str); 3] = [
    ("synchronous_commit", "on"),
    // Another node may be bringing the schema up to date.
    ("lock_timeout", "60s"),
    ("idle_in_transaction_session_timeout", "60s"),
];

/// Where a database is on a PostgreSQL server. Shown, it has no password.
#[derive(Clone)]
pub struct PostgresAddress {
    options: Arc<PgConnectOptions>,
    shown: String,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Commit,
    Read,
    Write,
    Occupy,
}

impl Use {
    fn settings(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let own = match self {
            Use::Commit => &COMMITTING[..],
            Use::Read => &READING[..],
            Use::Write => &WRITING[..],
            Use::Occupy => &[],
        };
        EACH.iter().chain(own).copied()
    }

    const fn name(self) -> &'static str {
        match self {
            Use::Commit => "journal",
            Use::Read => "reading",
            Use::Write => "opening",
            Use::Occupy => "occupying",
        }
    }
}

/// What a connection calls itself, so that others can see what it is for.
pub(crate) fn application_name(service: Service, r#use: Use) -> String {
    format!("counterfoil {service} {}", r#use.name())
}

impl PostgresAddress {
    /// Reads an address of the form `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    ///
    /// # Errors
    /// Why it is none. The reason repeats nothing of the address.
    pub fn parse(url: &str) -> Result<Self, String> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err("it does not begin with postgres://".to_owned());
        }

        let options = PgConnectOptions::from_str(url).map_err(|error| error.to_string())?;
        let Some(database) = options.get_database() else {
            return Err("it names no database".to_owned());
        };

        let shown = format!(
            "postgres://{}@{}:{}/{database}",
            options.get_username(),
            options.get_host(),
            options.get_port(),
        );
        let options = Arc::new(options);
        Ok(PostgresAddress { options, shown })
    }

    pub(crate) fn options(&self, service: Service, r#use: Use) -> PgConnectOptions {
        PgConnectOptions::clone(&self.options)
            .application_name(&application_name(service, r#use))
            .options(r#use.settings())
            .log_statements(LevelFilter::Off)
            .log_slow_statements(LevelFilter::Off, Duration::ZERO)
    }

    /// Whether a connection without TLS will not do.
    #[must_use]
    pub fn asks_for_tls(&self) -> bool {
        matches!(
            self.options.get_ssl_mode(),
            PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull
        )
    }

    /// One connection, without a pool.
    pub(crate) async fn connect(
        &self,
        service: Service,
        r#use: Use,
    ) -> Result<PgConnection, sqlx::Error> {
        self.options(service, r#use).connect().await
    }

    /// A pool that reads. It is as large as the server lets it be, because a pool that asks for
    /// more makes those wait in vain who could have had another's connection.
    ///
    /// # Errors
    /// When the server does not answer, or gives too few connections to work with.
    pub(crate) async fn readers(&self, service: Service) -> Result<Reading, StoreError> {
        let asked = READERS + OTHERS;
        let connecting = (0..asked).map(|_| self.connect(service, Use::Read));
        let connecting = tokio::time::timeout(OPEN_WITHIN, join_all(connecting)).await;
        let late =
            |_| errors::unreachable(self, service, "it has not let us in in time".to_owned());

        let mut given = Vec::new();
        for connected in connecting.map_err(late)? {
            match connected {
                Ok(connection) => given.push(connection),
                Err(error) if errors::is_too_many(&error) => {}
                Err(error) => return Err(errors::opening(self, service, &error)),
            }
        }
        let readers = self.readers_of(service, u32::try_from(given.len()).unwrap_or(asked))?;
        for connection in given {
            // One that does not close is the server's to end.
            let _ = connection.close().await;
        }

        let silence = Silence::default();
        let heard = silence.clone();
        let pool = PgPoolOptions::new()
            .max_connections(readers)
            .acquire_timeout(READER_WITHIN)
            .acquire_slow_level(LevelFilter::Off)
            .after_release(move |connection, _| {
                let heard = heard.clone();
                Box::pin(async move { heard.is_well(connection).await })
            })
            .connect_lazy_with(self.options(service, Use::Read));
        let readers = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
        Ok(Reading::server(readers, silence))
    }

    /// How many of the connections that the server gives may read.
    fn readers_of(&self, service: Service, given: u32) -> Result<u32, StoreError> {
        let readers = given.saturating_sub(OTHERS).clamp(1, READERS);
        if given <= 1 {
            let cause = format!("it gives {given} connections, and a node needs 2 at least");
            return Err(errors::unreachable(self, service, cause));
        }
        if readers < READERS {
            tracing::warn!(
                service = %service, store = %self, readers, wanted = READERS,
                "the server gives few connections: fewer can read at the same time"
            );
        }
        Ok(readers)
    }

    /// A connection by SeaORM that writes.
    ///
    /// # Errors
    /// When the server does not answer, or lets nobody in.
    pub(crate) async fn writer(&self, service: Service) -> Result<DatabaseConnection, StoreError> {
        let failed = |error: &sqlx::Error| errors::opening(self, service, error);

        // A pool tries until its time is over, and then does not tell why it got none.
        let connecting = tokio::time::timeout(OPEN_WITHIN, self.connect(service, Use::Write));
        let connected = connecting.await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        let _ = connected.map_err(|error| failed(&error))?.close().await;

        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(OPEN_WITHIN)
            .connect_with(self.options(service, Use::Write))
            .await
            .map_err(|error| failed(&error))?;
        Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
    }
}

#[cfg(test)]
impl PostgresAddress {
    pub(crate) fn host_and_port(&self) -> (String, u16) {
        (self.options.get_host().to_owned(), self.options.get_port())
    }

    /// The same database behind another port.
    pub(crate) fn at_port(&self, port: u16) -> Self {
        PostgresAddress {
            options: Arc::new(PgConnectOptions::clone(&self.options).port(port)),
            shown: self.shown.clone(),
        }
    }

    /// The same database as another user.
    pub(crate) fn as_user(&self, name: &str, password: &str) -> Self {
        let options = PgConnectOptions::clone(&self.options);
        PostgresAddress {
            options: Arc::new(options.username(name).password(password)),
            shown: self.shown.clone(),
        }
    }
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.shown)
    }
}

#[cfg(test)]
mod tests;
