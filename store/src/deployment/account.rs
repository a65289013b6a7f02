//! What a database says about itself, and about the others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};
use uuid::Uuid;

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

/// A shard by the names that stand in the databases.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShardName {
    /// By its name.
    pub service: String,
    /// Its number within the service.
    pub number: u16,
}

impl std::fmt::Display for ShardName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.service, self.number)
    }
}

impl ShardName {
    fn parse(text: &str) -> Option<Self> {
        let (service, number) = text.split_once('/')?;
        Some(ShardName {
            service: service.to_owned(),
            number: number.parse().ok()?,
        })
    }
}

/// What a database says, as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Where the database is; on a server its address, which is no file.
    pub file: PathBuf,
    /// Whose it is, by name.
    pub service: String,
    /// The deployment it belongs to.
    pub deployment: Option<Uuid>,
    /// The deployment that began its history, when it was restored from a backup since.
    pub origin: Option<Uuid>,
    /// All databases of the deployment had its id when this was noted.
    pub complete: bool,
    /// A node has taken over shards of it.
    pub used: bool,
    /// The newest sequence in the outbox of each shard; a shard without one has sent nothing.
    pub ends: BTreeMap<u16, u64>,
    /// How far its shards have read others: receiver, source and position.
    pub received: Vec<(u16, ShardName, u64)>,
    /// How far the others had come when it was noted last.
    pub seen: BTreeMap<ShardName, u64>,
}

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

    /// The newest sequence of one of its shards; 0 when it has sent nothing.
    #[must_use]
    pub fn end(&self, shard: u16) -> u64 {
        self.ends.get(&shard).copied().unwrap_or(0)
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

/// What a service may note of the others, as it is stored.
pub(super) fn seen_of_others(service: &str, accounts: &[Account]) -> Result<String, StoreError> {
    let ends: BTreeMap<String, u64> = accounts
        .iter()
        .filter(|other| other.service != service)
        .flat_map(|other| {
            other
                .ends
                .iter()
                .map(|(number, end)| (format!("{}/{number}", other.service), *end))
        })
        .collect();

    serde_json::to_string(&ends).map_err(|error| StoreError::Corrupt {
        what: format!("what {service} has seen of the others"),
        source: Box::new(error),
    })
}

pub(super) fn seen_from_json(json: &str) -> Option<BTreeMap<ShardName, u64>> {
    let named: BTreeMap<String, u64> = serde_json::from_str(json).ok()?;
    named
        .into_iter()
        .map(|(name, end)| Some((ShardName::parse(&name)?, end)))
        .collect()
}
