//! Who works on a database: one node that is alone, or several that know of each other.
//!
//! A node that hears of no other would neither take part in giving shards to nodes nor send what
//! others wait for. The epochs keep two such nodes from harming anything, and they would take the
//! shards from one another for ever. So each node holds a lock of the server for as long as it
//! runs: one that is alone holds it alone, those with others share it.

use std::time::Duration;

use sagas::Service;
use sea_orm::sqlx::{self, Connection, PgConnection};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{PostgresAddress, Use, application_name, errors};
use crate::database::Location;
use crate::{ServiceDatabase, StoreError};

/// Which lock it is, among all that somebody may take in this database; migrations take the number
/// before it.
const LOCK: i64 = 0x636f_756e_7465_7267;
/// The lock of whoever works out which databases belong together.
const TURN: &str = "SELECT pg_advisory_lock(7165074649429406312)";
const ALONE: &str = "SELECT pg_try_advisory_lock($1)";
const SHARED: &str = "SELECT pg_try_advisory_lock_shared($1)";
/// The connections to this database that call themselves by a name.
const CONNECTED: &str = "SELECT count(*) AS connected FROM pg_stat_activity \
    WHERE datname = current_database() AND application_name = $1";

/// Whoever held it may have died just now: the server notices soon.
const TRIES_FOR: Duration = Duration::from_secs(3);
const TRIES_EVERY: Duration = Duration::from_millis(200);
/// How often it is looked whether the lock is still held.
const LOOKS_EVERY: Duration = Duration::from_secs(2);

/// Holds the lock until it is dropped. When the connection is lost it is taken again; meanwhile
/// the epochs keep order.
#[derive(Debug)]
pub struct Occupancy(JoinHandle<()>);

impl Drop for Occupancy {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A node's turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(#[expect(dead_code, reason = "it ends with its connection")] PgConnection);

impl ServiceDatabase {
    /// Whether a node commits to this database now, on whichever machine: its journal is connected.
    /// `None` of a file, of which only its folder knows.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn has_a_journal(&self) -> Result<Option<bool>, StoreError> {
        if !matches!(self.location, Location::Postgres(_)) {
            return Ok(None);
        }
        let name = application_name(self.service, Use::Commit);
        let connected =
            Statement::from_sql_and_values(DbBackend::Postgres, CONNECTED, [name.into()]);

        let row = self.read.query_one_raw(connected).await;
        let connected = row.and_then(|row| {
            row.map(|row| row.try_get::<i64>("", "connected"))
                .transpose()
        });
        let connected = connected.map_err(|error| self.failed(error))?;
        Ok(Some(connected.is_some_and(|connected| connected > 0)))
    }
}

impl PostgresAddress {
    /// Waits until no other node that starts is working out which databases belong together.
    pub(crate) async fn take_turn(&self, service: Service) -> Result<Turn, StoreError> {
        let waited = async {
            let mut connection = self.connect(service, Use::Write).await?;
            sqlx::query(TURN).execute(&mut connection).await?;
            Ok(Turn(connection))
        };
        waited
            .await
            .map_err(|error: sqlx::Error| errors::opening(self, service, &error))
    }

    /// Takes the database for a node that is alone, or for one with others beside it.
    ///
    /// # Errors
    /// When a node is there that does not go with this one, or the server does not answer.
    pub async fn occupy(&self, service: Service, alone: bool) -> Result<Occupancy, StoreError> {
        let until = Instant::now() + TRIES_FOR;
        let held = loop {
            let tried = self.try_to_occupy(service, alone).await;
            match tried.map_err(|error| errors::opening(self, service, &error))? {
                Some(connection) => break connection,
                None if Instant::now() >= until => return Err(self.occupied(service, alone)),
                None => tokio::time::sleep(TRIES_EVERY).await,
            }
        };

        let address = self.clone();
        Ok(Occupancy(tokio::spawn(async move {
            address.keep_occupied(service, alone, held).await;
        })))
    }

    /// The connection that holds the lock; `None` when somebody else holds it.
    async fn try_to_occupy(
        &self,
        service: Service,
        alone: bool,
    ) -> Result<Option<PgConnection>, sqlx::Error> {
        let mut connection = self.connect(service, Use::Occupy).await?;
        let lock = if alone { ALONE } else { SHARED };
        let query = sqlx::query_scalar(lock).bind(LOCK);
        let held: bool = query.fetch_one(&mut connection).await?;

        if held {
            return Ok(Some(connection));
        }
        connection.close().await?;
        Ok(None)
    }

    async fn keep_occupied(&self, service: Service, alone: bool, mut held: PgConnection) {
        loop {
            tokio::time::sleep(LOOKS_EVERY).await;
            // A server that stands still, or has gone without a word, answers nothing.
            let pinged = tokio::time::timeout(LOOKS_EVERY, held.ping()).await;
            if let Ok(Ok(())) = pinged {
                continue;
            }

            // The journal tells of a server that does not answer.
            while let Err(_) | Ok(None) = self.try_again(service, alone, &mut held).await {
                tokio::time::sleep(LOOKS_EVERY).await;
            }
        }
    }

    async fn try_again(
        &self,
        service: Service,
        alone: bool,
        held: &mut PgConnection,
    ) -> Result<Option<()>, sqlx::Error> {
        let tried = self.try_to_occupy(service, alone).await?;
        if tried.is_none() {
            let error = self.occupied(service, alone);
            tracing::error!(error = %error, "a node has come while the server was away");
        }
        Ok(tried.map(|connection| *held = connection))
    }

    fn occupied(&self, service: Service, alone: bool) -> StoreError {
        let (who, what) = match alone {
            true => (
                "another node runs",
                "a node with log_url=embedded is alone; end the other one, or give all of them \
                 log_url=kafka://HOST:PORT",
            ),
            false => (
                "a node that is alone runs",
                "its log_url is embedded; give all nodes log_url=kafka://HOST:PORT",
            ),
        };
        StoreError::Configuration(format!("{who} on the {service} database {self}: {what}"))
    }
}
