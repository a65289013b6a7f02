//! The tables of the customers service, beside the mechanism's.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::tables::{customer, reservation};
use crate::migrations::{Clustered, INITIAL_SCHEMA, create};

pub(super) fn all() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(InitialSchema)]
}

/// The tables of release 0.1.
struct InitialSchema;

impl MigrationName for InitialSchema {
    fn name(&self) -> &str {
        INITIAL_SCHEMA
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for InitialSchema {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, customer::Entity, Clustered::No).await?;
        create(manager, reservation::Entity, Clustered::ByPrimaryKey).await
    }
}
