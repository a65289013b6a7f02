//! The journal's thread panics, or what it calls does: everyone is answered, nothing is done twice,
//! and it goes on, or ends loudly.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use futures_util::FutureExt;
use sagas::{ShardId, Timestamp};

use crate::journal::commit_store::{Batch, Failure, Prune};
use crate::journal::testing::{Store, embedded, shard, told};
use crate::journal::{Claim, CommitStore, Patience, Pruned, StoreAnswer};
use crate::log::{Heads, Message, Publisher};
use crate::testing::Ground;
use crate::unit::Fate;
use crate::{Destination, StoreError};

/// Where something goes wrong, next time.
#[derive(Debug, Default)]
struct Traps {
    claim: AtomicBool,
    prune: AtomicBool,
    /// The batch is written, and then nobody knows.
    unknown: AtomicBool,
    happened: AtomicBool,
    /// The same question panics.
    asked: AtomicBool,
    /// What undoes a panic has no answer.
    recover: AtomicBool,
    /// How often it was undone.
    recovered: AtomicU32,
    publish: AtomicBool,
    acknowledged: AtomicBool,
}

fn spring(trap: &AtomicBool) -> bool {
    trap.swap(false, Ordering::SeqCst)
}

/// A real commit store with traps before it.
struct TrappedStore(Box<dyn CommitStore>, Arc<Traps>);

impl CommitStore for TrappedStore {
    fn place(&self) -> String {
        self.0.place()
    }

    fn claim<'a>(
        &'a mut self,
        shard: ShardId,
        owner: &'a str,
        held: Option<u64>,
        p: &'a Patience,
    ) -> StoreAnswer<'a, Claim> {
        assert!(!spring(&self.1.claim), "a trap");
        self.0.claim(shard, owner, held, p)
    }

    fn write<'a>(
        &'a mut self,
        batch: &'a Batch<'a>,
        p: &'a Patience,
    ) -> StoreAnswer<'a, (), Failure> {
        async {
            self.0.write(batch, p).await?;
            if self.1.unknown.load(Ordering::SeqCst) {
                return Err(Failure::Unknown(StoreError::Injected("the line is cut")));
            }
            Ok(())
        }
        .boxed_local()
    }

    fn happened<'a>(&'a mut self, p: &'a Patience) -> StoreAnswer<'a, bool> {
        assert!(!spring(&self.1.asked), "a trap");
        if spring(&self.1.happened) {
            return async { Err(StoreError::Injected("the line is still cut")) }.boxed_local();
        }
        self.0.happened(p)
    }

    fn prune<'a>(&'a mut self, prune: &'a Prune, p: &'a Patience) -> StoreAnswer<'a, Pruned> {
        assert!(!spring(&self.1.prune), "a trap");
        self.0.prune(prune, p)
    }

    fn recover(&mut self) -> StoreAnswer<'_, ()> {
        self.1.recovered.fetch_add(1, Ordering::SeqCst);
        if spring(&self.1.recover) {
            return std::future::pending().boxed_local();
        }
        self.0.recover()
    }
}

/// A real log with traps before it.
#[derive(Debug)]
struct TrappedLog(Arc<dyn Publisher>, Arc<Traps>);

impl Publisher for TrappedLog {
    fn restore(&self, source: ShardId, published: u64, heads: &Heads) {
        self.0.restore(source, published, heads);
    }

    fn publish(&self, messages: Vec<Message>) {
        assert!(!spring(&self.1.publish), "a trap");
        self.0.publish(messages);
    }

    fn acknowledged(&self, source: ShardId) -> Option<Heads> {
        assert!(!spring(&self.1.acknowledged), "a trap");
        self.0.acknowledged(source)
    }
}

impl Store {
    async fn with_traps() -> (Self, Arc<Traps>) {
        let traps = Arc::new(Traps::default());
        let (at_store, at_log) = (Arc::clone(&traps), Arc::clone(&traps));
        let store = Store::open_on(
            Ground::folder(),
            "",
            |store| Box::new(TrappedStore(store, at_store)),
            |database, faults| {
                let (log, publisher) = embedded(database, faults);
                (log, Arc::new(TrappedLog(publisher, at_log)))
            },
        );
        (store.await, traps)
    }

