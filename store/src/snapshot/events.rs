//! The events of all entities of a range, in the order of the history: by entity, then version.

use sagas::ShardId;
use sea_orm::sea_query::Expr;
use sea_orm::{
    DbErr, DerivePartialModel, EntityTrait, ExprTrait, FromQueryResult, IdenStatic,
    PartialModelTrait, QueryFilter, QueryOrder, QueryResult, QuerySelect,
};
use uuid::Uuid;

use super::as_read::{AsRead, Attempt};
use super::{IdRange, Snapshot};
use crate::tables::history::Column;
use crate::tables::{history, outbox};
use crate::{Message, StoreError, outbox as stored};

/// The columns that hold events.
#[derive(DerivePartialModel)]
#[sea_orm(entity = "history::Entity")]
struct EventRow {
    shard: i32,
    sequence: i64,
    count: i32,
    entity_id: Uuid,
    version: i64,
    correlation_id: Uuid,
    time: i64,
    events: Option<String>,
}

/// A row of which at least the place can be read.
struct Placed {
    entity: Uuid,
    version: i64,
    row: AsRead<EventRow>,
}

impl FromQueryResult for Placed {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Placed {
            entity: row.try_get(prefix, Column::EntityId.as_str())?,
            version: row.try_get(prefix, Column::Version.as_str())?,
            row: Attempt::<history::Entity, EventRow>::from_query_result(row, prefix)?.row,
        })
    }
}

/// The events of one unit, which are of one entity.
#[derive(Debug)]
pub struct UnitEvents {
    /// Whose they are.
    pub entity: Uuid,
    /// The entity's version after the first of them.
    pub version: i64,
    /// The shard in whose outbox they stand, by its number, and those; an error when the row cannot
    /// be read.
    pub stored: AsRead<StoredEvents>,
}

/// What the row of a unit holds.
#[derive(Debug)]
pub struct StoredEvents {
    /// The shard in whose outbox it stands, by its number.
    pub shard: i32,
    /// An error when its events cannot be read.
    pub events: Result<Vec<Message>, StoreError>,
}

/// A place in the history: an entity and the version of a row.
pub type Place = (Uuid, i64);

impl Snapshot {
    /// The events of a range's entities after a place, at most `limit` units.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn events(
        &self,
        range: IdRange,
        after: Option<Place>,
        limit: u64,
    ) -> Result<Vec<AsRead<UnitEvents>>, StoreError> {
        let query = history::Entity::find();
        let query = match after {
            None => query.filter(range.condition(Column::EntityId)),
            Some((entity, version)) => {
                let place = |parts: [Expr; 2]| Expr::tuple(parts);
                let columns = place([Expr::col(Column::EntityId), Expr::col(Column::Version)]);
                let beyond = columns.gt(place([Expr::val(entity), Expr::val(version)]));
                query.filter(beyond).filter(
                    IdRange {
                        after: None,
                        ..range
                    }
                    .condition(Column::EntityId),
                )
            }
        };

        let query = query
            .order_by_asc(Column::EntityId)
            .order_by_asc(Column::Version)
            .limit(limit);
        let rows = self.each(EventRow::select_cols(query.select_only()));
        let rows: Vec<AsRead<Placed>> = rows.await?;

        let unit = |placed: Placed| UnitEvents {
            entity: placed.entity,
            version: placed.version,
            stored: placed.row.map(|row| self.stored_events(row)),
        };
        Ok(rows.into_iter().map(|row| row.map(unit)).collect())
    }

    fn stored_events(&self, row: EventRow) -> StoredEvents {
        let EventRow {
            shard,
            sequence,
            count,
            entity_id,
            version,
            correlation_id,
            time,
            events,
        } = row;

        let (first_version, messages) = (Some(version), None);

        let row = outbox::Model {
            shard,
            sequence,
            count,
            entity_id,
            version: first_version,
            correlation_id,
            time,
            events,
            messages,
        };

        StoredEvents {
            shard,
            events: stored::from_row(self.service, &row),
        }
    }
}

impl UnitEvents {
    /// Where it stands in the history.
    #[must_use]
    pub fn place(&self) -> Place {
        (self.entity, self.version)
    }
}

impl StoredEvents {
    /// Whether it stands in the outbox of this shard.
    #[must_use]
    pub fn stands_in(&self, shard: ShardId) -> bool {
        self.shard == i32::from(shard.number)
    }
}
