//! `history_index`: where the events of an entity stand in the outbox.
//!
//! It is written behind the commits, many of a shard's events at once and sorted by entity: one by
//! one each event would touch a page of its own. `shards.indexed` says how far it has come; newer
//! events are found in the outbox itself ([`super::history`] has both).

use sea_orm::entity::prelude::*;

/// One row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "history_index")]
pub struct Model {
    /// Whose events they are.
    #[sea_orm(primary_key, auto_increment = false)]
    pub entity_id: Uuid,
    /// The entity's version after the first event of the outbox row.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    /// The shard in whose outbox they stand.
    // Part of the key, so that a row the outbox should not have is shown and does not stop the
    // index.
    #[sea_orm(primary_key, auto_increment = false)]
    pub shard: i32,
    /// Of the outbox row.
    #[sea_orm(primary_key, auto_increment = false)]
    pub sequence: i64,
}

impl ActiveModelBehavior for ActiveModel {}
