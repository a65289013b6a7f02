//! Bringing a database on a server up to date: one transaction, in which only one node works at a
//! time. A node that dies in the middle leaves what was there before.

use sagas::Service;
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait};

use super::{PostgresAddress, errors};
use crate::database::releases;
use crate::{ServiceSchema, StoreError, migrations};

/// Any number that nobody else takes: "counterf", as the letters of a bigint.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7165074649429406310)";

/// Whether a server can be written to, and understands what it is going to be asked.
const LOOK: &str = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool \
    AS reads_only, current_setting('server_version_num')::int AS version, \
    current_setting('server_encoding') AS encoding";
/// The first release that tells what became of a transaction by its full number.
const OLDEST_VERSION: i32 = 140_000;

/// A server that only reads: a standby, or one that was told so.
pub(crate) const READS_ONLY: &str = "it only reads: it is a standby, or \
    default_transaction_read_only is on";

/// A database that is being opened.
pub(crate) struct Opening<'a> {
    pub schema: &'a ServiceSchema,
    pub address: &'a PostgresAddress,
}

impl Opening<'_> {
    fn service(&self) -> Service {
        self.schema.service
    }

    fn failed(&self, error: &DbErr) -> StoreError {
        errors::opening_by_sea_orm(self.address, self.service(), error)
    }

    /// Looks at the server, and does `work` behind the migrations, all in one transaction.
    pub(crate) async fn migrated(
        &self,
        work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let writing = self.address.writer(self.service()).await?;
        let migrated = self.migrate(&writing, work).await;
        // It has done its work; a connection that does not close is the server's to end.
        let _ = writing.close().await;
        migrated
    }

    async fn migrate(
        &self,
        writing: &DatabaseConnection,
        work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let failed = |error: DbErr| self.failed(&error);
        self.look(writing).await?;

        #[expect(
            clippy::disallowed_methods,
            reason = "no journal works on the database before it is open"
        )]
        let transaction = writing.begin().await.map_err(failed)?;
        transaction.execute_unprepared(LOCK).await.map_err(failed)?;

        let place = self.address.to_string();
        releases::refuse_newer(self.schema, &place, &transaction, failed).await?;
        let migrated = migrations::migrate(self.schema, &transaction).await;
        migrated.map_err(failed)?;
        work(&transaction).await?;
        transaction.commit().await.map_err(failed)
    }

    async fn look(&self, writing: &DatabaseConnection) -> Result<(), StoreError> {
        let look = sea_orm::Statement::from_string(writing.get_database_backend(), LOOK);
        let looked = writing.query_one_raw(look).await.and_then(|row| {
            let row = row.ok_or_else(|| DbErr::RecordNotFound("its settings".to_owned()))?;
            Ok((
                row.try_get("", "reads_only")?,
                row.try_get("", "version")?,
                row.try_get("", "encoding")?,
            ))
        });
        let (reads_only, version, encoding): (bool, i32, String) =
            looked.map_err(|error| self.failed(&error))?;

        if version < OLDEST_VERSION {
            return Err(self.unusable(
                format!("its server's version is {version}"),
                "allowed: PostgreSQL 13 or newer",
            ));
        }
        if encoding != "UTF8" {
            return Err(self.unusable(
                format!("its encoding is {encoding}"),
                "make it with the encoding UTF8",
            ));
        }
        if reads_only {
            let cause = READS_ONLY.to_owned();
            return Err(errors::unreachable(self.address, self.service(), cause));
        }
        Ok(())
    }

    fn unusable(&self, cause: String, remedy: &'static str) -> StoreError {
        StoreError::Unusable {
            file: self.address.to_string(),
            cause,
            remedy,
        }
    }
}
