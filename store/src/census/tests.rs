use super::*;

async fn database(folder: &std::path::Path) -> ServiceDatabase {
    ServiceDatabase::open_embedded(crate::testing::BOOKINGS_SCHEMA, folder, 1)
        .await
        .unwrap()
}

#[tokio::test]
async fn sagas_that_have_ended_are_not_walked_over() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(folder.path()).await;

    let explain = format!(
        "EXPLAIN QUERY PLAN {}",
        counting_open_sagas(DbBackend::Sqlite)
    );
    let explain = Statement::from_string(DbBackend::Sqlite, explain);
    let rows = database.read.query_all_raw(explain).await.unwrap();
    let plan: Vec<String> = rows
        .iter()
        .map(|row| row.try_get("", "detail").unwrap())
        .collect();
    let plan = plan.join("; ");

    for index in ["sqlite_autoindex_sagas_1", "sagas_stuck"] {
        assert!(plan.contains(index), "{index}: {plan}");
    }
    assert!(!plan.contains("SCAN sagas USING INDEX sagas_by"), "{plan}");
}

#[tokio::test]
async fn what_is_open_is_counted_by_type_and_state_and_what_has_ended_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(folder.path()).await;
    let writing = rusqlite::Connection::open(database.file()).unwrap();

    for (number, kind, state) in [
        (1, "book", "RUNNING"),
        (2, "book", "RUNNING"),
        (3, "book", "COMPLETED"),
        (4, "cancel", "STUCK"),
        (5, "cancel", "COMPENSATING"),
    ] {
        writing
            .execute(
                "INSERT INTO sagas (saga_id, kind, definition_version, state, shard, \
                 entity_id, data, steps, attempts, commands_sent, started_at, updated_at, \
                 deadline, version) VALUES (?1, ?2, 1, ?3, 0, ?1, '{}', '[]', 0, 0, 0, 0, 0, 1)",
                (format!("{number:032}"), kind, state),
            )
            .unwrap();
        if state == "RUNNING" || state == "COMPENSATING" {
            writing
                .execute(
                    "INSERT INTO timers (timer_id, shard, wake_at, patience, waits_for) \
                     VALUES (?1, 0, 0, 0, NULL)",
                    [format!("{number:032}")],
                )
                .unwrap();
        }
    }

    let mut open = open_sagas(&database).await.unwrap();
    open.sort_by(|a, b| (&a.kind, &a.state).cmp(&(&b.kind, &b.state)));
    let open: Vec<_> = open
        .iter()
        .map(|count| (count.kind.as_str(), count.state.as_str(), count.number))
        .collect();
    assert_eq!(
        open,
        [
            ("book", "RUNNING", 2),
            ("cancel", "COMPENSATING", 1),
            ("cancel", "STUCK", 1)
        ]
    );
    assert_eq!(parked_messages(&database).await.unwrap(), []);
}
