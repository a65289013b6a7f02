//! How the file of the document view comes about.
//!
//! The tables are made from their entities: a view is disposable, so a changed definition makes a
//! new file from the events and never alters an old one.

use sea_orm::{EntityTrait, Schema};
use sea_orm_migration::prelude::*;

use super::tables::{
    customer_document, customer_largest_order, order_document, view_position, view_quarantine,
};

pub(super) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateDocuments)]
    }
}

struct CreateDocuments;

impl MigrationName for CreateDocuments {
    fn name(&self) -> &'static str {
        "m0001_create_documents"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateDocuments {
    /// A kill in the middle leaves an empty file, which is filled at the next start. On SQLite that
    /// must be asked for. The row that says that it is done is in the same transaction.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_table(manager, order_document::Entity).await?;
        create_table(manager, customer_document::Entity).await?;
        create_table(manager, customer_largest_order::Entity).await?;
        create_table(manager, view_position::Entity).await?;
        create_table(manager, view_quarantine::Entity).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

async fn create_table(manager: &SchemaManager<'_>, entity: impl EntityTrait) -> Result<(), DbErr> {
    manager
        .create_table(Schema::new(manager.get_database_backend()).create_table_from_entity(entity))
        .await
}

/// One index for each list, and no more: every one costs each order a page of the write-ahead log.
/// An index by total took a quarter of what a node can do under load.
fn indexes() -> [IndexCreateStatement; 2] {
    // A customer's orders, newest first, in one state; those in any state are merged from the six.
    // With the totals in it, it also tells whether one of them is large enough.
    let newest_orders = Index::create()
        .name("order_documents_newest")
        .table(order_document::Entity)
        .col(order_document::Column::CustomerId)
        .col(order_document::Column::State)
        .col(order_document::Column::CreatedAt)
        .col(order_document::Column::Id)
        .col(order_document::Column::TotalCents)
        .take();

    let newest_customers = Index::create()
        .name("customer_documents_newest")
        .table(customer_document::Entity)
        .col(customer_document::Column::CreatedAt)
        .col(customer_document::Column::Id)
        .take();
    [newest_orders, newest_customers]
}
