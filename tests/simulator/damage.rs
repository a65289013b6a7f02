//! Rows that nobody can read for a while, as statements.

use crate::plan::Table;

/// Makes the row in some place one that this release cannot read.
pub fn damage(table: Table, place: u64) -> String {
    let (name, key, change) = match table {
        Table::Orders => ("orders", "order_id", "state = state || '?'"),
        Table::Customers => ("customers", "customer_id", "version = -version"),
        Table::Parked(_) => ("parked_messages", "message_id", "body = '?' || body"),
        Table::Outbox(_) => (
            "outbox",
            "(shard, sequence)",
            "events = '?' || events, messages = '?' || messages",
        ),
    };
    let columns = key.trim_matches(['(', ')']);
    format!(
        "UPDATE {name} SET {change} WHERE {key} = (SELECT {columns} FROM {name} \
         ORDER BY {columns} LIMIT 1 OFFSET {place} % max(1, (SELECT count(*) FROM {name})))"
    )
}

/// Makes all rows readable again.
pub fn repair(table: Table) -> &'static str {
    match table {
        Table::Orders => "UPDATE orders SET state = rtrim(state, '?')",
        Table::Customers => "UPDATE customers SET version = abs(version)",
        Table::Parked(_) => "UPDATE parked_messages SET body = ltrim(body, '?')",
        Table::Outbox(_) => {
            "UPDATE outbox SET events = ltrim(events, '?'), messages = ltrim(messages, '?')"
        }
    }
}
