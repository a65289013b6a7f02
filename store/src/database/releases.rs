//! Databases that a newer release has written to, which this one cannot read.
//!
//! A version of a message is written one release after it can be read: so two releases that follow
//! each other work side by side, and there is a way back from the later one. There is none to a
//! release of before that: it knows no better than to quarantine what it finds.

use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};
use sea_orm_migration::{IntoSchemaManagerConnection, SchemaManager};

use crate::journal::SETTING_OF_VERSIONS;
use crate::tables::setting;
use crate::{ServiceSchema, StoreError, migrations};

/// Refuses a database that a newer release has changed, or has written messages to that this one
/// does not read. It may have no tables yet.
///
/// # Errors
/// [`StoreError::Configuration`] then.
pub(super) async fn refuse_newer<'c, C>(
    schema: &ServiceSchema,
    place: &str,
    connection: &'c C,
    failed: impl Fn(DbErr) -> StoreError,
) -> Result<(), StoreError>
where
    C: ConnectionTrait,
    &'c C: IntoSchemaManagerConnection<'c>,
{
    let unknown = migrations::unknown(schema, connection).await;
    if let Some(unknown) = unknown.map_err(&failed)? {
        return Err(of_newer_release(place, &unknown));
    }

    let tables = SchemaManager::new(connection);
    match tables.has_table("settings").await.map_err(&failed)? {
        true => refuse_unreadable(schema, place, connection, failed).await,
        false => Ok(()),
    }
}

/// Refuses a database that has messages which this release does not read.
///
/// # Errors
/// [`StoreError::Configuration`] then.
pub(super) async fn refuse_unreadable(
    schema: &ServiceSchema,
    place: &str,
    connection: &impl ConnectionTrait,
    failed: impl Fn(DbErr) -> StoreError,
) -> Result<(), StoreError> {
    let Some(read) = schema.read_versions() else {
        return Ok(());
    };
    let noted = setting::Entity::find()
        .filter(setting::Column::Name.starts_with(SETTING_OF_VERSIONS))
        .order_by_asc(setting::Column::Name)
        .all(connection)
        .await
        .map_err(failed)?;

    let written = noted.iter().filter_map(|row| {
        let name = row.name.strip_prefix(SETTING_OF_VERSIONS)?;
        Some((name, &row.value))
    });
    for (name, version) in written {
        let reads = match read.get(name) {
            Some(newest) if version.parse().is_ok_and(|version: u16| version <= *newest) => {
                continue;
            }
            Some(newest) => format!("reads versions up to {newest}"),
            None => "does not know them".to_owned(),
        };
        return Err(StoreError::Configuration(format!(
            "{place} was written by a newer release: it has messages {name} of version {version}, \
             and this release {reads}; start that one"
        )));
    }
    Ok(())
}

/// One whose tables have been changed.
pub(super) fn of_newer_release(place: &str, change: &str) -> StoreError {
    StoreError::Configuration(format!(
        "{place} was written by a newer release, whose change {change} this one does not know; \
         start that release"
    ))
}

#[cfg(test)]
mod tests;
