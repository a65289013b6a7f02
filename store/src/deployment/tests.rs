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

/// As a node opens them that owns these services.
async fn owning(owned: &[Service], folder: &Path) -> Result<Deployment, StoreError> {
    let owned = owned.iter().copied().collect();
    let home = |schema| (schema, Home::Folder(folder.to_owned()));
    Deployment::open_owning(&owned, &testing::SCHEMAS.map(home), 2).await
}

/// Waits for another node, and says for what.
async fn waits(owned: &[Service], folder: &Path) -> String {
    match owning(owned, folder).await.unwrap_err() {
        StoreError::Unreachable { what, cause, .. } => format!("{what}: {cause}"),
        other => panic!("it does not wait: {other}"),
    }
}

#[tokio::test]
async fn who_owns_a_service_writes_to_its_database_alone_and_who_owns_none_to_no_one() {
    let folder = used().await;
    let id = run(folder.path()).await.unwrap();
    let noted = |service| setting(service, folder.path(), SEEN).is_some();

    for (owned, rooms, bookings) in [
        (&[][..], false, false),
        (&[ROOMS], true, false),
        (&[BOOKINGS], false, true),
    ] {
        for service in [ROOMS, BOOKINGS] {
            forget(service, folder.path(), SEEN);
        }
        let deployment = owning(owned, folder.path()).await.unwrap();
        assert_eq!(deployment.id, id);
        let services = deployment.databases.iter().map(|database| database.service);
        assert_eq!(services.collect::<Vec<_>>(), [ROOMS, BOOKINGS]);
        testing::close(deployment).await;
        assert_eq!((noted(ROOMS), noted(BOOKINGS)), (rooms, bookings));
    }
}

#[tokio::test]
async fn whoever_owns_the_first_service_gives_the_id_and_the_others_wait_for_it() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path()).await.unwrap();
    for service in [ROOMS, BOOKINGS] {
        forget(service, folder.path(), ID);
        forget(service, folder.path(), COMPLETE);
    }

    let nowhere =
        |service| format!("{service}: no node that owns shards has prepared it: it belongs");
    assert!(waits(&[], folder.path()).await.starts_with(&nowhere(ROOMS)));
    let orders = waits(&[BOOKINGS], folder.path()).await;
    assert!(orders.starts_with(&nowhere(ROOMS)), "{orders}");
    let rooms = waits(&[ROOMS], folder.path()).await;
    assert!(rooms.starts_with(&nowhere(BOOKINGS)), "{rooms}");
    assert_eq!(setting(ROOMS, folder.path(), COMPLETE), None);

    let second = owning(&[BOOKINGS], folder.path()).await.unwrap();
    let first = owning(&[ROOMS], folder.path()).await.unwrap();
    assert_eq!(first.id, second.id);
    for service in [ROOMS, BOOKINGS] {
        let complete = setting(service, folder.path(), COMPLETE);
        assert_eq!(complete.as_deref(), Some("true"), "{service}");
    }
}

#[tokio::test]
async fn what_was_made_for_other_shards_is_not_read() {
    let folder = used().await;
    let homes = testing::SCHEMAS.map(|schema| (schema, Home::Folder(folder.path().to_owned())));
    let opened = Deployment::open_owning(&BTreeSet::new(), &homes, 3).await;
    let line = opened.unwrap_err().to_string();
    assert!(line.contains("COUNTERFOIL_SHARDS is 3"), "{line}");
}
