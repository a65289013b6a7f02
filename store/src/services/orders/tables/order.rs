//! `orders`: the state of one order.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orders")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub order_id: Uuid,
    pub customer_id: Uuid,
    pub customer_name: Option<String>,
    pub total_cents: i64,
    pub state: String,
    pub rejection_reason: Option<String>,
    pub version: i64,
    pub created_at: i64,
    pub updated_at: i64,
    /// JSON array of the lines; absent for an order by its total alone. Never changes.
    pub lines: Option<String>,
    /// Never changes.
    pub note: Option<String>,
    /// Fingerprint of the request that made it, when it came with an `Idempotency-Key`. Never
    /// changes.
    pub request_fingerprint: Option<Uuid>,
    /// JSON array of the keys of later commands that had an effect.
    pub remembered_keys: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
