//! The table of the orders service, beside the mechanism's, and what its sagas were before.

mod former_sagas;

use sea_orm::{DbErr, EntityName, IdenStatic};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::tables::order;
use crate::migrations::{Clustered, INITIAL_SCHEMA, add_column, create};

pub(super) fn all() -> Vec<Box<dyn MigrationTrait>> {
    let mut all = former_sagas::migrations();
    all.push(Box::new(InitialSchema));
    all.push(Box::new(WithoutSagas));
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

/// An order may be created and cancelled without a saga. None was before.
struct WithoutSagas;

impl MigrationName for WithoutSagas {
    fn name(&self) -> &str {
        "m2026_11_29_000002_orders_without_sagas"
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for WithoutSagas {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (table, column) = (order::Entity.table_name(), order::Column::Choreography);
        add_column(manager, table, column.as_str(), "text").await
    }
}

#[cfg(test)]
mod tests;
