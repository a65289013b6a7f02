//! The statements that migrations are made of; each can be repeated.

use sea_orm::sea_query::TableCreateStatement;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, EntityTrait, Schema};
use sea_orm_migration::SchemaManager;

/// Whether SQLite keeps the rows in the primary key's tree: one tree to write instead of two, for
/// tables of narrow rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clustered {
    /// It does.
    ByPrimaryKey,
    /// The rows have a tree of their own.
    No,
}

/// Creates the table of an entity as it is now, unless it is there.
///
/// # Errors
/// When the database does not answer.
pub async fn create<E: EntityTrait>(
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

/// Adds a column, unless it is there: a database that is new has been made from the entity as it is
/// now.
///
/// # Errors
/// When the database does not answer.
pub async fn add_column(
    manager: &SchemaManager<'_>,
    table: &str,
    column: &str,
    kind: &str,
) -> Result<(), DbErr> {
    if manager.has_column(table, column).await? {
        return Ok(());
    }
    execute(
        manager,
        &format!("ALTER TABLE {table} ADD COLUMN {column} {kind}"),
    )
    .await
}

/// Runs a statement as it is written.
///
/// # Errors
/// When the database does not answer.
pub async fn execute(manager: &SchemaManager<'_>, statement: &str) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    connection.execute_unprepared(statement).await.map(drop)
}
