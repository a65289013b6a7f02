//! `customers`: the state of one customer.

use sea_orm::entity::prelude::*;

/// One row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "customers")]
pub struct Model {
    /// Its id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub customer_id: Uuid,
    /// Never changes.
    pub name: String,
    /// Changes only where a mistake is put right.
    pub credit_limit_cents: i64,
    /// The sum of its open reservations.
    pub reserved_cents: i64,
    /// Raised by each event.
    pub version: i64,
    /// Microseconds since the Unix epoch, as all times.
    pub created_at: i64,
    /// Of its newest event.
    pub updated_at: i64,
    /// Fingerprint of the request that made it, when it came with an `Idempotency-Key`.
    pub request_fingerprint: Option<Uuid>,
    /// The version at which its limit was corrected last.
    pub limit_corrected_at: Option<i64>,
    /// JSON array of the keys of later commands that had an effect.
    pub remembered_keys: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
