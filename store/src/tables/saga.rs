//! `sagas`: the state of one saga.

use sea_orm::entity::prelude::*;

/// One row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sagas")]
pub struct Model {
    /// Its id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub saga_id: Uuid,
    /// Its type: the name of its definition.
    pub kind: String,
    /// The version of the definition that it runs under.
    pub definition_version: i32,
    /// By its name.
    pub state: String,
    /// The shard of the entity it works on, so that an owner finds its open sagas.
    pub shard: i32,
    /// The entity it works on.
    pub entity_id: Uuid,
    /// JSON: the saga's own data.
    pub data: String,
    /// Why it does not go forward, by its name.
    pub reason: Option<String>,
    /// JSON array, one record per step of the definition, by name.
    pub steps: String,
    /// How often the running step, or its compensation, has been attempted.
    pub attempts: i32,
    /// The number of the newest command it has sent; 0 when release 0.1 has sent all of them.
    pub commands_sent: i64,
    /// Microseconds since the Unix epoch, as all times.
    pub started_at: i64,
    /// When it changed last.
    pub updated_at: i64,
    /// Absent while it is open.
    pub ended_at: Option<i64>,
    /// When it gives up going forward.
    pub deadline: i64,
    /// The durable timer: when the saga wants to be woken.
    pub wake_at: Option<i64>,
    /// Raised by each change.
    pub version: i64,
    /// JSON: the saga that it is nested in, and what that has asked last.
    pub parent: Option<String>,
    /// JSON array of the keys of operators' commands that had an effect.
    pub remembered_keys: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
