//! Stores that a start cannot use: the start ends with one line that names the file, the cause and
//! what to do; or the node listens, says that it is not ready and why, and ends when told.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;
use tests::{Cli, Node, eventually};

const DATABASES: [&str; 2] = ["customers.db", "orders.db"];
const GARBAGE: &[u8] = &[b'x'; 20_000];

/// What may have happened to a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Garbage,
    /// The first bytes, which say what the file is.
    FlippedHead,
    /// A byte in the first tenth.
    FlippedByte,
    /// The page in which a table or an index begins.
    FlippedTable(&'static str),
    Folder,
    Denied(u32),
}

impl Damage {
    fn is_done_to(self, file: &Path) {
        match self {
            Damage::Garbage => fs::write(file, GARBAGE).expect("a file to write"),
            Damage::FlippedHead => flip(file, |_| 0..16),
            Damage::FlippedByte => flip(file, |length| length / 10..length / 10 + 1),
            Damage::FlippedTable(table) => {
                let page = page_of(table, file);
                flip(file, |_| page);
            }
            Damage::Folder => {
                let _ = fs::remove_file(file);
                fs::create_dir(file).expect("a folder in the file's place");
            }
            Damage::Denied(mode) => {
                fs::set_permissions(file, fs::Permissions::from_mode(mode)).expect("a mode");
            }
        }
    }
}

fn flip(file: &Path, range: impl FnOnce(usize) -> std::ops::Range<usize>) {
    let mut bytes = fs::read(file).expect("a file to read");
    let range = range(bytes.len());
    for byte in &mut bytes[range] {
        *byte ^= 0x5a;
    }
    fs::write(file, bytes).expect("a file to write");
}

