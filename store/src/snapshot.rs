//! Reading a whole service database for the auditor: everything in it, in order, a bounded number
//! of rows at a time.
//!
//! What is compared with each other is read in one [`Snapshot`], so that a node may run meanwhile;
//! a snapshot spans one range of ids and no more, because the write-ahead log cannot shrink while
//! one is open. Rows come as they are stored, each read by itself, so that an auditor can report
//! one that cannot be read. Nothing here judges, and nothing here writes.

pub(crate) mod as_read;
pub mod entities;
pub mod events;
pub mod inboxes;
pub mod outboxes;
pub mod queues;
pub mod sagas;

use std::collections::HashMap;

use ::sagas::Service;
use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, DbErr, EntityTrait, FromQueryResult, QueryFilter,
    QueryOrder, QueryResult, QuerySelect,
};
use uuid::Uuid;

use crate::mapping::IDS_PER_QUERY;
use crate::services::EntityTable;
use crate::{ServiceDatabase, StoreError};

pub use as_read::{AsRead, UnreadableRow, last_id};

/// The state of a service's database at one moment.
#[derive(Debug)]
pub struct Snapshot {
    service: Service,
    /// Where its entities are.
    pub(crate) entities: EntityTable,
    pub(crate) transaction: DatabaseTransaction,
}

/// An id and a number, by their places.
struct Numbered {
    id: Uuid,
    number: i64,
}

impl FromQueryResult for Numbered {
    fn from_query_result(row: &QueryResult, _: &str) -> Result<Self, DbErr> {
        Ok(Numbered {
            id: row.try_get_by_index(0)?,
            number: row.try_get_by_index(1)?,
        })
    }
}

impl Snapshot {
    /// A number of each of some rows, by the ids of the rows; one that is gone is not in it, and
    /// one that cannot be read has none.
    async fn numbers_of<E: EntityTrait>(
        &self,
        (id, number): (E::Column, E::Column),
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Option<i64>>, StoreError> {
        let mut found = HashMap::new();

        for ids in ids.chunks(IDS_PER_QUERY) {
            let query = E::find()
                .select_only()
                .columns([id, number])
                .filter(id.is_in(ids.iter().copied()));
            for row in self.each::<E, Numbered>(query).await? {
                match row {
                    Ok(Numbered { id, number }) => found.insert(id, Some(number)),
                    Err(unreadable) => unreadable.id.and_then(|id| found.insert(id, None)),
                };
            }
        }

        Ok(found)
    }

    /// Begins a snapshot. The first read fixes what all later ones see.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin(database: &ServiceDatabase) -> Result<Self, StoreError> {
        let begun = database.read.begin().await;
        Ok(Snapshot {
            service: database.service,
            entities: database.schema.entities(),
            transaction: begun.map_err(|e| database.failed(e))?,
        })
    }

    /// Ends it, so that the write-ahead log may be used again.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end(self) -> Result<(), StoreError> {
        let service = self.service;
        self.transaction
            .rollback()
            .await
            .map_err(|source| failed(service, source))
    }

    /// The rows of a range of a service's own table, by their key.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rows<E: EntityTrait>(
        &self,
        key: E::Column,
        range: IdRange,
    ) -> Result<Vec<E::Model>, StoreError> {
        let rows = E::find()
            .filter(range.condition(key))
            .order_by_asc(key)
            .all(&self.transaction)
            .await;
        rows.map_err(|e| self.failed(e))
    }

    /// The same, each read by itself.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rows_as_read<E>(
        &self,
        key: E::Column,
        range: IdRange,
    ) -> Result<Vec<AsRead<E::Model>>, StoreError>
    where
        E: EntityTrait,
        E::Model: FromQueryResult + Send + Sync,
    {
        let query = E::find().filter(range.condition(key)).order_by_asc(key);
        self.each(query).await
    }

    /// Rows by their ids after one, at most `limit`, each read by itself.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn page<E>(
        &self,
        key: E::Column,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<AsRead<E::Model>>, StoreError>
    where
        E: EntityTrait,
        E::Model: FromQueryResult + Send + Sync,
    {
        let range = IdRange { after, up_to: None };
        let query = E::find().filter(range.condition(key)).order_by_asc(key);
        self.each(query.limit(limit)).await
    }

    pub(crate) fn failed(&self, source: DbErr) -> StoreError {
        failed(self.service, source)
    }
}

fn failed(service: Service, source: DbErr) -> StoreError {
    StoreError::Database {
        what: service.to_string(),
        source,
    }
}

/// Entities by their ids: those after the one and up to the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdRange {
    /// Exclusive; from the first one when absent.
    pub after: Option<Uuid>,
    /// Inclusive; to the last one when absent.
    pub up_to: Option<Uuid>,
}

impl IdRange {
    /// Whether an id lies within.
    #[must_use]
    pub fn contains(&self, id: Uuid) -> bool {
        self.after.is_none_or(|after| id > after) && self.up_to.is_none_or(|up_to| id <= up_to)
    }

    /// That a column of ids lies within.
    #[must_use]
    pub fn condition(&self, column: impl ColumnTrait) -> Condition {
        Condition::all()
            .add_option(self.after.map(|after| column.gt(after)))
            .add_option(self.up_to.map(|up_to| column.lte(up_to)))
    }
}
