//! Loading rows by their ids, so that one that cannot be read stops nobody but itself.

use std::collections::HashMap;
use std::hash::Hash;

use sea_orm::sqlx;
use sea_orm::sqlx::postgres::PgDatabaseError;
use sea_orm::{
    ColumnTrait, DbBackend, DbErr, EntityTrait, FromQueryResult, QueryFilter, QuerySelect,
    RuntimeErr,
};
use uuid::Uuid;

use crate::database::postgres;
use crate::mapping::{self, Memory};
use crate::{ServiceDatabase, StoreError};

/// What a load has found of the ids: an entity, or why its row cannot be read. An id that is not in
/// it does not exist in the database.
pub type Found<K, T> = HashMap<K, Result<T, StoreError>>;

/// Runs `query` for all of `ids`, a bounded number at once, and reads each row. When a query fails
/// because of a value that it meets, its ids are asked for in ever smaller parts, until the row
/// stands alone.
///
/// # Errors
/// When the database does not answer.
pub async fn by_ids<K, R, T>(
    database: &ServiceDatabase,
    ids: &[K],
    kind: &'static str,
    query: impl AsyncFn(Vec<Uuid>) -> Result<Vec<R>, DbErr>,
    read: impl Fn(R) -> (K, Result<T, StoreError>),
) -> Result<Found<K, T>, StoreError>
where
    K: Copy + Eq + Hash + Into<Uuid>,
{
    let mut found = HashMap::with_capacity(ids.len());
    let mut parts: Vec<&[K]> = ids.chunks(mapping::IDS_PER_QUERY).collect();

    while let Some(part) = parts.pop() {
        let mut wanted: Vec<Uuid> = part.iter().map(|id| (*id).into()).collect();
        if database.read.backend() == DbBackend::Postgres {
            pad(&mut wanted);
        }
        match query(wanted).await {
            Ok(rows) => found.extend(rows.into_iter().map(&read)),
            Err(error) if !is_of_a_row(&error) => return Err(database.failed(error)),
            Err(error) => match part {
                [id] => {
                    let unreadable = unreadable(format!("{kind} {}", (*id).into()), error);
                    found.insert(*id, Err(unreadable));
                }
                _ => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([first, second]);
                }
            },
        }
    }

    Ok(found)
}

/// The columns of a kind of entity that say what no event says, and the version at which they do.
#[derive(Clone, Copy, Debug)]
pub struct MemoryColumns<C> {
    /// The primary key.
    pub id: C,
    /// Of the newest event.
    pub version: C,
    /// Of the request that made it.
    pub request_fingerprint: C,
    /// The keys of later commands.
    pub remembered_keys: C,
}

#[derive(FromQueryResult)]
struct MemoryRow {
    id: Uuid,
    version: i64,
    request_fingerprint: Option<Uuid>,
    remembered_keys: Option<String>,
}

/// What the rows of the entities among `ids` remember. Their states are not looked at.
///
/// # Errors
/// When the database does not answer.
pub async fn memories<E: EntityTrait>(
    database: &ServiceDatabase,
    ids: &[Uuid],
    kind: &'static str,
    columns: MemoryColumns<E::Column>,
) -> Result<Found<Uuid, Memory>, StoreError> {
    let query = async |ids: Vec<Uuid>| {
        E::find()
            .filter(columns.id.is_in(ids))
            .select_only()
            .column_as(columns.id, "id")
            .column(columns.version)
            .column(columns.request_fingerprint)
            .column(columns.remembered_keys)
            .into_model::<MemoryRow>()
            .all(&database.read)
            .await
    };

    let read = |row: MemoryRow| {
        let id = row.id;
        let (fingerprint, keys) = (row.request_fingerprint, row.remembered_keys.as_deref());
        let memory = Memory::of_columns(row.version, fingerprint, keys, || format!("{kind} {id}"));
        (id, memory)
    };
    by_ids(database, ids, kind, query, read).await
}

/// Repeats the last id until there are as many as a power of two: so a server has a few statements
/// to parse and to keep prepared, and not one for each number of ids.
fn pad(ids: &mut Vec<Uuid>) {
    if let Some(last) = ids.last().copied() {
        ids.resize(ids.len().next_power_of_two(), last);
    }
}

/// Whether a value in a row, or the page that it lies on, is the reason, and not the database as a
/// whole.
pub(crate) fn is_of_a_row(error: &DbErr) -> bool {
    match error {
        DbErr::Type(_) | DbErr::Json(_) | DbErr::TryIntoErr { .. } => true,
        DbErr::Query(RuntimeErr::SqlxError(error)) => {
            matches!(
                **error,
                sqlx::Error::ColumnDecode { .. }
                    | sqlx::Error::Decode(_)
                    | sqlx::Error::TypeNotFound { .. }
            ) || is_of_a_page(error)
        }
        _ => false,
    }
}

/// SQLite's `SQLITE_CORRUPT`, and the extended codes that say more; or what PostgreSQL says of a
/// damaged page.
fn is_of_a_page(error: &sqlx::Error) -> bool {
    const CORRUPT: i32 = 11;

    let sqlx::Error::Database(error) = error else {
        return false;
    };
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        return postgres::errors::is_of_a_page(error);
    }
    let code = error.code().and_then(|code| code.parse::<i32>().ok());
    code.is_some_and(|code| code & 0xff == CORRUPT)
}

pub(crate) fn unreadable(what: String, error: DbErr) -> StoreError {
    StoreError::Corrupt {
        what,
        source: Box::new(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_asked_for_in_a_few_sizes() {
        for (ids, asked) in [(0, 0), (1, 1), (2, 2), (3, 4), (500, 512)] {
            let mut wanted: Vec<_> = (0..ids).map(Uuid::from_u128).collect();
            let last = wanted.last().copied();
            pad(&mut wanted);
            assert_eq!((wanted.len(), wanted.last().copied()), (asked, last));
        }
    }
}
