//! `inbox`: the position a shard has reached in each source, stored with the effects.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "inbox")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub shard: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub source_service: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub source_shard: i32,
    /// `messages` (commands and replies) or `events`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub stream: String,
    /// The sequence of the last message applied, or parked.
    pub position: i64,
}

impl ActiveModelBehavior for ActiveModel {}
