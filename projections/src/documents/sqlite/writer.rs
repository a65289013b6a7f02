//! The write side: folds the events of a batch in memory ([`fold`](crate::documents::fold)) and
//! writes the last state of each entity ([`document_rows`]). An order that is created and approved
//! in one batch is one `INSERT`.

use std::path::Path;

use domain::Service;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use store::{Message, Positions};
use uuid::Uuid;

use super::errors;
use super::statements::Sql;
use super::{BUSY_TIMEOUT, MAPPED_BYTES};
use crate::ViewError;
use crate::documents::fold::{CustomerState, Fold, OrderState};
use crate::documents::{VIEW, damaged, refused};
use crate::port::{Applied, QuarantinedEntity, ViewWriter};
use crate::positions;
use crate::shop::{Document, Event};

mod document_rows;

/// The page cache of the writing connection: the pages that a commit changes.
const CACHE_KIB: i64 = 32 * 1024;
/// Pages of the write-ahead log after which it is copied into the file: 32 MiB. A page that many
/// commits change is copied once; the default of 4 MiB copies the ends of the indexes with nearly
/// every commit.
const CHECKPOINT_PAGES: i64 = 2_000;
/// To what size the write-ahead log is cut back when a long read has kept it from being used again.
const LOG_BYTES: i64 = 64 * 1024 * 1024;

/// A change of the quarantine that is not committed yet.
enum QuarantineChange {
    Put(QuarantinedEntity),
    Delete(Service, Uuid),
}

/// Writes the document view. There is one for a file.
pub struct SqliteDocumentWriter {
    connection: Connection,
    sql: Sql,
    orders: Fold<OrderState>,
    customers: Fold<CustomerState>,
    quarantine: Vec<QuarantineChange>,
}

impl SqliteDocumentWriter {
    /// Opens the writing connection to a migrated file.
    pub(super) fn open(path: &Path) -> Result<Self, ViewError> {
        let connection = Connection::open(path).map_err(errors::written)?;
        connection
            .busy_timeout(BUSY_TIMEOUT)
            .map_err(errors::written)?;

        connection.set_prepared_statement_cache_capacity(32);

        let set =
            |pragma, value: &dyn rusqlite::ToSql| connection.pragma_update(None, pragma, value);
        // In WAL mode NORMAL syncs at checkpoints only. A power cut may lose the newest commits,
        // never tear one; and as the positions are in the same transaction, what is lost is simply
        // read from the log again. Nobody has been promised that a view is durable.
        set("journal_mode", &"WAL").map_err(errors::written)?;
        set("synchronous", &"NORMAL").map_err(errors::written)?;
        set("cache_size", &-CACHE_KIB).map_err(errors::written)?;
        set("mmap_size", &MAPPED_BYTES).map_err(errors::written)?;
        set("wal_autocheckpoint", &CHECKPOINT_PAGES).map_err(errors::written)?;
        set("journal_size_limit", &LOG_BYTES).map_err(errors::written)?;

        Ok(SqliteDocumentWriter {
            connection,
            sql: Sql::new(),
            orders: Fold::default(),
            customers: Fold::default(),
            quarantine: Vec::new(),
        })
    }

    /// Writes what has changed, in one transaction.
    fn write(&mut self, positions: &str) -> Result<(), ViewError> {
        let behavior = TransactionBehavior::Immediate;

        let transaction = self
            .connection
            .transaction_with_behavior(behavior)
            .map_err(errors::written)?;
        document_rows::save_orders(&transaction, &self.sql, &self.orders)?;
        document_rows::save_customers(&transaction, &self.sql, &self.customers)?;

        for change in &self.quarantine {
            match change {
                QuarantineChange::Put(entity) => {
                    document_rows::put_quarantined(&transaction, &self.sql, entity)?
                }
                QuarantineChange::Delete(service, entity) => {
                    document_rows::delete_quarantined(&transaction, &self.sql, *service, *entity)?;
                }
            }
        }

        let mut put = transaction
            .prepare_cached(&self.sql.put_positions)
            .map_err(errors::written)?;
        put.execute([VIEW, positions]).map_err(errors::written)?;
        drop(put);

        transaction.commit().map_err(errors::written)
    }
}

impl ViewWriter<Document> for SqliteDocumentWriter {
    fn positions(&mut self) -> Result<Positions, ViewError> {
        self.orders.forget();
        self.customers.forget();
        self.quarantine.clear();

        let mut select = self
            .connection
            .prepare_cached(&self.sql.select_positions)
            .map_err(errors::written)?;

        let text: Option<String> = select
            .query_row([VIEW], |row| row.get(0))
            .optional()
            .map_err(errors::written)?;

        text.map_or_else(
            || Ok(Positions::new()),
            |text| positions::from_json(&text).map_err(damaged),
        )
    }

    fn apply(&mut self, event: &Message) -> Result<Applied, ViewError> {
        let event = Event::decode(event).map_err(refused)?;
        let (connection, sql) = (&self.connection, &self.sql);
        match event.source.service {
            domain::ORDERS => self
                .orders
                .apply(&event, |id| document_rows::load_order(connection, sql, id)),
            _ => self.customers.apply(&event, |id| {
                document_rows::load_customer(connection, sql, id)
            }),
        }
    }

    fn put(&mut self, document: &Document) -> Result<(), ViewError> {
        match document {
            Document::Customer(customer) => self.customers.put(
                customer.customer_id.0,
                customer.try_into().map_err(refused)?,
            ),
            Document::Order(order) => self.orders.put(order.order_id.0, order.into()),
        }
        Ok(())
    }

    fn commit(&mut self, positions: &Positions) -> Result<(), ViewError> {
        let positions = positions::to_json(positions).map_err(refused)?;
        self.write(&positions)?;
        self.orders.saved();
        self.customers.saved();
        self.quarantine.clear();
        Ok(())
    }

    fn quarantined(&mut self, limit: usize) -> Result<Vec<QuarantinedEntity>, ViewError> {
        document_rows::list_quarantined(&self.connection, &self.sql, limit)
    }

    fn quarantine(&mut self, entity: &QuarantinedEntity) -> Result<(), ViewError> {
        self.quarantine.push(QuarantineChange::Put(entity.clone()));
        Ok(())
    }

    fn release(&mut self, service: Service, entity: Uuid) -> Result<(), ViewError> {
        self.quarantine
            .push(QuarantineChange::Delete(service, entity));
        Ok(())
    }
}
