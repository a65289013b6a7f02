//! Databases that belong together start, whenever the process that made them has died; others are
//! refused, and nothing is written beside them.

use std::fs;
use std::path::Path;

use sagas::Service;
use tempfile::TempDir;

use super::testing::{connect, open, receive, run, send};
use super::*;
use crate::database::{all_of, file_of};
use crate::testing::{BOOKINGS, BOOKINGS_SCHEMA, ROOMS, ROOMS_SCHEMA};

fn setting(service: Service, folder: &Path, name: &str) -> Option<String> {
    let sql = "SELECT value FROM settings WHERE name = ?";
    connect(service, folder)
        .query_row(sql, [name], |row| row.get(0))
        .ok()
}

fn forget(service: Service, folder: &Path, name: &str) {
    let sql = "DELETE FROM settings WHERE name = ?";
    connect(service, folder).execute(sql, [name]).unwrap();
}

/// Puts the database of a service from one folder into another.
fn put(service: Service, from: &Path, to: &Path) {
    for file in all_of(&file_of(service, to)) {
        let _ = fs::remove_file(file);
    }
    fs::copy(file_of(service, from), file_of(service, to)).unwrap();
}

async fn refusal(folder: &Path) -> String {
    match open(folder).await.unwrap_err() {
        StoreError::Misfit(misfit) => misfit.to_string(),
        other => panic!("not a misfit: {other}"),
    }
}

/// Two services that have run; bookings has read three messages of rooms.
async fn used() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path()).await.unwrap();
    let rooms = connect(ROOMS, folder.path());
    for sequence in 1..=3 {
        send(&rooms, sequence);
    }
    receive(&connect(BOOKINGS, folder.path()), ROOMS, 3);
    folder
}

#[tokio::test]
async fn a_deployment_keeps_the_id_of_its_first_start() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(folder.path()).await.unwrap();
    assert_eq!(run(folder.path()).await.unwrap(), first);

    for service in [ROOMS, BOOKINGS] {
        assert_eq!(setting(service, folder.path(), ID), Some(first.to_string()));
    }
}

#[tokio::test]
async fn a_process_that_dies_while_it_gives_the_id_is_no_hindrance() {
    // What is forgotten was not written yet; the first is that nothing was.
    let steps: [&[(Service, &str)]; 5] = [
        &[
            (ROOMS, ID),
            (BOOKINGS, ID),
            (ROOMS, COMPLETE),
            (BOOKINGS, COMPLETE),
        ],
        &[(BOOKINGS, ID), (ROOMS, COMPLETE), (BOOKINGS, COMPLETE)],
        &[(ROOMS, COMPLETE), (BOOKINGS, COMPLETE)],
        &[(BOOKINGS, COMPLETE)],
        &[],
    ];

    for (folder, step) in [
        (used().await, "used"),
        (tempfile::tempdir().unwrap(), "new"),
    ] {
        for lacking in steps {
            run(folder.path()).await.unwrap();
            for (service, name) in lacking {
                forget(*service, folder.path(), name);
            }

            let id = run(folder.path()).await.unwrap();
            for service in [ROOMS, BOOKINGS] {
                let given = setting(service, folder.path(), ID);
                assert_eq!(given, Some(id.to_string()), "{step}, without {lacking:?}");
                assert!(setting(service, folder.path(), COMPLETE).is_some());
            }
        }
    }
}

#[tokio::test]
async fn a_process_that_dies_while_it_makes_the_databases_is_no_hindrance() {
    let folder = tempfile::tempdir().unwrap();
    // Before its first table, and with all of them but without an id.
    fs::write(file_of(ROOMS, folder.path()), "").unwrap();
    run(folder.path()).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let database = ServiceDatabase::open_embedded(BOOKINGS_SCHEMA, folder.path(), 2).await;
    database.unwrap().close().await;
    run(folder.path()).await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_missing_is_not_made_beside_one_in_use() {
    for (service, other) in [(ROOMS, "bookings.db"), (BOOKINGS, "rooms.db")] {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path()).await.unwrap();
        for file in all_of(&file_of(service, folder.path())) {
            let _ = fs::remove_file(file);
        }

        for _ in 0..2 {
            let line = refusal(folder.path()).await;
            assert!(line.contains(&format!("{service}.db is missing")), "{line}");
            assert!(
                line.contains(&format!("{other} beside it is in use")),
                "{line}"
            );
            assert!(line.contains("counterfoil restore"), "{line}");
            assert!(!file_of(service, folder.path()).exists());
        }
    }
}

#[tokio::test]
async fn a_new_database_is_not_taken_beside_those_of_a_deployment() {
    let (folder, other) = (used().await, tempfile::tempdir().unwrap());
    let database = ServiceDatabase::open_embedded(ROOMS_SCHEMA, other.path(), 2).await;
    database.unwrap().close().await;
    put(ROOMS, other.path(), folder.path());

    let line = refusal(folder.path()).await;
    assert!(line.contains("rooms.db is new"), "{line}");
    assert_eq!(setting(ROOMS, folder.path(), ID), None);
}

#[tokio::test]
async fn a_database_of_another_deployment_is_not_taken() {
    let (folder, other) = (used().await, used().await);
    put(BOOKINGS, other.path(), folder.path());

    let line = refusal(folder.path()).await;
    assert!(line.contains("rooms.db belongs to deployment"), "{line}");
    assert!(line.contains("bookings.db to"), "{line}");
}

#[tokio::test]
async fn a_database_older_than_another_has_read_it_is_not_taken() {
    let (folder, older) = (used().await, tempfile::tempdir().unwrap());
    put(ROOMS, folder.path(), older.path());
    let rooms = connect(ROOMS, folder.path());
    send(&rooms, 4);
    drop(rooms);
    receive(&connect(BOOKINGS, folder.path()), ROOMS, 4);
    run(folder.path()).await.unwrap();

    put(ROOMS, older.path(), folder.path());
    let line = refusal(folder.path()).await;
    assert!(line.contains("rooms.db is older than"), "{line}");
    assert!(line.contains("bookings.db knows it"), "{line}");
    assert!(
        line.contains("rooms/0 ends at 3, and has been seen at 4"),
        "{line}"
    );
}

#[tokio::test]
async fn a_database_older_than_another_has_seen_it_is_not_taken_though_nothing_was_sent_there() {
    let folder = used().await;
    let older = tempfile::tempdir().unwrap();
    run(folder.path()).await.unwrap();
    put(ROOMS, folder.path(), older.path());
    send(&connect(ROOMS, folder.path()), 4);
    run(folder.path()).await.unwrap();

    put(ROOMS, older.path(), folder.path());
    let line = refusal(folder.path()).await;
    assert!(
        line.contains("rooms/0 ends at 3, and has been seen at 4"),
        "{line}"
    );
}

#[tokio::test]
async fn databases_of_a_release_without_identity_get_one_when_they_fit_together() {
    let folder = used().await;
    for service in [ROOMS, BOOKINGS] {
        for name in [ID, COMPLETE, SEEN] {
            forget(service, folder.path(), name);
        }
    }
    receive(&connect(BOOKINGS, folder.path()), ROOMS, 9);
    let line = refusal(folder.path()).await;
    assert!(line.contains("ends at 3, and has been seen at 9"), "{line}");
    assert_eq!(setting(BOOKINGS, folder.path(), ID), None);

    receive(&connect(BOOKINGS, folder.path()), ROOMS, 3);
    let id = run(folder.path()).await.unwrap();
    assert_eq!(setting(BOOKINGS, folder.path(), ID), Some(id.to_string()));
}
