//! `entity_snapshots`: the state of an entity at one of its versions, for services that load their
//! entities by replay. Disposable: the history says the same, and what is missing here is written
//! anew.

use sea_orm::entity::prelude::*;

/// One row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "entity_snapshots")]
pub struct Model {
    /// Whose state it is.
    #[sea_orm(primary_key, auto_increment = false)]
    pub entity_id: Uuid,
    /// Of the newest event in it.
    pub version: i64,
    /// How to read the state: a release that writes it in another way gives it another number.
    pub form: i64,
    /// JSON.
    pub state: String,
}

impl ActiveModelBehavior for ActiveModel {}
