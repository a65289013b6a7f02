//! What operators do is kept, and sagas that were given up are found.

use ::sagas::SagaState;
use sea_orm::{DbErr, EntityName, IdenStatic};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::statements::{Clustered, create, execute};
use crate::tables::{action, bulk, saga};

pub(super) struct Operators;

impl MigrationName for Operators {
    fn name(&self) -> &str {
        "m2026_11_29_000001_operators"
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for Operators {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, action::Entity, Clustered::No).await?;
        create(manager, bulk::Entity, Clustered::No).await?;

        // People write to them, not sagas: they cost nothing.
        let table = action::Entity.table_name();
        for (index, column) in [
            ("operator_actions_by_time", action::Column::Time),
            ("operator_actions_by_subject", action::Column::SubjectId),
            ("operator_actions_by_entity", action::Column::EntityId),
            ("operator_actions_by_key", action::Column::RequestKey),
        ] {
            let column = column.as_str();
            let index = format!("CREATE INDEX IF NOT EXISTS {index} ON {table} ({column})");
            execute(manager, &index).await?;
        }

        let (table, state) = (saga::Entity.table_name(), SagaState::Abandoned.name());
        let abandoned = format!(
            "CREATE INDEX IF NOT EXISTS sagas_abandoned ON {table} (started_at, saga_id) \
            WHERE state = '{state}'"
        );
        execute(manager, &abandoned).await
    }
}
