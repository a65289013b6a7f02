//! Entities as JSON, for services that need no tables of their own.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::statements::{Clustered, create};
use crate::tables::entity;

pub(super) struct Entities;

impl MigrationName for Entities {
    fn name(&self) -> &str {
        "m2026_11_28_000004_entities"
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for Entities {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, entity::Entity, Clustered::No).await
    }
}
