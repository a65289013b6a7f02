//! The sagas of release 0.1, which knew their order in columns: what they knew becomes data of
//! their own, and the time at which they want to be woken, a timer. Databases of then come along; a
//! new one has nothing of the kind.

use sea_orm::{DbErr, EntityName};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::migrations::{NUMBERED_COMMANDS, SAGAS_OF_ANY_SERVICE, add_column, execute};
use crate::tables::{saga, timer};

/// Where the former table stands until its rows have been carried over.
const FORMER: &str = "sagas_before";

pub(super) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(CompensatedSagas),
        Box::new(NumberedCommands),
        Box::new(SetAside),
        Box::new(CarriedOver),
    ]
}

/// An index of release 0.1, which goes with its table.
struct CompensatedSagas;

impl MigrationName for CompensatedSagas {
    fn name(&self) -> &str {
        "m2026_11_24_000001_compensated_sagas"
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for CompensatedSagas {
    async fn up(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }
}

/// A saga counts the commands that it has sent. What release 0.1 has sent has no number.
struct NumberedCommands;

impl MigrationName for NumberedCommands {
    fn name(&self) -> &str {
        NUMBERED_COMMANDS
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for NumberedCommands {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = saga::Entity.table_name();
        if !manager.has_table(table).await? {
            return Ok(());
        }
        let none = "bigint NOT NULL DEFAULT 0";
        add_column(manager, table, "commands_sent", none).await
    }
}

/// The former table makes room for the one of any service.
struct SetAside;

impl MigrationName for SetAside {
    fn name(&self) -> &str {
        "m2026_11_28_000003_former_sagas"
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for SetAside {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = saga::Entity.table_name();
        if manager.has_table(table).await? {
            execute(manager, &format!("ALTER TABLE {table} RENAME TO {FORMER}")).await?;
        }

        // Indexes keep their names when their table gets another one.
        for index in ["sagas_by_start", "sagas_open", "sagas_compensated"] {
            execute(manager, &format!("DROP INDEX IF EXISTS {index}")).await?;
        }
        Ok(())
    }
}

/// Open sagas go on where they were, and are woken when they wanted to be.
struct CarriedOver;

impl MigrationName for CarriedOver {
    fn name(&self) -> &str {
        SAGAS_OF_ANY_SERVICE
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for CarriedOver {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if !manager.has_table(FORMER).await? {
            return Ok(());
        }

        execute(manager, &sagas()).await?;
        execute(manager, &timers()).await?;
        execute(manager, &format!("DROP TABLE {FORMER}")).await
    }
}

fn sagas() -> String {
    let table = saga::Entity.table_name();
    let same = "saga_id, kind, state, shard, reason, steps, attempts, commands_sent, started_at, \
        updated_at, ended_at, deadline, wake_at, version, remembered_keys";
    let (order, customer) = (text_of("order_id"), text_of("customer_id"));

    format!(
        "INSERT OR IGNORE INTO {table} ({same}, definition_version, entity_id, data) \
        SELECT {same}, 1, order_id, \
        json_object('orderId', {order}, 'customerId', {customer}, 'amountCents', amount_cents, \
        'orderVersion', order_version, 'customerName', customer_name, \
        'customerVersion', customer_version) FROM {FORMER}"
    )
}

/// Each open saga that wanted to be woken waits no longer than when it set out to.
fn timers() -> String {
    let table = timer::Entity.table_name();
    format!(
        "INSERT OR IGNORE INTO {table} (timer_id, shard, wake_at, patience, waits_for) \
        SELECT saga_id, shard, wake_at, MAX(wake_at - updated_at, 1000000), customer_id \
        FROM {FORMER} WHERE ended_at IS NULL AND wake_at IS NOT NULL"
    )
}

/// A UUID, stored as its bytes, as text.
fn text_of(column: &str) -> String {
    let hex = format!("lower(hex({column}))");
    let parts = [(1, 8), (9, 4), (13, 4), (17, 4), (21, 12)];
    let parts = parts.map(|(from, length)| format!("substr({hex}, {from}, {length})"));
    parts.join(" || '-' || ")
}
