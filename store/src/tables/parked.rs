//! `parked_messages`: messages that wait, for a retry or in quarantine, with all later ones of the
//! same entity.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "parked_messages")]
pub struct Model {
    /// The message's id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_id: Uuid,
    pub shard: i32,
    pub entity_id: Uuid,
    /// The order in which the shard parked them.
    pub place: i64,
    pub source_service: String,
    pub source_shard: i32,
    pub source_sequence: i64,
    pub name: String,
    pub type_version: i32,
    pub correlation_id: Uuid,
    /// The attempt of a saga's step that the message belongs to: its saga, its step by name, its
    /// number. Absent in what release 0.1 has sent.
    pub saga_id: Option<Uuid>,
    pub saga_step: Option<String>,
    pub saga_attempt: Option<i64>,
    pub time: i64,
    pub body: String,
    pub attempts: i32,
    /// `WAITING` for its next attempt or for one before it, or `QUARANTINED` for an operator.
    pub state: String,
    pub cause: Option<String>,
    pub next_attempt_at: Option<i64>,
    pub parked_at: i64,
    pub version: i64,
}

impl ActiveModelBehavior for ActiveModel {}
