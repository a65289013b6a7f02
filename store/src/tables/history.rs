//! `history`: the outbox rows that hold events, to be found by entity and version. A view over the
//! outbox: those that [`super::history_index`] has, and of each shard those that are newer than its
//! index.
//!
//! A query for one entity names its shard too; otherwise it looks through the newest rows of every
//! shard.

use sea_orm::entity::prelude::*;

/// One row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "history")]
pub struct Model {
    /// The shard in whose outbox it stands.
    pub shard: i32,
    /// Of its first message.
    pub sequence: i64,
    /// How many messages it was written with.
    pub count: i32,
    /// Whose events they are.
    #[sea_orm(primary_key, auto_increment = false)]
    pub entity_id: Uuid,
    /// The entity's version after the row's first event.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    /// What they are part of.
    pub correlation_id: Uuid,
    /// When they happened.
    pub time: i64,
    /// JSON array of events.
    pub events: Option<String>,
    /// JSON array of commands and replies.
    pub messages: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
