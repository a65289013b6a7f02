//! `sagas`: the state of one saga.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sagas")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub saga_id: Uuid,
    pub kind: String,
    pub state: String,
    /// The shard of the order it works on, so that an owner finds its open sagas.
    pub shard: i32,
    pub order_id: Uuid,
    pub customer_id: Uuid,
    pub amount_cents: i64,
    pub order_version: i64,
    pub customer_name: Option<String>,
    pub customer_version: Option<i64>,
    pub reason: Option<String>,
    /// JSON array, one record per step of the definition.
    pub steps: String,
    pub attempts: i32,
    /// The number of the newest command it has sent; 0 when release 0.1 has sent all of them.
    pub commands_sent: i64,
    pub started_at: i64,
    pub updated_at: i64,
    pub ended_at: Option<i64>,
    pub deadline: i64,
    /// The durable timer: when the saga wants to be woken.
    pub wake_at: Option<i64>,
    pub version: i64,
    /// JSON array of the keys of operators' commands that had an effect.
    pub remembered_keys: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
