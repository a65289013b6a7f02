//! What a database in a file says about itself and the others: read before anybody has opened it,
//! or while a copy of it is made.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};
use uuid::Uuid;

use super::account::{Account, ShardName, seen_from_json};
use super::{COMPLETE, ID, ORIGIN, SEEN};
use crate::StoreError;
use crate::database::unusable;

/// Any shard, with rows before it or not, by going from one to the next.
const ENDS: &str = "WITH RECURSIVE shard_numbers(shard) AS (\
    SELECT min(shard) FROM outbox UNION ALL \
    SELECT (SELECT min(shard) FROM outbox WHERE shard > n.shard) \
    FROM shard_numbers n WHERE n.shard IS NOT NULL) \
    SELECT n.shard, (SELECT o.sequence + o.count - 1 FROM outbox o \
    WHERE o.shard = n.shard ORDER BY o.sequence DESC LIMIT 1) \
    FROM shard_numbers n WHERE n.shard IS NOT NULL";
const RECEIVED: &str = "SELECT shard, source_service, source_shard, position FROM inbox";
const CLAIMED: &str = "SELECT count(*) FROM shards";
const SETTING: &str = "SELECT value FROM settings WHERE name = ?";

impl Account {
    /// Reads the account of the database in a file, at one moment.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(service: &str, file: &Path) -> Result<Self, StoreError> {
        let failed = |error| unusable::reading(file, &error);

        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags).map_err(failed)?;
        connection
            .pragma_update(None, "query_only", true)
            .map_err(failed)?;

        let moment = connection.unchecked_transaction().map_err(failed)?;
        Account::of(service, file, &moment)
    }

    /// The account of an open database, within the transaction under way.
    pub(crate) fn of(
        service: &str,
        file: &Path,
        connection: &Connection,
    ) -> Result<Self, StoreError> {
        let failed = |error| unusable::reading(file, &error);
        let setting = |name: &str| -> Result<Option<String>, StoreError> {
            connection
                .query_row(SETTING, [name], |row| row.get(0))
                .optional()
                .map_err(failed)
        };

        let id = |name: &str| {
            let id = setting(name)?.map(|id| id.parse::<Uuid>()).transpose();
            id.map_err(|error| unusable::damaged(file, format!("setting {name}: {error}")))
        };

        let seen = setting(SEEN)?
            .map_or(Some(BTreeMap::new()), |json| seen_from_json(&json))
            .ok_or_else(|| unusable::damaged(file, format!("setting {SEEN} cannot be read")))?;

        let claimed: u64 = connection
            .query_row(CLAIMED, [], |row| row.get(0))
            .map_err(failed)?;

        Ok(Account {
            file: file.to_owned(),
            service: service.to_owned(),
            deployment: id(ID)?,
            origin: id(ORIGIN)?,
            complete: setting(COMPLETE)?.is_some(),
            used: claimed > 0,
            ends: rows(connection, ENDS, |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?,
            received: rows(connection, RECEIVED, received).map_err(failed)?,
            seen,
        })
    }
}

fn rows<T, C: FromIterator<T>>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<C> {
    connection.prepare(sql)?.query_map([], read)?.collect()
}

fn received(row: &Row<'_>) -> rusqlite::Result<(u16, ShardName, u64)> {
    let source = ShardName {
        service: row.get(1)?,
        number: row.get(2)?,
    };
    Ok((row.get(0)?, source, row.get(3)?))
}
