//! Snapshots of entities, for services that load them by replay.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::statements::{Clustered, create};
use crate::tables::entity_snapshot;

pub(super) struct Snapshots;

impl MigrationName for Snapshots {
    fn name(&self) -> &str {
        "m2026_11_29_000003_entity_snapshots"
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for Snapshots {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, entity_snapshot::Entity, Clustered::No).await
    }
}
