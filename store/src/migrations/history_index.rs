//! The history of an entity, by version. In a file it is found by an index that is written behind
//! the commits; what there is, is indexed at once. On a server it is an index of the outbox itself:
//! a commit there writes no pages, so that there is nothing to be saved.

use sea_orm::{DbBackend, DbErr, EntityName, IdenStatic};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::statements::{Clustered, add_column, create, execute};
use crate::tables::{history, history_index, outbox, shard};

pub(super) struct HistoryIndex;

impl MigrationName for HistoryIndex {
    fn name(&self) -> &str {
        "m2026_11_25_000001_history_index"
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for HistoryIndex {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DbBackend::Postgres {
            return within_the_outbox(manager).await;
        }
        create(manager, history_index::Entity, Clustered::ByPrimaryKey).await?;

        let shards = shard::Entity.table_name();
        let indexed = shard::Column::Indexed.as_str();
        add_column(manager, shards, indexed, "bigint NOT NULL DEFAULT 0").await?;

        for statement in statements() {
            execute(manager, &statement).await?;
        }

        Ok(())
    }
}

/// JSON that is none is nothing, so that one damaged row stops no count of all.
const VALID_JSON: &str = "CREATE OR REPLACE FUNCTION valid_json(text) RETURNS json \
    LANGUAGE plpgsql IMMUTABLE STRICT AS $$ BEGIN RETURN $1::json; \
    EXCEPTION WHEN data_exception THEN RETURN NULL; END $$";

/// The index and the view on a server. A row that the outbox should not have is shown, and stops no
/// commit: it is no unique index.
async fn within_the_outbox(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let (outbox, view) = (outbox::Entity.table_name(), history::Entity.table_name());
    for statement in [
        "DROP INDEX IF EXISTS outbox_history".to_owned(),
        format!(
            "CREATE INDEX outbox_history ON {outbox} (entity_id, version) WHERE version IS NOT NULL"
        ),
        format!(
            "CREATE OR REPLACE VIEW {view} AS SELECT shard, sequence, count, entity_id, version, \
            correlation_id, time, events, messages FROM {outbox} WHERE version IS NOT NULL"
        ),
        VALID_JSON.to_owned(),
    ] {
        execute(manager, &statement).await?;
    }
    Ok(())
}

/// Fills the index, notes how far it has come, and lays the view over it and the outbox.
fn statements() -> [String; 5] {
    let (index, view) = (
        history_index::Entity.table_name(),
        history::Entity.table_name(),
    );
    let (outbox, shards) = (outbox::Entity.table_name(), shard::Entity.table_name());

    // CROSS JOIN: SQLite goes from the shards to the ends of their outboxes, not through the outbox
    // as a whole.
    [
        format!("DELETE FROM {index}"),
        format!(
            "INSERT INTO {index} (entity_id, version, shard, sequence) \
            SELECT entity_id, version, shard, sequence \
            FROM {outbox} WHERE version IS NOT NULL ORDER BY entity_id, version"
        ),
        format!(
            "UPDATE {shards} SET indexed = COALESCE(\
            (SELECT max(sequence) FROM {outbox} o WHERE o.shard = {shards}.shard), 0)"
        ),
        "DROP INDEX IF EXISTS outbox_history".to_owned(),
        format!(
            "CREATE VIEW IF NOT EXISTS {view} AS SELECT \
            i.shard, i.sequence, o.count, i.entity_id, i.version, o.correlation_id, \
            o.time, o.events, o.messages FROM {index} i JOIN {outbox} o \
            ON o.shard = i.shard AND o.sequence = i.sequence \
            UNION ALL SELECT \
            o.shard, o.sequence, o.count, o.entity_id, o.version, o.correlation_id, \
            o.time, o.events, o.messages FROM {shards} s CROSS JOIN {outbox} o \
            WHERE o.shard = s.shard AND o.sequence > s.indexed AND o.version IS NOT NULL"
        ),
    ]
}
