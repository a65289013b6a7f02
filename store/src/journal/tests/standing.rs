//! The store stands still: another process holds its lock, or the disk is full. Everyone is
//! answered soon, it shows from outside, and afterwards nothing is left to do by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use sagas::{ShardId, Timestamp};

use crate::StoreError;
use crate::faults::Faults;
use crate::journal::commit_store::{Batch, Failure, Prune};
use crate::journal::sqlite::SqliteStore;
use crate::journal::testing::{SHARDS, Store, embedded, shard, told};
use crate::journal::{Claim, CommitStore, Patience, Pruned, Standing, StoreAnswer};
use crate::testing::{BOOKINGS, Ground};
use crate::unit::{Fate, Unit};

impl Store {
    /// Another process that writes.
    fn other(&self) -> Connection {
        Connection::open(self.folder.path().join("bookings.db")).unwrap()
    }

    pub(super) async fn until(
        &self,
        wanted: impl Fn(&Option<Standing>) -> bool,
    ) -> Option<Standing> {
        loop {
            let standing = self.journal.standing();
            if wanted(&standing) {
                return standing;
            }
            tokio::task::yield_now().await;
        }
    }

    fn large(&mut self, shard: ShardId, key: u128) -> Unit {
        let mut unit = self.inserting(shard, key);
        let text = sea_orm::Value::String(Some("x".repeat(100_000)));
        let body = unit.rows[0]
            .values
            .iter_mut()
            .find(|value| matches!(value, sea_orm::Value::String(Some(text)) if *text == "{}"));
        *body.unwrap() = text;
        unit
    }
}

fn is_closed(fate: &Fate) -> bool {
    matches!(fate, Fate::Dropped(error) if matches!(**error, StoreError::Closed { .. }))
}

#[tokio::test]
async fn a_store_locked_by_another_process_is_seen_and_everyone_is_answered() {
    let mut store = Store::open("").await;
    let other = store.other();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let waiting = store.inserting(shard(1), 1);
    let waiting = store.submit(waiting);
    let standing = store.until(Option::is_some).await.unwrap();
    assert!(standing.cause.contains("locked"), "{}", standing.cause);
    let fate = waiting.await.unwrap();
    assert!(
        matches!(&fate, Fate::Dropped(error) if error.is_transient()),
        "{fate:?}"
    );

    // All shards reload at once.
    for number in 0..SHARDS {
        let claimed = store
            .journal
            .claim(shard(number), "test", None)
            .await
            .unwrap_err();
        assert!(claimed.is_transient(), "{claimed}");
    }
    let now = Timestamp::from_micros(i64::MAX);
    store.journal.prune(shard(2), 1, now).await.unwrap();
    assert!(store.journal.standing().is_some());

    // Nobody asks for anything any more, and yet it is seen that it is over.
    other.execute_batch("ROLLBACK").unwrap();
    store.until(Option::is_none).await;

    store.claim(shard(1)).await;
    let unit = store.inserting(shard(1), 1);
    assert_eq!(told(&[store.fate(unit).await]), "+");
    store.close().await;
}

#[tokio::test]
async fn a_journal_closes_while_another_process_holds_the_lock() {
    let mut store = Store::open("").await;
    let other = store.other();
    let open = store.hold().await;
    let mut fates = Vec::new();

    for number in 1..4 {
        let unit = store.inserting(shard(number), 1);
        fates.push(store.submit(unit));
    }
    let journal = store.journal.clone();
    let claimed = tokio::spawn(async move { journal.claim(shard(1), "test", None).await });
    tokio::task::yield_now().await;

    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    open.send(()).unwrap();
    store.journal.close().await;

    for fate in fates {
        let fate = fate.await.unwrap();
        assert!(is_closed(&fate), "{fate:?}");
    }
    claimed.await.unwrap().unwrap_err();
    other.execute_batch("ROLLBACK").unwrap();
    store.database.close().await;
}

