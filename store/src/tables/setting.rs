//! `settings`: what was fixed when the database was first used, such as the number of shards; how
//! far relays have come; and which versions of messages have been written.

use sea_orm::entity::prelude::*;

/// One row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "settings")]
pub struct Model {
    /// What it is about.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// In a form that depends on what it is about.
    pub value: String,
}

impl ActiveModelBehavior for ActiveModel {}
