//! The tables of the customers service, beside the mechanism's.

use sea_orm::{DbErr, EntityName, IdenStatic};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::tables::{customer, reservation};
use crate::migrations::{Clustered, INITIAL_SCHEMA, add_column, create};

pub(super) fn all() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(InitialSchema), Box::new(CorrectedLimits)]
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

/// A credit limit may be corrected, by a command whose key is remembered. None was before.
struct CorrectedLimits;

impl MigrationName for CorrectedLimits {
    fn name(&self) -> &str {
        "m2026_11_29_000004_corrected_limits"
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for CorrectedLimits {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use customer::Column;

        let table = customer::Entity.table_name();
        for (column, kind) in [
            (Column::LimitCorrectedAt, "bigint"),
            (Column::RememberedKeys, "text"),
        ] {
            add_column(manager, table, column.as_str(), kind).await?;
        }
        Ok(())
    }
}
