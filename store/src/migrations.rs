//! The schema of a service's database, created from the entities in [`crate::tables`].
//!
//! A migration and the row that says it was applied are one transaction, so a process that dies in
//! the middle leaves the schema before it. Its statements can be repeated all the same: release 0.1
//! ran them one by one, and a database that it was killed in has the first of them and not the
//! row. What such a database holds in these tables is nothing, or what was there before.

use sagas::{SagaState, Service};
use sea_orm::sea_query::{Index, IntoTableRef, TableCreateStatement};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityName, EntityTrait, IdenStatic,
    Schema,
};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait, SchemaManager};

use crate::tables::{
    customer, entity, history, history_index, inbox, order, outbox, parked, reservation, saga,
    setting, shard,
};

#[cfg(test)]
mod tests;

/// Brings the database of a service up to date.
///
/// # Errors
/// When the database does not answer, or a newer release has changed it.
pub(crate) async fn migrate(
    service: Service,
    connection: &DatabaseConnection,
) -> Result<(), DbErr> {
    match service {
        domain::CUSTOMERS => CustomersMigrator::up(connection, None).await,
        domain::ORDERS => OrdersMigrator::up(connection, None).await,
        _ => EntitiesMigrator::up(connection, None).await,
    }
}

/// A migration that a database has and this release does not know: a newer one has made it.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn unknown(
    service: Service,
    connection: &DatabaseConnection,
) -> Result<Option<String>, DbErr> {
    match service {
        domain::CUSTOMERS => unknown_to::<CustomersMigrator>(connection).await,
        domain::ORDERS => unknown_to::<OrdersMigrator>(connection).await,
        _ => unknown_to::<EntitiesMigrator>(connection).await,
    }
}

async fn unknown_to<M: MigratorTrait>(
    connection: &DatabaseConnection,
) -> Result<Option<String>, DbErr> {
    let known = M::migrations();
    let applied = M::get_migration_models(connection).await?;

    Ok(applied
        .into_iter()
        .map(|row| row.version)
        .find(|name| !known.iter().any(|migration| migration.name() == name)))
}

/// Brings the database of the customers service up to date.
pub struct CustomersMigrator;

/// Brings the database of the orders service up to date.
pub struct OrdersMigrator;

/// Brings the database of a service up to date that keeps its entities as JSON.
pub struct EntitiesMigrator;

impl MigratorTrait for CustomersMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(InitialSchema(domain::CUSTOMERS)),
            Box::new(HistoryIndex),
            Box::new(NumberedCommands(domain::CUSTOMERS)),
            Box::new(StreamsAndQueues),
        ]
    }
}

impl MigratorTrait for OrdersMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(InitialSchema(domain::ORDERS)),
            Box::new(CompensatedSagas),
            Box::new(HistoryIndex),
            Box::new(NumberedCommands(domain::ORDERS)),
            Box::new(StreamsAndQueues),
        ]
    }
}

impl MigratorTrait for EntitiesMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        // Nothing of these is of one service: the first is the mechanism's tables alone.
        let none = Service::new(0, "");
        vec![
            Box::new(InitialSchema(none)),
            Box::new(HistoryIndex),
            Box::new(NumberedCommands(none)),
            Box::new(StreamsAndQueues),
            Box::new(Entities),
        ]
    }
}

/// A migration and the row that says it was applied commit together, on every backend.
const WITH_ITS_ROW: Option<bool> = Some(true);

/// The tables of release 0.1.
struct InitialSchema(Service);

