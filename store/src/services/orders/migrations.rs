//! The table of the orders service, beside the mechanism's.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::tables::order;
use crate::migrations::{Clustered, INITIAL_SCHEMA, create};

pub(super) fn all() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(InitialSchema)]
}

/// The table of release 0.1.
struct InitialSchema;

impl MigrationName for InitialSchema {
    fn name(&self) -> &str {
        INITIAL_SCHEMA
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for InitialSchema {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, order::Entity, Clustered::No).await
    }
}
