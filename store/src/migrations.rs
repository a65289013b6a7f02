//! The schema of a service's database: the mechanism's tables, created from the entities in
//! [`crate::tables`], and what the service adds by its [`ServiceSchema`].
//!
//! A migration and the row that says it was applied are one transaction, so a process that dies in
//! the middle leaves the schema before it. Its statements can be repeated all the same: release 0.1
//! ran them one by one, and a database that it was killed in has the first of them and not the
//! row. What such a database holds in these tables is nothing, or what was there before.
//!
//! Names say the order. What has been released keeps its name for ever, for it stands in databases.

mod entities;
mod history_index;
mod initial_schema;
mod operators;
mod sagas;
mod snapshots;
mod statements;
mod streams_and_queues;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DbErr, EntityTrait};
use sea_orm_migration::{
    IntoSchemaManagerConnection, MigrationName, MigrationTrait, MigratorTraitSelf, SchemaManager,
    seaql_migrations,
};

use crate::ServiceSchema;

pub use initial_schema::INITIAL_SCHEMA;
pub use sagas::SAGAS_OF_ANY_SERVICE;
pub use statements::{Clustered, add_column, create, execute};
pub use streams_and_queues::NUMBERED_COMMANDS;

/// Brings the database of a service up to date.
///
/// # Errors
/// When the database does not answer, or a newer release has changed it.
pub(crate) async fn migrate<'c, C>(schema: &ServiceSchema, connection: &'c C) -> Result<(), DbErr>
where
    &'c C: IntoSchemaManagerConnection<'c>,
{
    Migrator(schema).up(connection, None).await
}

/// A migration that a database has and this release does not know: a newer one has made it.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn unknown(
    schema: &ServiceSchema,
    connection: &impl ConnectionTrait,
) -> Result<Option<String>, DbErr> {
    let known = all_of(schema);
    let applied = Migrator(schema).get_migration_models(connection).await?;

    Ok(applied
        .into_iter()
        .map(|row| row.version)
        .find(|name| !known.iter().any(|migration| migration.name == *name)))
}

/// How a database stands to what this release makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    UpToDate,
    /// It lacks this migration.
    Missing(String),
    /// It has this migration, which this release does not know.
    Unknown(String),
}

/// Looks at a database, and writes nothing.
///
/// # Errors
/// When it does not answer, or nobody has migrated it at all.
pub(crate) async fn standing(
    schema: &ServiceSchema,
    connection: &impl ConnectionTrait,
) -> Result<Standing, DbErr> {
    let applied = seaql_migrations::Entity::find().all(connection).await?;
    let applied: BTreeSet<String> = applied.into_iter().map(|row| row.version).collect();
    let known: BTreeSet<String> = all_of(schema).into_iter().map(|known| known.name).collect();

    let unknown = applied.difference(&known).next().cloned();
    let missing = known.difference(&applied).next().cloned();
    Ok(match (unknown, missing) {
        (Some(unknown), _) => Standing::Unknown(unknown),
        (None, Some(missing)) => Standing::Missing(missing),
        (None, None) => Standing::UpToDate,
    })
}

struct Migrator<'a>(&'a ServiceSchema);

impl MigratorTraitSelf for Migrator<'_> {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        let boxed = |migration| -> Box<dyn MigrationTrait> { Box::new(migration) };
        all_of(self.0).into_iter().map(boxed).collect()
    }
}

/// The migrations of a service in the order of their names.
fn all_of(schema: &ServiceSchema) -> Vec<Migration> {
    let mut all = of_every_service();
    match schema.own_migrations() {
        Some(own) => all.extend(own),
        None => all.push(Box::new(entities::Entities)),
    }

    let mut merged: Vec<Migration> = Vec::new();
    for part in all {
        match merged.iter_mut().find(|known| known.name == part.name()) {
            Some(known) => known.parts.push(part),
            None => merged.push(Migration {
                name: part.name().to_owned(),
                parts: vec![part],
            }),
        }
    }

    merged.sort_by(|one, other| one.name.cmp(&other.name));
    merged
}

fn of_every_service() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(initial_schema::InitialSchema),
        Box::new(history_index::HistoryIndex),
        Box::new(streams_and_queues::NumberedMessages),
        Box::new(streams_and_queues::StreamsAndQueues),
        Box::new(sagas::SagasOfAnyService),
        Box::new(operators::Operators),
        Box::new(snapshots::Snapshots),
    ]
}

/// What is applied under one name: the mechanism's part first.
struct Migration {
    name: String,
    parts: Vec<Box<dyn MigrationTrait>>,
}

impl MigrationName for Migration {
    fn name(&self) -> &str {
        &self.name
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for Migration {
    /// On every backend, whatever its parts say.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for part in &self.parts {
            part.up(manager).await?;
        }
        Ok(())
    }
}