    /// The same unit twice is a conflict, so the number tells what has happened.
    async fn rows(&self) -> i64 {
        self.number("SELECT count(*) FROM parked_messages").await
    }
}

fn is_panicked(fate: &Fate) -> bool {
    matches!(fate, Fate::Dropped(error) if matches!(**error, StoreError::Panicked { .. }))
}

fn is_unknown(fate: &Fate) -> bool {
    matches!(fate, Fate::Dropped(error) if matches!(**error, StoreError::OutcomeUnknown { .. }))
}

#[tokio::test]
async fn a_panic_before_a_commit_drops_its_units_and_one_after_it_loses_none() {
    let mut store = Store::open("panic-journal=1").await;
    let to = shard(2);

    let units = vec![
        store.inserting(shard(1), 1),
        store.sending(shard(2), 1, &[to]),
    ];
    let fates = store.in_one_batch(units).await;
    assert!(fates.iter().all(is_panicked), "{fates:?}");
    assert_eq!(store.rows().await, 0);

    // Others of the epoch rest on what is gone.
    let late = store.inserting(shard(1), 2);
    assert_eq!(told(&[store.fate(late).await]), "-");

    for shard in [shard(1), shard(2)] {
        store.claim(shard).await;
    }
    let units = vec![
        store.inserting(shard(1), 1),
        store.sending(shard(2), 1, &[to]),
    ];
    assert_eq!(told(&store.in_one_batch(units).await), "++");
    assert_eq!(store.rows().await, 1);
    assert_eq!(store.log.head(shard(2), Destination::Shard(to)), 2);

    store.close().await;
}

#[tokio::test]
async fn a_journal_that_only_panics_ends_loudly_and_answers_everyone() {
    let mut store = Store::open("panic-journal=1").await;
    assert!(store.journal.standing().is_none());

    let failed = store.journal.clone();
    let failed = tokio::spawn(async move { failed.failed().await });

    for key in 0..20 {
        let unit = store.inserting(shard(1), key);
        if let Fate::Dropped(error) = store.fate(unit).await
            && matches!(*error, StoreError::Closed { .. })
        {
            break;
        }
        match store.journal.claim(shard(1), "test", None).await {
            Ok(claim) => drop(store.claims.insert(shard(1), claim)),
            Err(error) => assert!(matches!(error, StoreError::Closed { .. }), "{error}"),
        }
    }

    let standing = failed.await.unwrap();
    assert!(standing.cause.contains("panicked"), "{}", standing.cause);
    assert!(store.journal.standing().is_some());
    assert_eq!(store.rows().await, 2, "every second commit happened");

    let unit = store.inserting(shard(1), 100);
    assert_eq!(told(&[store.fate(unit).await]), "-");
    assert!(store.journal.claim(shard(1), "test", None).await.is_err());
    store.close().await;
}

#[tokio::test]
async fn a_completion_that_panics_harms_nobody_else() {
    let mut store = Store::open("").await;
    let open = store.hold().await;

    let first = store.inserting(shard(1), 1);
    let mut second = store.inserting(shard(1), 2);
    second.completion = Box::new(|_| panic!("a bug of a shard"));
    let third = store.inserting(shard(1), 3);

    let first = store.submit(first);
    store.journal.submit(second);
    let third = store.submit(third);
    open.send(()).unwrap();

    assert_eq!(told(&[first.await.unwrap(), third.await.unwrap()]), "++");
    let next = store.inserting(shard(1), 4);
    assert_eq!(told(&[store.fate(next).await]), "+");
    store.close().await;
}

#[tokio::test]
async fn a_claim_or_a_prune_that_panics_is_answered_and_can_be_repeated() {
    let (mut store, traps) = Store::with_traps().await;

    traps.claim.store(true, Ordering::SeqCst);
    let claimed = store
        .journal
        .claim(shard(1), "test", None)
        .await
        .unwrap_err();
    assert!(claimed.is_transient(), "{claimed}");
    store.claim(shard(1)).await;

    traps.prune.store(true, Ordering::SeqCst);
    let now = Timestamp::from_micros(0);
    let pruned = store.journal.prune(shard(1), 1, now).await.unwrap_err();
    assert!(pruned.is_transient(), "{pruned}");
    store.journal.prune(shard(1), 1, now).await.unwrap();

    let unit = store.inserting(shard(1), 1);
    assert_eq!(told(&[store.fate(unit).await]), "+");
    store.close().await;
}

