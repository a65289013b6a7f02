//! Table `timers`: what is to be woken, and when. A row goes when nothing is to be woken any more.

use sea_orm::entity::prelude::*;

/// One row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "timers")]
pub struct Model {
    /// Of whoever is woken: a saga.
    #[sea_orm(primary_key, auto_increment = false)]
    pub timer_id: Uuid,
    /// The shard that it lives in, so that an owner finds its timers.
    pub shard: i32,
    /// When it wants to be woken.
    pub wake_at: i64,
    /// How long it was to wait when this was set, in microseconds: a clock that has stepped back
    /// since makes it wait no longer than that.
    pub patience: i64,
    /// The entity that it waits for.
    pub waits_for: Option<Uuid>,
}

impl ActiveModelBehavior for ActiveModel {}
