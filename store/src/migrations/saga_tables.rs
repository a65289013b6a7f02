//! What a service keeps that coordinates sagas.

use sagas::SagaState;
use sea_orm::sea_query::{Index, IntoTableRef};
use sea_orm::{DbErr, EntityName, IdenStatic};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::INITIAL_SCHEMA;
use super::statements::{Clustered, add_column, create, execute};
use super::streams_and_queues::NUMBERED_COMMANDS;
use crate::tables::saga;

pub(super) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(InitialSagas),
        Box::new(CompensatedSagas),
        Box::new(NumberedCommands),
    ]
}

/// Sagas as release 0.1 had them.
struct InitialSagas;

impl MigrationName for InitialSagas {
    fn name(&self) -> &str {
        INITIAL_SCHEMA
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for InitialSagas {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, saga::Entity, Clustered::No).await?;

        let newest = Index::create()
            .name("sagas_by_start")
            .if_not_exists()
            .table(saga::Entity.into_table_ref())
            .col(saga::Column::StartedAt)
            .col(saga::Column::SagaId)
            .to_owned();
        manager.create_index(newest).await?;

        let table = saga::Entity.table_name();
        let open = format!(
            "CREATE INDEX IF NOT EXISTS sagas_open ON {table} (shard, wake_at) WHERE ended_at IS NULL"
        );
        execute(manager, &open).await
    }
}

/// The list of compensated sagas without a walk over all. Only a saga that ends so writes to the
/// index, and it does once; those that complete, nearly all, cost nothing.
struct CompensatedSagas;

impl MigrationName for CompensatedSagas {
    fn name(&self) -> &str {
        "m2026_11_24_000001_compensated_sagas"
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for CompensatedSagas {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = saga::Entity.table_name();
        let compensated = SagaState::Compensated.name();
        let index = format!(
            "CREATE INDEX IF NOT EXISTS sagas_compensated ON {table} (started_at, saga_id) \
            WHERE state = '{compensated}'"
        );
        execute(manager, &index).await
    }
}

/// A saga counts the commands that it has sent; replies and parked messages keep the number. What
/// release 0.1 has sent has none.
struct NumberedCommands;

impl MigrationName for NumberedCommands {
    fn name(&self) -> &str {
        NUMBERED_COMMANDS
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for NumberedCommands {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sent = saga::Column::CommandsSent.as_str();
        let none = "bigint NOT NULL DEFAULT 0";
        add_column(manager, saga::Entity.table_name(), sent, none).await
    }
}
