//! `shards`: who owns a shard, at which epoch, and how far its outbox is published.

use sea_orm::entity::prelude::*;

/// One row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "shards")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key, auto_increment = false)]
    pub shard: i32,
    /// Raised by every take-over; a commit of an older epoch fails.
    pub epoch: i64,
    /// The node that holds the epoch.
    pub owner: String,
    /// Everything up to this sequence has been handed to the log. Stored lazily.
    pub published: i64,
    /// JSON: the newest sequence per destination among what is published.
    pub heads: String,
    /// Commands and replies up to this sequence have been removed.
    pub pruned: i64,
    /// The events up to this sequence are in the history index.
    pub indexed: i64,
}

impl ActiveModelBehavior for ActiveModel {}
