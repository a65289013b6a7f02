//! `outbox`: the messages of one unit in one row, keyed by shard and sequence.
//!
//! A message has a sequence of its own: the row's, plus its place in the row (events first). Events
//! are the history and are kept for ever; `messages` is emptied once its receivers have passed it
//! and the retention time is over.

use sea_orm::entity::prelude::*;

/// One row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    /// The shard that sends, by its number.
    #[sea_orm(primary_key, auto_increment = false)]
    pub shard: i32,
    /// The sequence of the row's first message.
    #[sea_orm(primary_key, auto_increment = false)]
    pub sequence: i64,
    /// How many messages the row was written with.
    pub count: i32,
    /// The entity the events happened to, or that the notices are about.
    pub entity_id: Uuid,
    /// The entity's version after the row's first event; absent without events, and of notices,
    /// which change nobody and are in no history.
    pub version: Option<i64>,
    /// What the messages are part of: a saga, or a request.
    pub correlation_id: Uuid,
    /// Microseconds since the Unix epoch, as all times.
    pub time: i64,
    /// JSON array of events, or of notices.
    pub events: Option<String>,
    /// JSON array of commands and replies.
    pub messages: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
