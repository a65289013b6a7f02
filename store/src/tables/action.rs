//! `operator_actions`: what operators have done, in the unit of what they did. Rows are never
//! changed, and never pruned: they belong to the history. What no unit does has its row before it
//! is done, which becomes another one when it is known what has come of it.

use sea_orm::entity::prelude::*;

/// One row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "operator_actions")]
pub struct Model {
    /// Follows from what was done; made up for what is noted before it is done.
    #[sea_orm(primary_key, auto_increment = false)]
    pub action_id: Uuid,
    /// The shard in which it was done, by its number.
    pub shard: i32,
    /// What was done, by its name.
    pub action: String,
    /// The saga or the parked message it was done to, or an id that follows from the name of what
    /// has none.
    pub subject_id: Uuid,
    /// The entity that is concerned: what the saga works on, or what the message addresses.
    pub entity_id: Uuid,
    /// Who has done it.
    pub done_by: String,
    /// Why.
    pub reason: Option<String>,
    /// When, in microseconds since the Unix epoch.
    pub time: i64,
    /// JSON: what is to be known of how it was before and after.
    pub detail: String,
    /// The `Idempotency-Key` it came with, within its method and path.
    pub request_key: Option<Uuid>,
    /// Of that request.
    pub request_fingerprint: Option<Uuid>,
}

impl ActiveModelBehavior for ActiveModel {}
