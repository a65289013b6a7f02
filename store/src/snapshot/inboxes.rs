//! The positions of all shards of a service, and what they have parked.

use sagas::{Service, ShardId};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{AsRead, Snapshot};
use crate::StoreError;
use crate::parking::ParkedState;
use crate::tables::{inbox, parked};

/// The position a shard has reached in a source, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxRow {
    /// The shard that reads, by its number.
    pub shard: i32,
    /// The service that it reads from, by its name.
    pub source_service: String,
    /// The shard there, by its number.
    pub source_shard: i32,
    /// By its name.
    pub stream: String,
    /// The sequence of the last message applied, or parked.
    pub position: i64,
}

impl InboxRow {
    /// The source, when there is such a one among `shards` shards of each service.
    #[must_use]
    pub fn source(&self, shards: u16) -> Option<ShardId> {
        let service = Service::from_name(&self.source_service)?;
        let number = u16::try_from(self.source_shard)
            .ok()
            .filter(|number| *number < shards)?;
        Some(ShardId::new(service, number))
    }
}

/// Messages that wait, counted by state and entity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParkedCounts {
    /// Those that wait for their next attempt, or for one before them.
    pub waiting: u64,
    /// Those that wait for an operator.
    pub quarantined: u64,
    /// Some of the entities in quarantine.
    pub examples: Vec<Uuid>,
}

impl Snapshot {
    /// The positions of all shards of the service.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn inboxes(&self) -> Result<Vec<AsRead<InboxRow>>, StoreError> {
        let rows = self.each(inbox::Entity::find()).await?;
        let stored = |row: inbox::Model| InboxRow {
            shard: row.shard,
            source_service: row.source_service,
            source_shard: row.source_shard,
            stream: row.stream,
            position: row.position,
        };
        Ok(rows.into_iter().map(|row| row.map(stored)).collect())
    }

    /// What the shards of the service have parked, with at most `examples` entities. A row that
    /// cannot be read is no example.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn parked(&self, examples: u64) -> Result<ParkedCounts, StoreError> {
        use parked::Column;

        let of = async |state: ParkedState| {
            parked::Entity::find()
                .filter(Column::State.eq(state.name()))
                .count(&self.transaction)
                .await
                .map_err(|e| self.failed(e))
        };

        let query = parked::Entity::find()
            .filter(Column::State.eq(ParkedState::Quarantined.name()))
            .order_by_asc(Column::ParkedAt)
            .limit(examples);
        let rows: Vec<AsRead<parked::Model>> = self.each(query).await?;
        let entities = rows.into_iter().flatten().map(|row| row.entity_id);

        Ok(ParkedCounts {
            waiting: of(ParkedState::Waiting).await?,
            quarantined: of(ParkedState::Quarantined).await?,
            examples: entities.collect(),
        })
    }
}
