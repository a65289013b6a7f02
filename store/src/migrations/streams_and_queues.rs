//! Positions name the stream they are about, so that a shard can follow both of one source; and
//! parked messages keep the attempt that they belong to, and are found by their entity without a
//! walk over all.

use sea_orm::{DbErr, EntityName, IdenStatic};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::statements::{Clustered, add_column, create, execute};
use crate::tables::{inbox, parked};

/// Commands of sagas are numbered from here on.
pub const NUMBERED_COMMANDS: &str = "m2026_11_28_000001_numbered_commands";

/// Parked messages keep the number of their command. What release 0.1 has sent has none.
pub(super) struct NumberedMessages;

impl MigrationName for NumberedMessages {
    fn name(&self) -> &str {
        NUMBERED_COMMANDS
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for NumberedMessages {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let parked = parked::Entity.table_name();
        for (column, kind) in [
            (parked::Column::SagaId, "uuid_text"),
            (parked::Column::SagaStep, "varchar"),
            (parked::Column::SagaAttempt, "bigint"),
        ] {
            add_column(manager, parked, column.as_str(), kind).await?;
        }
        Ok(())
    }
}

pub(super) struct StreamsAndQueues;

impl MigrationName for StreamsAndQueues {
    fn name(&self) -> &str {
        "m2026_11_28_000002_streams_and_queues"
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for StreamsAndQueues {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (inbox, stream) = (inbox::Entity.table_name(), inbox::Column::Stream.as_str());

        // The stream is part of the key, so the table is made anew. A database that is new has
        // been made from the entity as it is now.
        let before = "inbox_before";
        if manager.has_table(inbox).await? && !manager.has_column(inbox, stream).await? {
            let rename = format!("ALTER TABLE {inbox} RENAME TO {before}");
            execute(manager, &rename).await?;
        }

        if manager.has_table(before).await? {
            create(manager, inbox::Entity, Clustered::ByPrimaryKey).await?;
            let columns = "shard, source_service, source_shard";
            let copy = format!(
                "INSERT OR REPLACE INTO {inbox} ({columns}, {stream}, position) \
                SELECT {columns}, 'messages', position FROM {before}"
            );
            execute(manager, &copy).await?;
            execute(manager, &format!("DROP TABLE {before}")).await?;
        }

        let parked = parked::Entity.table_name();
        let index = format!(
            "CREATE INDEX IF NOT EXISTS parked_by_entity ON {parked} (shard, entity_id, place)"
        );
        execute(manager, &index).await
    }
}