/// The place of a table's first page in the file.
fn page_of(table: &str, file: &Path) -> std::ops::Range<usize> {
    let connection = Connection::open(file).expect("a database");
    let number = |sql: &str| -> usize {
        connection
            .query_row(sql, [], |row| row.get(0))
            .expect("a number")
    };
    let page = number(&format!(
        "SELECT rootpage FROM sqlite_master WHERE name = '{table}'"
    ));
    let size = number("PRAGMA page_size");
    (page - 1) * size..page * size
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder to read") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

/// A node with some orders.
async fn shop() -> Node {
    let node = Node::start().await;
    let api = node.api();
    let customer = api.create_customer("Ada", "500.00").await;
    for _ in 0..20 {
        api.place(&customer.id, "5.00", "APPROVED").await;
    }
    node
}

/// Asserts that a start on a damaged copy of the data ends with one line that names the file.
async fn is_refused(data: &Path, file: &str, damage: Damage, words: &[&str]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copied: PathBuf = folder.path().join("data");
    copy(data, &copied);
    damage.is_done_to(&copied.join(file));

    let mut cli = Cli::new(folder.path()).env("COUNTERFOIL_LISTEN", "127.0.0.1:0");
    if matches!(damage, Damage::Denied(_)) {
        cli = cli.as_nobody();
    }
    let outcome = cli.serve_is_refused(&[]).await;

    let line = outcome.only_line();
    for word in [&[file], words].concat() {
        assert!(
            line.contains(word),
            "{file}, {damage:?}: no {word:?} in {line}"
        );
    }
}

#[tokio::test]
async fn a_database_that_is_damaged_or_denied_stops_the_start_with_one_line() {
    let mut node = shop().await;
    node.terminate().await;

    for file in DATABASES {
        for (damage, words) in [
            (Damage::Garbage, ["not a database", "restore"]),
            (Damage::FlippedHead, ["not a database", "restore"]),
            (Damage::FlippedTable("settings"), ["malformed", "restore"]),
            (Damage::Folder, ["not a file", "allowed"]),
            (Damage::Denied(0o444), ["Permission denied", "allowed"]),
            (Damage::Denied(0o000), ["Permission denied", "allowed"]),
        ] {
            is_refused(&node.data(), file, damage, &words).await;
        }
    }
}

#[tokio::test]
async fn a_log_of_commits_that_is_damaged_or_denied_stops_the_start_with_one_line() {
    let mut node = shop().await;
    node.kill();

    for file in DATABASES.map(|file| format!("{file}-wal")) {
        for (damage, words) in [
            (Damage::Garbage, ["not a write-ahead log", "restore"]),
            (Damage::FlippedHead, ["not a write-ahead log", "restore"]),
            (Damage::FlippedByte, ["later commits are lost", "restore"]),
            (Damage::Folder, ["not a file", "allowed"]),
            (Damage::Denied(0o444), ["Permission denied", "allowed"]),
        ] {
            is_refused(&node.data(), &file, damage, &words).await;
        }
    }
}

#[tokio::test]
async fn messages_of_a_newer_release_stop_the_start_with_one_line() {
    let mut node = shop().await;
    node.terminate().await;
    let database = node.data().join("orders.db");
    let noted = |name: &str, version: &str| {
        let rows = Connection::open(&database).expect("a database to open");
        let note = "INSERT OR REPLACE INTO settings VALUES ('wire:' || ?, ?)";
        rows.execute(note, [name, version]).expect("its settings");
    };
    let line = async || {
        let cli = Cli::new(&node.data().join("..")).env("COUNTERFOIL_LISTEN", "127.0.0.1:0");
        let outcome = cli.serve_is_refused(&[]).await;
        outcome.only_line().to_owned()
    };

    noted("order.approved", "9");
    let refused = line().await;
    for word in ["orders.db", "order.approved of version 9", "up to 1"] {
        assert!(refused.contains(word), "no {word:?} in {refused}");
    }

    noted("order.approved", "1");
    noted("order.returned", "1");
    let refused = line().await;
    assert!(refused.contains("order.returned"), "{refused}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_stops_the_start_with_one_line() {
    let mut node = shop().await;
    node.terminate().await;
    let folder = TempDir::new().expect("a temporary folder");
    let data = folder.path().join("data");
    copy(&node.data(), &data);

    Damage::Denied(0o555).is_done_to(&data);
    let cli = Cli::new(folder.path()).as_nobody();
    let outcome = cli.serve_is_refused(&["--listen", "127.0.0.1:0"]).await;
    // So that it can be deleted by whoever made it.
    Damage::Denied(0o755).is_done_to(&data);

    let line = outcome.only_line();
    assert!(
        line.contains("data_dir") && line.contains("Permission denied"),
        "{line}"
    );
}

#[tokio::test]
async fn a_database_that_somebody_holds_stops_the_start_with_one_line() {
    let mut node = shop().await;
    node.terminate().await;
    let held = Connection::open(node.data().join("orders.db")).expect("a database");
    held.execute_batch("BEGIN IMMEDIATE").expect("a lock");

    let outcome = node
        .cli()
        .serve_is_refused(&["--listen", "127.0.0.1:0"])
        .await;

    let line = outcome.only_line();
    assert!(
        line.contains("orders.db") && line.contains("locked"),
        "{line}"
    );
    drop(held);
    node.restart().await;
}

#[tokio::test]
async fn a_node_that_is_asked_to_end_while_it_starts_ends() {
    let mut node = shop().await;
    node.terminate().await;
    let lock = node.data().join("lock");
    fs::remove_file(&lock).expect("the lock of the node that has ended");
    let held = Connection::open(node.data().join("customers.db")).expect("a database");
    held.execute_batch("BEGIN IMMEDIATE").expect("a lock");

    node.begin_restart();
    // It listens for signals by then, and waits for the database.
    eventually("the node takes its folder", async || {
        lock.exists().then_some(())
    })
    .await;
    node.terminate().await;

    drop(held);
    node.restart().await;
}

#[tokio::test]
async fn a_node_that_cannot_read_what_waits_says_so_and_ends_when_told() {
    for file in DATABASES {
        let mut node = shop().await;
        node.terminate().await;
        for table in ["parked_messages", "parked_by_entity"] {
            Damage::FlippedTable(table).is_done_to(&node.data().join(file));
        }

        node.restart_unready().await;

        let told = node.api().get("/health/ready").await;
        told.is_problem(503);
        let service = file.trim_end_matches(".db");
        for word in [service, "malformed", "16 of 32 shards are not open"] {
            assert!(told.text.contains(word), "no {word:?} in {}", told.text);
        }
        node.api().get("/health/live").await.is(200);
        node.terminate().await;
    }
}