#[tokio::test]
async fn what_was_durable_when_the_log_panicked_is_not_done_again_and_still_arrives() {
    let (mut store, traps) = Store::with_traps().await;
    let to = shard(2);

    traps.publish.store(true, Ordering::SeqCst);
    let unit = store.sending(shard(1), 1, &[to]);
    let fate = store.fate(unit).await;
    assert!(is_unknown(&fate), "{fate:?}");
    assert_eq!(store.log.head(shard(1), Destination::Shard(to)), 0);

    store.claim(shard(1)).await;
    assert_eq!(store.log.head(shard(1), Destination::Shard(to)), 2);
    assert_eq!(store.claims[&shard(1)].next_sequence, 3);
    store.close().await;
}

#[tokio::test]
async fn a_commit_of_unknown_outcome_is_asked_after() {
    let (mut store, traps) = Store::with_traps().await;
    traps.unknown.store(true, Ordering::SeqCst);

    let unit = store.sending(shard(1), 1, &[shard(2)]);
    assert_eq!(told(&[store.fate(unit).await]), "+");
    let to_shard_2 = Destination::Shard(shard(2));
    assert_eq!(store.log.head(shard(1), to_shard_2), 2);

    traps.happened.store(true, Ordering::SeqCst);
    let unit = store.inserting(shard(1), 1);
    let fate = store.fate(unit).await;
    assert!(is_unknown(&fate), "{fate:?}");
    assert_eq!(store.rows().await, 1);
    store.close().await;
}

#[tokio::test]
async fn a_panic_over_the_question_whether_a_commit_has_happened_is_undone_as_any_other() {
    let (mut store, traps) = Store::with_traps().await;
    traps.unknown.store(true, Ordering::SeqCst);
    traps.asked.store(true, Ordering::SeqCst);

    let unit = store.inserting(shard(1), 1);
    let fate = store.fate(unit).await;
    assert!(is_unknown(&fate), "{fate:?}");

    traps.unknown.store(false, Ordering::SeqCst);
    store.claim(shard(1)).await;
    assert_eq!(traps.recovered.load(Ordering::SeqCst), 1);
    store.close().await;
}

#[tokio::test]
async fn a_store_that_does_not_come_back_from_a_panic_stands_still_and_lets_the_journal_close() {
    let (store, traps) = Store::with_traps().await;
    traps.recover.store(true, Ordering::SeqCst);
    traps.claim.store(true, Ordering::SeqCst);
    let journal = store.journal.clone();
    let claimed = tokio::spawn(async move { journal.claim(shard(1), "test", None).await });

    let standing = store.until(Option::is_some).await.unwrap();
    assert!(standing.cause.contains("panic"), "{}", standing.cause);
    store.journal.close().await;
    claimed.abort();
    store.database.close().await;
}

#[tokio::test]
async fn a_thread_that_dies_answers_everyone_too() {
    let (mut store, traps) = Store::with_traps().await;
    let open = store.hold().await;

    let fate = {
        let unit = store.inserting(shard(1), 1);
        store.submit(unit)
    };
    traps.acknowledged.store(true, Ordering::SeqCst);
    let journal = store.journal.clone();
    let pruned = tokio::spawn(async move {
        let now = Timestamp::from_micros(0);
        journal.prune(shard(1), 1, now).await
    });
    open.send(()).unwrap();

    assert!(matches!(
        pruned.await.unwrap(),
        Err(StoreError::Closed { .. })
    ));
    // It was committed before, or went with the thread.
    drop(fate.await);
    store.journal.failed().await;
    let claimed = store.journal.claim(shard(1), "test", None).await;
    assert!(matches!(claimed, Err(StoreError::Closed { .. })));
    store.close().await;
}
