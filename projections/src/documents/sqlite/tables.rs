//! The tables of the document view: the one description of their columns.
//!
//! Money is in cents, times are microseconds since the Unix epoch.

/// One row for each order.
pub(super) mod order_document {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "order_documents")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        /// There may be no such customer.
        pub customer_id: Uuid,
        /// Its number: see [`state_number`](super::super::conversions::state_number).
        pub state: i16,
        pub total_cents: i64,
        pub created_at: i64,
        /// The number of its newest event.
        pub version: i64,
        /// The reason's name; null unless it is rejected.
        pub rejection_reason: Option<String>,
        /// Null until the customer has answered.
        pub customer_name: Option<String>,
        /// A JSON array.
        #[sea_orm(column_type = "Text")]
        pub lines: String,
        #[sea_orm(column_type = "Text", nullable)]
        pub note: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// One row for each customer, made by its creation alone.
pub(super) mod customer_document {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "customer_documents")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub credit_limit_cents: i64,
        /// The limit less what is reserved.
        pub available_cents: i64,
        pub created_at: i64,
        /// The number of its newest event.
        pub version: i64,
        pub name: String,
        /// The name as [`fold`](crate::shop::letters::fold) writes it, for search.
        pub name_folded: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The largest total that an order of a customer has ever had: it only grows. A customer whose
/// largest is below what is asked for has no such order, and its orders need no look.
pub(super) mod customer_largest_order {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "customer_largest_orders")]
    pub struct Model {
        /// There may be no such customer.
        #[sea_orm(primary_key, auto_increment = false)]
        pub customer_id: Uuid,
        /// Of any of its orders, in whatever state that is.
        pub total_cents: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// How far the view has come: one row, written by every commit.
pub(super) mod view_position {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "view_positions")]
    pub struct Model {
        /// The view's name.
        #[sea_orm(primary_key, auto_increment = false)]
        pub view: String,
        /// As [`crate::positions`] writes them.
        #[sea_orm(column_type = "Text")]
        pub positions: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The entities in quarantine.
pub(super) mod view_quarantine {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "view_quarantine")]
    pub struct Model {
        /// The customer or order.
        #[sea_orm(primary_key, auto_increment = false)]
        pub entity: Uuid,
        /// The number of the service whose events stop there.
        #[sea_orm(primary_key, auto_increment = false)]
        pub service: i16,
        /// A JSON object: [`QuarantinedEntity`](crate::port::QuarantinedEntity).
        #[sea_orm(column_type = "Text")]
        pub detail: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
