//! The tables of release 0.1 that every service has.

use sea_orm::{DbErr, EntityName};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::statements::{Clustered, create, execute};
use crate::tables::{inbox, outbox, parked, setting, shard};

/// The first migration of all; tables that a service of release 0.1 had are a part of it.
pub const INITIAL_SCHEMA: &str = "m2026_11_23_000001_initial_schema";

pub(super) struct InitialSchema;

impl MigrationName for InitialSchema {
    fn name(&self) -> &str {
        INITIAL_SCHEMA
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for InitialSchema {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Each shard's outbox grows at an end of its own. In one tree by shard and sequence each of
        // these ends is in the midst of the tree, where SQLite splits pages in halves and rewrites
        // their neighbours: twice the pages for each commit. A database of before stays so.
        create(manager, outbox::Entity, Clustered::No).await?;
        create(manager, inbox::Entity, Clustered::ByPrimaryKey).await?;
        create(manager, shard::Entity, Clustered::No).await?;
        create(manager, setting::Entity, Clustered::No).await?;
        create(manager, parked::Entity, Clustered::No).await?;
        index_history(manager).await
    }
}

/// The history of an entity, by version. Rows without events have no version and stay out.
async fn index_history(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = outbox::Entity.table_name();
    let sql = format!(
        "CREATE UNIQUE INDEX IF NOT EXISTS outbox_history ON {table} (entity_id, version) \
        WHERE version IS NOT NULL"
    );
    execute(manager, &sql).await
}
