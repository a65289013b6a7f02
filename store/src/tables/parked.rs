//! `parked_messages`: messages that wait, for a retry or in quarantine, with all later ones of the
//! same entity.

use sea_orm::entity::prelude::*;

/// One row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "parked_messages")]
pub struct Model {
    /// The message's id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_id: Uuid,
    /// The shard that has parked it, by its number.
    pub shard: i32,
    /// The entity that it addresses.
    pub entity_id: Uuid,
    /// The order in which the shard parked them.
    pub place: i64,
    /// The service that has sent it, by its name.
    pub source_service: String,
    /// The shard there, by its number.
    pub source_shard: i32,
    /// Its sequence in the outbox of that shard.
    pub source_sequence: i64,
    /// Its wire name.
    pub name: String,
    /// The version of its wire form.
    pub type_version: i32,
    /// What it is part of.
    pub correlation_id: Uuid,
    /// The attempt of a saga's step that the message belongs to: its saga, its step by name, its
    /// number. Absent in what release 0.1 has sent.
    pub saga_id: Option<Uuid>,
    /// The step.
    pub saga_step: Option<String>,
    /// The number.
    pub saga_attempt: Option<i64>,
    /// When it was sent, in microseconds since the Unix epoch, as all times.
    pub time: i64,
    /// JSON.
    pub body: String,
    /// How often it has been tried.
    pub attempts: i32,
    /// `WAITING` for its next attempt or for one before it, or `QUARANTINED` for an operator.
    pub state: String,
    /// Why the last attempt failed.
    pub cause: Option<String>,
    /// When it is tried next.
    pub next_attempt_at: Option<i64>,
    /// When it was parked.
    pub parked_at: i64,
    /// Raised by each change of the row.
    pub version: i64,
}

impl ActiveModelBehavior for ActiveModel {}
