//! Values that no column should hold: each is a violation that names table, row and column, and
//! everything else is audited all the same.

use super::*;

/// A column of a table, and a value of a type that it cannot have.
struct Column {
    name: String,
    value: &'static str,
}

fn columns_of(file: &Path, table: &str) -> Vec<Column> {
    let connection = Connection::open(file).unwrap();
    let sql = format!("SELECT name, type FROM pragma_table_info('{table}')");
    let mut statement = connection.prepare(&sql).unwrap();
    let columns = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let columns = columns.unwrap().map(|column| {
        let (name, kind): (String, String) = column.unwrap();
        let kind = kind.to_lowercase();
        let is_text = kind.contains("char") || (kind.contains("text") && !kind.contains("uuid"));
        let value = if is_text { "x'ff'" } else { "'zz'" };
        Column { name, value }
    });
    columns.collect()
}

/// Gives the report after one column of the first row of a table was made unreadable.
fn report_with(file: &str, table: &str, column: &Column) -> Option<Report> {
    let folder = Left::behind().copy();
    operators_have_done_something(folder.path());
    let connection = Connection::open(folder.path().join(file)).unwrap();
    let Column { name, value } = column;
    let sql = format!(
        "UPDATE {table} SET {name} = {value} \
         WHERE rowid_of = (SELECT min(rowid_of) FROM {table})"
    );
    let keys = connection.query_row(
        &format!("SELECT group_concat(name) FROM pragma_table_info('{table}') WHERE pk > 0"),
        [],
        |row| row.get::<_, String>(0),
    );
    let keys = keys.unwrap();
    let sql = sql
        .replace(
            "rowid_of = (SELECT min(rowid_of)",
            &format!("({keys}) = (SELECT {keys}"),
        )
        .replace(
            &format!("FROM {table})"),
            &format!("FROM {table} ORDER BY {keys} LIMIT 1)"),
        );
    let changed = connection.execute(&sql, []);
    drop(connection);

    // The key of a table with rows by number takes nothing else.
    let changed = changed.ok()?;
    assert_eq!(changed, 1, "{sql}");
    Some(audit(folder.path()))
}

fn operators_have_done_something(folder: &Path) {
    for sql in [
        "INSERT INTO operator_actions \
         (action_id, shard, action, subject_id, entity_id, done_by, time, detail) \
         SELECT randomblob(16), shard, 'saga.retried', saga_id, entity_id, 'ada', 1, '{}' \
         FROM sagas LIMIT 1",
        "INSERT INTO bulk_requests \
         (request_key, request_fingerprint, shard, time, found, version) \
         VALUES (x'00000000000000000000000000000000', randomblob(16), 0, 1, '[]', 1)",
    ] {
        damage(folder, ORDERS, sql);
    }
}

#[test]
fn a_column_of_the_wrong_type_is_told_with_its_row_and_nothing_else_is_left_out() {
    let whole = audit(Left::behind().copy().path());
    for (file, tables) in [
        (
            CUSTOMERS,
            &[
                "customers",
                "reservations",
                "parked_messages",
                "entity_snapshots",
            ][..],
        ),
        (
            ORDERS,
            &[
                "orders",
                "sagas",
                "timers",
                "outbox",
                "inbox",
                "shards",
                "operator_actions",
                "bulk_requests",
            ],
        ),
    ] {
        for table in tables {
            let columns = columns_of(&Left::behind().copy().path().join(file), table);
            assert!(!columns.is_empty(), "{table}");
            for column in columns {
                let Some(report) = report_with(file, table, &column) else {
                    continue;
                };
                let text = report.to_string();
                let named = format!("column {}", column.name);
                let row = if text.contains("of history") {
                    "history"
                } else {
                    table
                };
                let told = text
                    .lines()
                    .any(|line| line.contains(&named) && line.contains(&format!(" of {row}")));
                assert!(told, "{table}.{}:\n{text}", column.name);
                for (invariant, finding) in &whole.invariants {
                    let found = report.invariants[invariant].checked;
                    assert!(
                        found + 5 >= finding.checked,
                        "{table}.{}:\n{text}",
                        column.name
                    );
                }
            }
        }
    }
}

#[test]
fn what_a_node_could_not_read_is_told_with_its_row_and_column() {
    use Invariant::{History, Outbox, Quarantine, Sagas};
    for (file, table, column, value, violated) in [
        (
            CUSTOMERS,
            "customers",
            "remembered_keys",
            "'garbage'",
            History,
        ),
        (CUSTOMERS, "customers", "limit_corrected_at", "-1", History),
        (ORDERS, "orders", "remembered_keys", "'garbage'", History),
        (ORDERS, "orders", "choreography", "'garbage'", History),
        (ORDERS, "orders", "lines", "'garbage'", History),
        (ORDERS, "sagas", "remembered_keys", "'garbage'", Sagas),
        (ORDERS, "sagas", "steps", "'garbage'", Sagas),
        (ORDERS, "sagas", "parent", "'garbage'", Sagas),
        (ORDERS, "sagas", "commands_sent", "-1", Sagas),
        (ORDERS, "sagas", "definition_version", "-1", Sagas),
        (CUSTOMERS, "parked_messages", "attempts", "-1", Quarantine),
        (CUSTOMERS, "parked_messages", "body", "'{'", Quarantine),
        (ORDERS, "shards", "heads", "'garbage'", Outbox),
    ] {
        let column = Column {
            name: column.to_owned(),
            value,
        };
        let report = report_with(file, table, &column).unwrap();
        let found: Vec<_> = report.violated().collect();
        assert_eq!(found, [violated], "{table}.{}:\n{report}", column.name);
        assert_eq!(report.violations(), 1, "{table}.{}:\n{report}", column.name);
    }
}
