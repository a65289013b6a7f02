//! A backup is whole or none, and so is what is restored; and the databases in it fit together,
//! whatever was committed while it was taken.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::database::file_of;
use crate::deployment::testing::{SCHEMAS, connect, open, receive, run, send};
use crate::testing::{BOOKINGS, ROOMS};

const SPARED: [&str; 1] = ["lock"];

fn taken(data: &Path, to: &Path) -> Result<Manifest, BackupError> {
    take(
        &SCHEMAS,
        data,
        to,
        "2026-11-28T00:00:00Z".to_owned(),
        &mut |_| {},
    )
}

fn restored(from: &Path, data: &Path) -> Result<(Manifest, Uuid), BackupError> {
    restore(&SCHEMAS, from, data, &SPARED, &mut |_| {})
}

/// A used data folder, its commits still in the write-ahead logs, and an empty folder.
async fn shop() -> (TempDir, TempDir) {
    let (data, free) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(data.path()).await.unwrap();
    send(&connect(ROOMS, data.path()), 1);
    receive(&connect(BOOKINGS, data.path()), ROOMS, 1);
    (data, free)
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, BackupError>, words: &str) {
    let line = outcome.unwrap_err().to_string();
    assert!(line.contains(words), "no {words:?} in {line}");
}

#[tokio::test]
async fn what_is_restored_is_what_was_there_and_begins_a_deployment_of_its_own() {
    let (data, free) = shop().await;
    let running = open(data.path()).await.unwrap();
    let backup = free.path().join("backup");

    let manifest = taken(data.path(), &backup).unwrap();
    assert_eq!(manifest.deployment, Some(running.id));
    let (_, id) = restored(&backup, &free.path().join("data")).unwrap();
    assert_ne!(id, running.id);

    let restored = open(&free.path().join("data")).await.unwrap();
    assert_eq!(restored.id, id);
    let sent = "SELECT max(sequence) FROM outbox";
    let rooms = connect(ROOMS, &free.path().join("data"));
    let sent: u64 = rooms.query_row(sent, [], |row| row.get(0)).unwrap();
    assert_eq!(sent, 1);
}

#[tokio::test]
async fn files_of_before_and_after_a_restore_do_not_mix() {
    let (data, free) = shop().await;
    let (backup, there) = (free.path().join("backup"), free.path().join("data"));
    taken(data.path(), &backup).unwrap();
    restored(&backup, &there).unwrap();

    fs::copy(file_of(BOOKINGS, &there), file_of(BOOKINGS, data.path())).unwrap();
    assert!(matches!(
        open(data.path()).await.unwrap_err(),
        crate::StoreError::Misfit(Misfit::Foreign { .. })
    ));
}

#[tokio::test]
async fn nothing_is_written_over() {
    let (data, free) = shop().await;
    let backup = free.path().join("backup");
    taken(data.path(), &backup).unwrap();

    refused(taken(data.path(), &backup), "is not empty");
    refused(restored(&backup, data.path()), "is not empty");
    refused(
        taken(&free.path().join("none"), free.path()),
        "is not there",
    );
}

#[tokio::test]
async fn a_backup_that_is_not_whole_is_not_taken_for_one() {
    let (data, free) = shop().await;
    let (backup, there) = (free.path().join("backup"), free.path().join("data"));
    taken(data.path(), &backup).unwrap();
    let whole = |name: &str| (backup.join(name), fs::read(backup.join(name)).unwrap());

    for name in ["rooms.db", "bookings.db", "manifest.json"] {
        let (file, bytes) = whole(name);
        fs::remove_file(&file).unwrap();
        refused(restored(&backup, &there), "is no whole backup");

        fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
        refused(restored(&backup, &there), "is no whole backup");

        let mut flipped = bytes.clone();
        flipped[0] ^= 1;
        fs::write(&file, flipped).unwrap();
        refused(restored(&backup, &there), "is no whole backup");
        fs::write(&file, bytes).unwrap();
        assert!(!there.exists());
    }

    let (file, bytes) = whole("manifest.json");
    let elsewhere = String::from_utf8(bytes)
        .unwrap()
        .replace("bookings.db", "../../o.db");
    fs::write(&file, elsewhere).unwrap();
    refused(restored(&backup, &there), "it holds ../../o.db");
}

#[tokio::test]
async fn a_restore_that_was_interrupted_does_not_start_and_is_begun_again() {
    let (data, free) = shop().await;
    let (backup, there) = (free.path().join("backup"), free.path().join("data"));
    taken(data.path(), &backup).unwrap();

    // After the mark, after a part of a file, and after all files.
    for written in [
        &[][..],
        &[("rooms.db", 5_000)],
        &[("rooms.db", 0), ("bookings.db", 0)],
    ] {
        let _ = fs::remove_dir_all(&there);
        fs::create_dir(&there).unwrap();
        fs::write(there.join("lock"), "").unwrap();
        fs::write(there.join("restore.unfinished"), "/somewhere").unwrap();
        for (name, bytes) in written {
            fs::copy(backup.join(name), there.join(name)).unwrap();
            if *bytes > 0 {
                let file = fs::File::options()
                    .write(true)
                    .open(there.join(name))
                    .unwrap();
                file.set_len(*bytes).unwrap();
            }
        }

        let line = open(&there).await.unwrap_err().to_string();
        assert!(
            line.contains("was interrupted; end it with counterfoil restore --from /somewhere")
        );
        let free = free.path().join("another");
        refused(taken(&there, &free), "was interrupted");

        restored(&backup, &there).unwrap();
        open(&there).await.unwrap();
    }
}

#[tokio::test]
async fn databases_fit_together_whatever_is_committed_while_they_are_copied() {
    let (data, free) = shop().await;
    let deployment = open(data.path()).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));

    // Each says one thing after the other and has read what the other has said by then.
    let talk = {
        let (stop, data) = (Arc::clone(&stop), data.path().to_owned());
        move || {
            let (rooms, bookings) = (connect(ROOMS, &data), connect(BOOKINGS, &data));
            for connection in [&rooms, &bookings] {
                connection
                    .pragma_update(None, "synchronous", "OFF")
                    .unwrap();
            }
            let mut sequence = 2;
            while !stop.load(Ordering::SeqCst) {
                send(&rooms, sequence);
                receive(&bookings, ROOMS, sequence);
                send(&bookings, sequence);
                receive(&rooms, BOOKINGS, sequence);
                sequence += 1;
            }
            sequence
        }
    };
    let talking = std::thread::spawn(talk);

    let mut ends = Vec::new();
    for number in 0..20 {
        let manifest = taken(data.path(), &free.path().join(number.to_string())).unwrap();
        ends.push(manifest.databases[0].ends[&0]);
    }
    stop.store(true, Ordering::SeqCst);
    let said = talking.join().unwrap();

    assert!(
        ends.is_sorted() && ends[0] < ends[19] && ends[19] <= said,
        "{ends:?}, {said}"
    );
    drop(deployment);
}
