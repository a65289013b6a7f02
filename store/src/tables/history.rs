//! `history`: the outbox rows that hold events, to be found by entity and version. A view over the
//! outbox: those that [`super::history_index`] has, and of each shard those that are newer than its
//! index.
//!
//! Whoever asks for one entity names its shard too; otherwise the newest rows of every shard are
//! looked through.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "history")]
pub struct Model {
    pub shard: i32,
    pub sequence: i64,
    pub count: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub entity_id: Uuid,
    /// The entity's version after the row's first event.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    pub correlation_id: Uuid,
    pub time: i64,
    pub events: Option<String>,
    pub messages: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