#[tokio::test]
async fn what_was_submitted_is_committed_before_the_journal_closes() {
    let mut store = Store::open("").await;
    let open = store.hold().await;
    let unit = store.inserting(shard(1), 1);
    let fate = store.submit(unit);
    let journal = store.journal.clone();
    let closed = tokio::spawn(async move { journal.close().await });
    tokio::task::yield_now().await;
    open.send(()).unwrap();
    assert_eq!(told(&[fate.await.unwrap()]), "+");
    closed.await.unwrap();
    store.database.close().await;
}

#[tokio::test]
async fn what_comes_while_the_journal_closes_is_refused() {
    let mut store = Store::open("").await;
    let open = store.hold().await;
    let journal = store.journal.clone();
    let closed = tokio::spawn(async move { journal.close().await });
    tokio::task::yield_now().await;

    // The thread takes it along with the word that it is to close.
    let unit = store.inserting(shard(1), 1);
    let fate = store.submit(unit);
    open.send(()).unwrap();

    let fate = fate.await.unwrap();
    assert!(is_closed(&fate), "{fate:?}");
    closed.await.unwrap();
    store.database.close().await;
}

/// A real commit store on a disk that can be full.
struct Disk {
    store: SqliteStore,
    is_full: Arc<AtomicBool>,
}

impl Disk {
    fn store(&mut self) -> &mut SqliteStore {
        let full = self.is_full.load(Ordering::SeqCst);
        // A limit below what there is becomes what there is.
        self.store.limit(if full { 1 } else { u32::MAX >> 1 });
        &mut self.store
    }
}

impl CommitStore for Disk {
    fn place(&self) -> String {
        self.store.place()
    }

    fn claim<'a>(
        &'a mut self,
        shard: ShardId,
        owner: &'a str,
        held: Option<u64>,
        p: &'a Patience,
    ) -> StoreAnswer<'a, Claim> {
        self.store().claim(shard, owner, held, p)
    }

    fn write<'a>(
        &'a mut self,
        batch: &'a Batch<'a>,
        p: &'a Patience,
    ) -> StoreAnswer<'a, (), Failure> {
        self.store().write(batch, p)
    }

    fn happened<'a>(&'a mut self, p: &'a Patience) -> StoreAnswer<'a, bool> {
        self.store().happened(p)
    }

    fn prune<'a>(&'a mut self, prune: &'a Prune, p: &'a Patience) -> StoreAnswer<'a, Pruned> {
        self.store().prune(prune, p)
    }

    fn recover(&mut self) -> StoreAnswer<'_, ()> {
        self.store().recover()
    }
}

#[tokio::test]
async fn a_full_disk_is_seen_and_loses_only_what_was_never_confirmed() {
    let folder = Ground::folder();
    let file = folder.path().join("bookings.db");
    let is_full = Arc::new(AtomicBool::new(false));
    let disk = Arc::clone(&is_full);

    let around = move |_| -> Box<dyn CommitStore> {
        let store = SqliteStore::open(BOOKINGS, &file, Faults::default()).unwrap();
        Box::new(Disk {
            store,
            is_full: disk,
        })
    };
    let mut store = Store::open_on(folder, "", around, embedded).await;

    let unit = store.large(shard(1), 1);
    assert_eq!(told(&[store.fate(unit).await]), "+");
    is_full.store(true, Ordering::SeqCst);

    let unit = store.large(shard(1), 2);
    let fate = store.fate(unit).await;
    assert!(
        matches!(&fate, Fate::Dropped(error) if error.is_transient()),
        "{fate:?}"
    );
    let standing = store.until(Option::is_some).await.unwrap();
    assert!(standing.cause.contains("full"), "{}", standing.cause);

    is_full.store(false, Ordering::SeqCst);
    store.until(Option::is_none).await;
    store.claim(shard(1)).await;
    let unit = store.large(shard(1), 2);
    assert_eq!(told(&[store.fate(unit).await]), "+");
    assert_eq!(
        store.number("SELECT count(*) FROM parked_messages").await,
        2
    );
    store.close().await;
}
