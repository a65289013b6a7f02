//! What is particular to the embedded index: its folder.

use std::fs;
use std::path::Path;

use domain::order::OrderCreated;
use domain::{CustomerId, Money, OrderEvent, ShardId, Timestamp};
use store::{Message, Positions};
use tantivy::schema::{STORED, Schema, TEXT};
use tantivy::{Index, TantivyDocument, doc};
use tempfile::TempDir;
use uuid::Uuid;

use super::snapshot::Snapshot;
use super::{Opened, open_embedded, open_index};
use crate::ViewError;
use crate::shop::{Event, Payload};
use crate::testing::message_of;

/// What is done to the folder of an index.
type Harm = fn(&Path);

fn positions() -> Positions {
    Positions::from([
        (ShardId::new(domain::ORDERS, 3), 12),
        (ShardId::new(domain::CUSTOMERS, 0), u64::MAX),
    ])
}

fn created() -> Message {
    let created = OrderEvent::Created(OrderCreated {
        customer_id: CustomerId(Uuid::from_u128(1)),
        order_total: Money::from_cents(1),
        lines: Vec::new(),
        note: Some("green tea".to_owned()),
        coordination: domain::Coordination::default(),
    });
    message_of(&Event {
        source: ShardId::new(domain::ORDERS, 3),
        sequence: 1,
        entity: Uuid::from_u128(2),
        version: 1,
        time: Timestamp::from_micros(1),
        payload: Payload::Order(created),
    })
}

/// With the folder that it lies in.
pub(super) fn snapshot_of_one_order() -> (TempDir, Snapshot) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("search");
    let (mut writer, reader) = open_embedded(&path).unwrap();
    writer.apply(&created()).unwrap();
    writer.commit(&positions()).unwrap();
    drop((writer, reader));

    let Opened { index, fields, .. } = open_index(&path).unwrap();
    let searcher = index.reader().unwrap().searcher();
    let snapshot = Snapshot::open(searcher, fields, positions()).unwrap();
    (folder, snapshot)
}

#[test]
fn positions_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, reader) = open_embedded(&folder.path().join("search")).unwrap();
    writer.commit(&positions()).unwrap();
    drop((writer, reader));
    let (mut writer, _reader) = open_embedded(&folder.path().join("search")).unwrap();
    assert_eq!(writer.positions().unwrap(), positions());
}

#[test]
fn an_index_of_another_definition_is_told_from_one_that_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("search");
    fs::create_dir_all(&path).unwrap();
    let mut builder = Schema::builder();
    let text = builder.add_text_field("text", TEXT | STORED);

    let index = Index::create_in_dir(&path, builder.build()).unwrap();
    let mut other = index
        .writer_with_num_threads::<TantivyDocument>(1, 20_000_000)
        .unwrap();
    other.add_document(doc!(text => "tea")).unwrap();
    other.commit().unwrap();
    drop((other, index));
    is_damaged(&path);
}

/// It cannot be opened, and nothing in it is changed.
fn is_damaged(path: &Path) {
    let opened = open_embedded(path).map(drop);
    assert!(
        matches!(opened, Err(ViewError::Damaged { .. })),
        "{opened:?}"
    );
}

#[test]
fn an_index_whose_lists_or_lock_are_something_else_is_damaged() {
    let harms: [(&str, Harm); 7] = [
        ("garbage for segments", |path| {
            fs::write(path.join("meta.json"), "{ no json").unwrap();
        }),
        ("no segments at all", |path| {
            fs::write(path.join("meta.json"), "").unwrap();
        }),
        ("a folder for segments", |path| {
            fs::remove_file(path.join("meta.json")).unwrap();
            fs::create_dir(path.join("meta.json")).unwrap();
        }),
        ("garbage for files", |path| {
            fs::write(path.join(".managed.json"), "{ no json").unwrap();
        }),
        ("no list of files", |path| {
            fs::remove_file(path.join(".managed.json")).unwrap();
        }),
        ("a folder for a lock", |path| {
            fs::remove_file(path.join(".tantivy-writer.lock")).unwrap();
            fs::create_dir(path.join(".tantivy-writer.lock")).unwrap();
        }),
        ("a file for the folder", |path| {
            fs::remove_dir_all(path).unwrap();
            fs::write(path, "").unwrap();
        }),
    ];

    for (what, harm) in harms {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("search");
        drop(open_embedded(&path).unwrap());
        harm(&path);
        let opened = open_embedded(&path).map(drop);
        assert!(
            matches!(opened, Err(ViewError::Damaged { .. })),
            "{what}: {opened:?}"
        );
    }
}

#[test]
fn an_index_with_a_cut_file_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, reader) = open_embedded(&folder.path().join("search")).unwrap();
    writer.apply(&created()).unwrap();
    writer.commit(&positions()).unwrap();
    drop((writer, reader));

    let files = fs::read_dir(folder.path().join("search"))
        .unwrap()
        .map(|entry| entry.unwrap().path());

    let terms = files
        .into_iter()
        .find(|path| path.extension().is_some_and(|name| name == "term"))
        .unwrap();
    fs::write(terms, "cut").unwrap();
    is_damaged(&folder.path().join("search"));
}

#[test]
fn a_failed_commit_is_begun_again_from_the_positions() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, _reader) = open_embedded(&folder.path().join("search")).unwrap();
    writer.commit(&positions()).unwrap();
    let (here, away) = (folder.path().join("search"), folder.path().join("away"));
    fs::rename(&here, &away).unwrap();

    let up_to = |sequence| Positions::from([(ShardId::new(domain::ORDERS, 3), sequence)]);
    // Commits are made durable behind them, so it may be a later one that is told of it.
    let mut reached = 13;

    let failure = loop {
        match writer.commit(&up_to(reached)) {
            Ok(()) => reached += 1,
            Err(failure) => break failure,
        }
    };
    // Should the folder not come back, only another generation helps.
    assert!(matches!(failure, ViewError::Damaged { .. }), "{failure}");

    assert!(
        writer.apply(&created()).is_err(),
        "what was applied is gone"
    );

    assert!(writer.commit(&up_to(reached)).is_err());
    assert!(writer.positions().is_err(), "the folder is still away");

    fs::rename(&away, &here).unwrap();
    let begun_again = writer.positions().unwrap();
    assert!(
        [up_to(reached - 1), up_to(reached)].contains(&begun_again),
        "the last one has happened or not"
    );

    writer.apply(&created()).unwrap();
    writer.commit(&up_to(reached + 1)).unwrap();
    assert_eq!(writer.positions().unwrap(), up_to(reached + 1));
}

#[test]
fn an_index_that_is_open_is_not_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, _reader) = open_embedded(&folder.path().join("search")).unwrap();
    writer.commit(&positions()).unwrap();
    assert!(matches!(
        open_embedded(&folder.path().join("search")),
        Err(ViewError::Unavailable { .. })
    ));
    assert_eq!(writer.positions().unwrap(), positions());
}

/// What a killed process leaves behind: the lock's file, with nobody holding the lock.
#[test]
fn a_lock_file_left_behind_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, reader) = open_embedded(&folder.path().join("search")).unwrap();
    writer.commit(&positions()).unwrap();
    drop((writer, reader));
    fs::write(folder.path().join("search/.tantivy-writer.lock"), "").unwrap();
    let (mut writer, _reader) = open_embedded(&folder.path().join("search")).unwrap();
    assert_eq!(writer.positions().unwrap(), positions());
}
