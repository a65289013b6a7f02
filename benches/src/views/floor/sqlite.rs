//! The floor of SQLite: rows as the view has just written them, upserted into the tables of another
//! file by prepared statements in one transaction, with the settings of the view's own connection.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params_from_iter};
use uuid::Uuid;

use super::{Changed, Floor};
use crate::views::throughput::{FLOOR, MEASURED};

/// As the view's writer has them.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
                       PRAGMA cache_size = -32768; \
                       PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 67108864;";

/// Writes rows by prepared statements.
pub struct SqliteFloor {
    source: Connection,
    target: Connection,
    customers: Table,
    orders: Table,
}

/// The statements of one table.
struct Table {
    select: String,
    upsert: String,
}

type Row = Vec<Value>;

impl SqliteFloor {
    /// Opens the file of another generation.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let file = |generation| folder.join(format!("documents-{generation}.db"));
        let source = Connection::open_with_flags(file(MEASURED), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let target = Connection::open_with_flags(file(FLOOR), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        target.execute_batch(PRAGMAS)?;
        let customers = Table::of(&target, "customer_documents")?;
        let orders = Table::of(&target, "order_documents")?;
        Ok(SqliteFloor {
            source,
            target,
            customers,
            orders,
        })
    }
}

impl Table {
    fn of(connection: &Connection, name: &str) -> anyhow::Result<Self> {
        let statement = connection.prepare(&format!("SELECT * FROM {name}"))?;
        let columns: Vec<String> = statement
            .column_names()
            .into_iter()
            .map(str::to_owned)
            .collect();

        let parameters: Vec<String> = (1..=columns.len())
            .map(|place| format!("?{place}"))
            .collect();

        let changes: Vec<String> = columns
            .iter()
            .map(|column| format!("{column} = excluded.{column}"))
            .collect();

        let (columns, parameters, changes) = (
            columns.join(", "),
            parameters.join(", "),
            changes.join(", "),
        );

        Ok(Table {
            select: format!("SELECT {columns} FROM {name} WHERE id = ?1"),
            upsert: format!(
                "INSERT INTO {name} ({columns}) VALUES ({parameters}) \
                 ON CONFLICT (id) DO UPDATE SET {changes}"
            ),
        })
    }

    fn rows(
        &self,
        source: &Connection,
        ids: impl Iterator<Item = Uuid>,
    ) -> rusqlite::Result<Vec<Row>> {
        let mut select = source.prepare_cached(&self.select)?;
        let width = select.column_count();
        let mut rows = Vec::new();

        for id in ids {
            let row = select.query_row([id.as_bytes().as_slice()], |row| {
                (0..width).map(|place| row.get(place)).collect()
            });
            rows.extend(row.optional()?);
        }

        Ok(rows)
    }
}

impl Floor for SqliteFloor {
    fn write(&mut self, changed: &Changed) -> anyhow::Result<Duration> {
        let customers = self
            .customers
            .rows(&self.source, changed.customers.iter().copied())?;

        let orders = self.orders.rows(
            &self.source,
            changed.orders.iter().map(|order| order.order_id.0),
        )?;

        let begun = Instant::now();

        let transaction = self
            .target
            .transaction_with_behavior(TransactionBehavior::Immediate)?;

        for (table, rows) in [(&self.customers, &customers), (&self.orders, &orders)] {
            let mut upsert = transaction.prepare_cached(&table.upsert)?;
            for row in rows {
                upsert.execute(params_from_iter(row))?;
            }
        }

        transaction.commit()?;

        Ok(begun.elapsed())
    }
}
