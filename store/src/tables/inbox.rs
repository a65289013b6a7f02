//! `inbox`: the position a shard has reached in each source, stored with the effects.

use sea_orm::entity::prelude::*;

/// One row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "inbox")]
pub struct Model {
    /// The shard that reads, by its number.
    #[sea_orm(primary_key, auto_increment = false)]
    pub shard: i32,
    /// The service that it reads from, by its name.
    #[sea_orm(primary_key, auto_increment = false)]
    pub source_service: String,
    /// The shard there, by its number.
    #[sea_orm(primary_key, auto_increment = false)]
    pub source_shard: i32,
    /// `messages` (commands and replies) or `events`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub stream: String,
    /// The sequence of the last message applied, or parked.
    pub position: i64,
}

impl ActiveModelBehavior for ActiveModel {}