impl MigrationName for InitialSchema {
    fn name(&self) -> &str {
        "m2026_11_23_000001_initial_schema"
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for InitialSchema {
    fn use_transaction(&self) -> Option<bool> {
        WITH_ITS_ROW
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, outbox::Entity, Clustered::ByPrimaryKey).await?;
        create(manager, inbox::Entity, Clustered::ByPrimaryKey).await?;
        create(manager, shard::Entity, Clustered::No).await?;
        create(manager, setting::Entity, Clustered::No).await?;
        create(manager, parked::Entity, Clustered::No).await?;
        index_history(manager).await?;

        match self.0 {
            domain::CUSTOMERS => {
                create(manager, customer::Entity, Clustered::No).await?;
                create(manager, reservation::Entity, Clustered::ByPrimaryKey).await
            }
            domain::ORDERS => {
                create(manager, order::Entity, Clustered::No).await?;
                create(manager, saga::Entity, Clustered::No).await?;
                index_sagas(manager).await
            }
            _ => Ok(()),
        }
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
    fn use_transaction(&self) -> Option<bool> {
        WITH_ITS_ROW
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = saga::Entity.table_name();
        let compensated = SagaState::Compensated.name();
        let sql = format!(
            "CREATE INDEX IF NOT EXISTS sagas_compensated ON {table} (started_at, saga_id) WHERE state = '{compensated}'"
        );
        manager
            .get_connection()
            .execute_unprepared(&sql)
            .await
            .map(drop)
    }
}

/// The history of an entity, by version, in an index that is written behind the commits. What there
/// is, is indexed at once.
struct HistoryIndex;

impl MigrationName for HistoryIndex {
    fn name(&self) -> &str {
        "m2026_11_25_000001_history_index"
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for HistoryIndex {
    fn use_transaction(&self) -> Option<bool> {
        WITH_ITS_ROW
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, history_index::Entity, Clustered::ByPrimaryKey).await?;

        let (index, view) = (
            history_index::Entity.table_name(),
            history::Entity.table_name(),
        );

        let (outbox, shards) = (outbox::Entity.table_name(), shard::Entity.table_name());
        let indexed = shard::Column::Indexed.as_str();
        add_column(manager, shards, indexed, "bigint NOT NULL DEFAULT 0").await?;

        // CROSS JOIN: SQLite goes from the shards to the ends of their outboxes, not through the
        // outbox as a whole.
        let statements = [
            format!("DELETE FROM {index}"),
            format!(
                "INSERT INTO {index} (entity_id, version, shard, sequence) SELECT entity_id, version, shard, sequence \
                FROM {outbox} WHERE version IS NOT NULL ORDER BY entity_id, version"
            ),
            format!(
                "UPDATE {shards} SET indexed = \
                COALESCE((SELECT max(sequence) FROM {outbox} o WHERE o.shard = {shards}.shard), 0)"
            ),
            "DROP INDEX IF EXISTS outbox_history".to_owned(),
            format!(
                "CREATE VIEW IF NOT EXISTS {view} AS SELECT i.shard, i.sequence, o.count, i.entity_id, i.version, o.correlation_id, \
                o.time, o.events, o.messages FROM {index} i JOIN {outbox} o \
                ON o.shard = i.shard AND o.sequence = i.sequence \
                UNION ALL SELECT o.shard, o.sequence, o.count, o.entity_id, o.version, o.correlation_id, \
                o.time, o.events, o.messages FROM {shards} s CROSS JOIN {outbox} o \
                WHERE o.shard = s.shard AND o.sequence > s.indexed AND o.version IS NOT NULL"
            ),
        ];

        for statement in statements {
            manager
                .get_connection()
                .execute_unprepared(&statement)
                .await?;
        }

        Ok(())
    }
}

/// The commands of sagas are numbered, and replies and parked messages keep the number. What release
/// 0.1 has sent has none.
struct NumberedCommands(Service);

impl MigrationName for NumberedCommands {
    fn name(&self) -> &str {
        "m2026_11_28_000001_numbered_commands"
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for NumberedCommands {
    fn use_transaction(&self) -> Option<bool> {
        WITH_ITS_ROW
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let parked = parked::Entity.table_name();
        for (column, kind) in [
            (parked::Column::SagaId, "uuid_text"),
            (parked::Column::SagaStep, "varchar"),
            (parked::Column::SagaAttempt, "bigint"),
        ] {
            add_column(manager, parked, column.as_str(), kind).await?;
        }

        match self.0 {
            domain::ORDERS => {
                let sent = saga::Column::CommandsSent.as_str();
                let none = "bigint NOT NULL DEFAULT 0";
                add_column(manager, saga::Entity.table_name(), sent, none).await
            }
            _ => Ok(()),
        }
    }
}

/// Adds a column, unless it is there: a database that is new has been made from the entity as it is
/// now.
async fn add_column(
    manager: &SchemaManager<'_>,
    table: &str,
    column: &str,
    kind: &str,
) -> Result<(), DbErr> {
    if manager.has_column(table, column).await? {
        return Ok(());
    }
    let add = format!("ALTER TABLE {table} ADD COLUMN {column} {kind}");
    manager
        .get_connection()
        .execute_unprepared(&add)
        .await
        .map(drop)
}

/// Positions name the stream they are about, so that a shard can follow both of one source; and
/// the parked messages of one entity are found without a walk over all.
struct StreamsAndQueues;

impl MigrationName for StreamsAndQueues {
    fn name(&self) -> &str {
        "m2026_11_28_000002_streams_and_queues"
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for StreamsAndQueues {
    fn use_transaction(&self) -> Option<bool> {
        WITH_ITS_ROW
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (inbox, stream) = (inbox::Entity.table_name(), inbox::Column::Stream.as_str());
        let run = async |statement: String| {
            let connection = manager.get_connection();
            connection.execute_unprepared(&statement).await.map(drop)
        };

        // The stream is part of the key, so the table is made anew. A database that is new has
        // been made from the entity as it is now.
        let before = "inbox_before";
        if manager.has_table(inbox).await? && !manager.has_column(inbox, stream).await? {
            run(format!("ALTER TABLE {inbox} RENAME TO {before}")).await?;
        }

        if manager.has_table(before).await? {
            create(manager, inbox::Entity, Clustered::ByPrimaryKey).await?;
            let columns = "shard, source_service, source_shard";
            run(format!(
                "INSERT OR REPLACE INTO {inbox} ({columns}, {stream}, position) \
                SELECT {columns}, 'messages', position FROM {before}"
            ))
            .await?;
            run(format!("DROP TABLE {before}")).await?;
        }

        let parked = parked::Entity.table_name();
        run(format!(
            "CREATE INDEX IF NOT EXISTS parked_by_entity ON {parked} (shard, entity_id, place)"
        ))
        .await
    }
}

/// Entities as JSON, for services that need no tables of their own.
struct Entities;

impl MigrationName for Entities {
    fn name(&self) -> &str {
        "m2026_11_28_000004_entities"
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for Entities {
    fn use_transaction(&self) -> Option<bool> {
        WITH_ITS_ROW
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, entity::Entity, Clustered::No).await
    }
}

/// Whether SQLite keeps the rows in the primary key's tree: one tree to write instead of two, for
/// tables of narrow rows or whose keys grow.
#[derive(PartialEq)]
enum Clustered {
    ByPrimaryKey,
    No,
}

async fn create<E: EntityTrait>(
    manager: &SchemaManager<'_>,
    entity: E,
    clustered: Clustered,
) -> Result<(), DbErr> {
    let backend = manager.get_database_backend();
    let mut table: TableCreateStatement = Schema::new(backend).create_table_from_entity(entity);
    table.if_not_exists();
    if backend == DbBackend::Sqlite && clustered == Clustered::ByPrimaryKey {
        table.extra("WITHOUT ROWID");
    }
    manager.create_table(table).await
}

/// The history of an entity, by version. Rows without events have no version and stay out.
async fn index_history(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = outbox::Entity.table_name();
    let sql = format!(
        "CREATE UNIQUE INDEX IF NOT EXISTS outbox_history ON {table} (entity_id, version) WHERE version IS NOT NULL"
    );
    manager
        .get_connection()
        .execute_unprepared(&sql)
        .await
        .map(drop)
}

/// Sagas newest first, and the open ones of a shard.
async fn index_sagas(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let newest = Index::create()
        .name("sagas_by_start")
        .if_not_exists()
        .table(saga::Entity.into_table_ref())
        .col(saga::Column::StartedAt)
        .col(saga::Column::SagaId)
        .to_owned();
    manager.create_index(newest).await?;
    let table = saga::Entity.table_name();
    let sql = format!(
        "CREATE INDEX IF NOT EXISTS sagas_open ON {table} (shard, wake_at) WHERE ended_at IS NULL"
    );

    manager
        .get_connection()
        .execute_unprepared(&sql)
        .await
        .map(drop)
}
