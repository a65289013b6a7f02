//! When units of a batch are wrong: the first wrong one of a shard is the culprit, what was before
//! it stands, what came after it is dropped, and other shards do not notice.

use crate::StoreError;
use crate::journal::testing::{Store, row, shard, told};
use crate::row_changes::RowChange;
use crate::unit::{Fate, Unit};

const X: u128 = 1;
const Y: u128 = 2;

fn update(key: u128, from: u64) -> RowChange {
    row(key, from + 1).update_from(from)
}

/// Values that no column of an outbox or entity can hold.
fn unwritable(key: u128, from: u64) -> RowChange {
    let mut change = update(key, from);
    change.values[0] = sea_orm::Value::Double(Some(1.5));
    change
}

impl Store {
    async fn with_rows() -> Self {
        let mut store = Store::open("").await;
        for key in [X, Y] {
            let unit = store.unit(shard(1), vec![row(key, 1).insert()]);
            assert_eq!(told(&[store.fate(unit).await]), "+");
        }
        store
    }

    fn changes(&mut self, changes: Vec<RowChange>) -> Vec<Unit> {
        let of_shard_1 = |change| self.unit(shard(1), vec![change]);
        changes.into_iter().map(of_shard_1).collect()
    }

    async fn version(&self, key: u128) -> i64 {
        let id = uuid::Uuid::from_u128(key).simple();
        self.number(&format!(
            "SELECT version FROM parked_messages WHERE message_id = x'{id}'"
        ))
        .await
    }
}

#[tokio::test]
async fn many_updates_of_one_row_in_a_batch_leave_the_last_state() {
    let mut store = Store::with_rows().await;
    let units = store.changes(vec![update(X, 1), update(X, 2), update(Y, 1), update(X, 3)]);
    assert_eq!(told(&store.in_one_batch(units).await), "++++");
    assert_eq!((store.version(X).await, store.version(Y).await), (4, 2));
    store.close().await;
}

#[tokio::test]
async fn the_unit_with_the_wrong_version_is_the_culprit_and_not_the_last_that_built_on_it() {
    let mut store = Store::with_rows().await;
    let mut units = store.changes(vec![update(Y, 1), update(X, 7), update(X, 8), update(X, 9)]);
    units.push(store.unit(shard(2), vec![row(3, 1).insert()]));

    let fates = store.in_one_batch(units).await;
    assert_eq!(told(&fates), "+!--+");
    assert!(
        matches!(&fates[1], Fate::Culprit(error)
            if matches!(**error, StoreError::VersionConflict { expected: 7, .. })),
        "{fates:?}"
    );
    assert_eq!((store.version(X).await, store.version(Y).await), (1, 2));
    store.close().await;
}

#[tokio::test]
async fn an_update_that_does_not_follow_on_the_one_before_it_in_its_batch_is_found() {
    let mut store = Store::with_rows().await;
    let units = store.changes(vec![update(X, 1), update(X, 2), update(X, 2), update(X, 3)]);
    assert_eq!(told(&store.in_one_batch(units).await), "++!-");
    assert_eq!(store.version(X).await, 3);

    store.claim(shard(1)).await;
    let units = store.changes(vec![update(X, 3), update(X, 9), update(X, 4)]);
    assert_eq!(told(&store.in_one_batch(units).await), "+!-");
    assert_eq!(store.version(X).await, 4);
    store.close().await;
}

#[tokio::test]
async fn values_that_cannot_be_written_are_the_fault_of_the_unit_they_come_from() {
    let mut store = Store::with_rows().await;
    let mut units = store.changes(vec![update(X, 1), update(X, 2), unwritable(X, 3)]);
    units.extend(store.changes(vec![update(Y, 1)]));
    assert_eq!(told(&store.in_one_batch(units).await), "++!-");
    assert_eq!((store.version(X).await, store.version(Y).await), (3, 1));
    store.close().await;
}

#[tokio::test]
async fn only_the_first_of_several_culprits_of_a_shard_is_named() {
    let mut store = Store::with_rows().await;
    let conflict = row(X, 1).insert();
    let units = store.changes(vec![update(Y, 1), update(X, 7), conflict, unwritable(Y, 2)]);
    assert_eq!(told(&store.in_one_batch(units).await), "+!--");

    store.claim(shard(1)).await;
    // Found from behind: the values of the last are the first to be written.
    let units = store.changes(vec![update(X, 1), unwritable(X, 2), unwritable(X, 3)]);
    assert_eq!(told(&store.in_one_batch(units).await), "+!-");
    store.close().await;
}

#[tokio::test]
async fn a_unit_of_another_epoch_and_those_behind_it_are_dropped_without_blame() {
    let mut store = Store::with_rows().await;
    let mut units = store.changes(vec![update(X, 1), update(X, 2), update(X, 3)]);
    units[1].epoch += 1;
    assert_eq!(told(&store.in_one_batch(units).await), "+--");
    store.close().await;
}
