//! `reservations`: the open reservations of credit, one row per order.

use sea_orm::entity::prelude::*;

/// One row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "reservations")]
pub struct Model {
    /// The order that it is for.
    #[sea_orm(primary_key, auto_increment = false)]
    pub order_id: Uuid,
    /// Whose credit it takes.
    pub customer_id: Uuid,
    /// How much of it.
    pub amount_cents: i64,
}

impl ActiveModelBehavior for ActiveModel {}
