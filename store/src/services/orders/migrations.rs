//! The table of the orders service, beside the mechanism's, and what its sagas were before.

mod former_sagas;

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::tables::order;
use crate::migrations::{Clustered, INITIAL_SCHEMA, create};

pub(super) fn all() -> Vec<Box<dyn MigrationTrait>> {
    let mut all = former_sagas::migrations();
    all.push(Box::new(InitialSchema));
    all
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

#[cfg(test)]
mod tests;
