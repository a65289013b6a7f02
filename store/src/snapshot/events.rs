//! The events of all entities of a range, in the order of the history: by entity, then version.

use sagas::ShardId;
use sea_orm::sea_query::Expr;
use sea_orm::{DerivePartialModel, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{IdRange, Snapshot};
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

/// The events of one unit, which are of one entity.
#[derive(Debug)]
pub struct UnitEvents {
    /// Whose they are.
    pub entity: Uuid,
    /// The entity's version after the first of them.
    pub version: i64,
    /// The shard in whose outbox they stand, by its number.
    pub shard: i32,
    /// Of the row they stand in.
    pub sequence: i64,
    /// An error when the row cannot be read.
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
    ) -> Result<Vec<UnitEvents>, StoreError> {
        use history::Column;

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

        let rows = query
            .order_by_asc(Column::EntityId)
            .order_by_asc(Column::Version)
            .limit(limit)
            .into_partial_model::<EventRow>()
            .all(&self.transaction)
            .await
            .map_err(|e| self.failed(e))?;

        Ok(rows.into_iter().map(|row| self.unit(row)).collect())
    }

    fn unit(&self, row: EventRow) -> UnitEvents {
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

        UnitEvents {
            entity: entity_id,
            version,
            shard,
            sequence,
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

    /// Whether it stands in the outbox of this shard.
    #[must_use]
    pub fn stands_in(&self, shard: ShardId) -> bool {
        self.shard == i32::from(shard.number)
    }
}
