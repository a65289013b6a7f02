//! Rows one by one: a value that is not what its column should hold costs its own row, and no
//! other.
//!
//! A database in a file keeps whatever somebody writes into a column, whichever type that has. Rows
//! are fetched as they are and read each by itself, so nothing is asked twice.

use std::marker::PhantomData;

use sea_orm::{
    DbErr, EntityTrait, FromQueryResult, IdenStatic, Iterable, PartialModelTrait,
    PrimaryKeyToColumn, QueryResult, QuerySelect, RuntimeErr, Select, sqlx,
};
use uuid::Uuid;

use super::Snapshot;
use crate::{StoreError, loading};

/// A row, or what is known of one that cannot be read.
pub type AsRead<R> = Result<R, UnreadableRow>;

/// A row of which a column does not hold what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableRow {
    /// The table, as the database knows it.
    pub table: &'static str,
    /// Its primary key, as far as it can be shown.
    pub key: String,
    /// Its id, when its key begins with one that can be read.
    pub id: Option<Uuid>,
    /// The first column that cannot be read, when the database says which.
    pub column: Option<String>,
    /// What stands there, or why it cannot be read.
    pub found: String,
}

impl UnreadableRow {
    fn of<E: EntityTrait>(row: &QueryResult, error: &DbErr) -> Self {
        let keys: Vec<String> = E::PrimaryKey::iter()
            .map(|key| key.into_column().as_str().to_owned())
            .collect();
        let shown_keys: Vec<_> = keys.iter().map(|key| shown_key(row, key)).collect();
        let first = keys.first();
        let column = column_of(error);
        let found = column.as_deref().and_then(|column| shown(row, column));

        UnreadableRow {
            table: E::default().table_name(),
            key: shown_keys.join("/"),
            id: first.and_then(|key| row.try_get("", key).ok()),
            found: found.unwrap_or_else(|| error.to_string()),
            column,
        }
    }
}

/// The column that an error is about.
fn column_of(error: &DbErr) -> Option<String> {
    let DbErr::Query(RuntimeErr::SqlxError(error)) = error else {
        return None;
    };
    let sqlx::Error::ColumnDecode { index, .. } = &**error else {
        return None;
    };
    Some(index.trim_matches('"').to_owned())
}

/// The characters of a value that are shown, at most.
const SHOWN: usize = 60;

/// What stands in a column, whatever it is.
fn shown(row: &QueryResult, column: &str) -> Option<String> {
    if let Ok(text) = row.try_get::<String>("", column) {
        let cut: String = text.chars().take(SHOWN).collect();
        return Some(format!("the text {cut:?}"));
    }
    if let Ok(number) = row.try_get::<i64>("", column) {
        return Some(format!("the number {number}"));
    }
    if let Ok(number) = row.try_get::<f64>("", column) {
        return Some(format!("the number {number:?}"));
    }
    let bytes = row.try_get::<Vec<u8>>("", column).ok()?;
    Some(format!("{} bytes", bytes.len()))
}

fn shown_key(row: &QueryResult, column: &str) -> String {
    if let Ok(id) = row.try_get::<Uuid>("", column) {
        return id.to_string();
    }
    if let Ok(number) = row.try_get::<i64>("", column) {
        return number.to_string();
    }
    let text = row.try_get::<String>("", column);
    text.ok()
        .or_else(|| shown(row, column))
        .unwrap_or_else(|| "?".to_owned())
}

/// Reads a row of an entity's table as an `R`. The query selects the primary key, too.
pub(crate) struct Attempt<E, R> {
    pub row: AsRead<R>,
    of: PhantomData<E>,
}

impl<E: EntityTrait, R: FromQueryResult> FromQueryResult for Attempt<E, R> {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        let row = match R::from_query_result(row, prefix) {
            Ok(read) => Ok(read),
            Err(error) if loading::is_of_a_row(&error) => Err(UnreadableRow::of::<E>(row, &error)),
            Err(error) => return Err(error),
        };
        let of = PhantomData;
        Ok(Attempt { row, of })
    }
}

impl Snapshot {
    /// The rows that a query finds, each read by itself.
    pub(crate) async fn each<E, R>(&self, query: Select<E>) -> Result<Vec<AsRead<R>>, StoreError>
    where
        E: EntityTrait,
        R: FromQueryResult + Send + Sync,
    {
        let rows = query.into_model::<Attempt<E, R>>().all(&self.transaction);
        let rows = rows.await.map_err(|e| self.failed(e))?;
        Ok(rows.into_iter().map(|attempt| attempt.row).collect())
    }

    /// The same for some of their columns.
    pub(crate) async fn each_partial<E, R>(
        &self,
        query: Select<E>,
    ) -> Result<Vec<AsRead<R>>, StoreError>
    where
        E: EntityTrait,
        R: PartialModelTrait + Send + Sync,
    {
        self.each(R::select_cols(query.select_only())).await
    }
}

/// The key after which the next page begins: the last id among those of a page that ends with
/// `after`. What has no id comes before those that have one; a page of nothing else is passed
/// over once.
#[must_use]
pub fn last_id<R>(
    rows: &[AsRead<R>],
    id: impl Fn(&R) -> Uuid,
    after: Option<Uuid>,
) -> Option<Uuid> {
    let ids = rows.iter().filter_map(|row| match row {
        Ok(row) => Some(id(row)),
        Err(unreadable) => unreadable.id,
    });
    let only_strange = !rows.is_empty() && after.is_none();
    ids.max().or_else(|| only_strange.then(Uuid::nil))
}
