//! `bulk_requests`: what operators have asked for many sagas or parked messages at once under an
//! `Idempotency-Key`, so that a repeat goes on with the same ones, and gets the same answer.

use sea_orm::entity::prelude::*;

/// One row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "bulk_requests")]
pub struct Model {
    /// The key within its method and path.
    #[sea_orm(primary_key, auto_increment = false)]
    pub request_key: Uuid,
    /// Of what was asked for.
    pub request_fingerprint: Uuid,
    /// The shard that keeps it, by its number.
    pub shard: i32,
    /// When it was asked for, in microseconds since the Unix epoch.
    pub time: i64,
    /// JSON: what it is about, as found when it was asked for.
    pub found: String,
    /// JSON: what has become of it; absent while it is under way.
    pub outcome: Option<String>,
    /// 1 while it is under way, then 2.
    pub version: i64,
}

impl ActiveModelBehavior for ActiveModel {}
