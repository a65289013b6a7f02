//! `orders`: the state of one order.

use sea_orm::entity::prelude::*;

/// One row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orders")]
pub struct Model {
    /// Its id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub order_id: Uuid,
    /// Who has ordered. Never changes.
    pub customer_id: Uuid,
    /// As the reply of the reservation told it.
    pub customer_name: Option<String>,
    /// What it costs. Never changes.
    pub total_cents: i64,
    /// By its name.
    pub state: String,
    /// By its name, when it was rejected.
    pub rejection_reason: Option<String>,
    /// Raised by each event.
    pub version: i64,
    /// Microseconds since the Unix epoch, as all times.
    pub created_at: i64,
    /// Of its newest event.
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
    /// JSON of what is done without sagas; absent where sagas have done everything.
    pub choreography: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
