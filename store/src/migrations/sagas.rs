//! What a service keeps of the sagas that work on its entities, and of timers.

use ::sagas::SagaState;
use sea_orm::sea_query::{Index, IntoTableRef};
use sea_orm::{DbErr, EntityName};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::statements::{Clustered, create, execute};
use crate::tables::{saga, timer};

/// The table of sagas, and timers in one of their own.
pub const SAGAS_OF_ANY_SERVICE: &str = "m2026_11_28_000005_sagas_of_any_service";

/// The tables and their indexes.
pub(super) struct SagasOfAnyService;

impl MigrationName for SagasOfAnyService {
    fn name(&self) -> &str {
        SAGAS_OF_ANY_SERVICE
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for SagasOfAnyService {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, saga::Entity, Clustered::No).await?;
        create(manager, timer::Entity, Clustered::ByPrimaryKey).await?;

        let newest = Index::create()
            .name("sagas_by_start")
            .if_not_exists()
            .table(saga::Entity.into_table_ref())
            .col(saga::Column::StartedAt)
            .col(saga::Column::SagaId)
            .to_owned();
        manager.create_index(newest).await?;

        // The lists of states that are rare, without a walk over all. Only a saga that comes into
        // such a state writes to its index; those that complete, nearly all, cost nothing.
        for (index, state) in [
            ("sagas_compensated", SagaState::Compensated),
            ("sagas_stuck", SagaState::Stuck),
        ] {
            let (table, state) = (saga::Entity.table_name(), state.name());
            let index = format!(
                "CREATE INDEX IF NOT EXISTS {index} ON {table} (started_at, saga_id) \
                WHERE state = '{state}'"
            );
            execute(manager, &index).await?;
        }
        Ok(())
    }
}
