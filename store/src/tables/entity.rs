//! `entities`: the state of one entity as JSON, for services that need no columns of their own.

use sea_orm::entity::prelude::*;

use crate::services::EntityTable;

/// One row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "entities")]
pub struct Model {
    /// Its id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub entity_id: Uuid,
    /// Raised by each event.
    pub version: i64,
    /// JSON.
    pub state: String,
    /// Microseconds since the Unix epoch, as all times.
    pub created_at: i64,
    /// Of its newest event.
    pub updated_at: i64,
    /// Fingerprint of the request that made it, when it came with an `Idempotency-Key`.
    pub request_fingerprint: Option<Uuid>,
    /// JSON array of the keys of later commands that had an effect.
    pub remembered_keys: Option<String>,
}

/// Where a schema finds its entities that has no table of its own for them.
pub(crate) const TABLE: EntityTable = EntityTable {
    name: "entities",
    key: "entity_id",
};

impl ActiveModelBehavior for ActiveModel {}
