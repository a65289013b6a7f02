//! The history of an entity, wherever its events stand: in the index, behind it, or on both sides.

use std::path::Path;
use std::sync::Arc;

use sagas::Timestamp;
use sea_orm::{ConnectionTrait, DbBackend, QueryTrait, Statement};
use serde_json::value::RawValue;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::Journal;
use crate::faults::{FaultPlan, Faults};
use crate::journal::Claim;
use crate::log::embedded::EmbeddedLog;
use crate::snapshot::{IdRange, Snapshot};
use crate::testing::{BOOKINGS_SCHEMA, ROOMS, ROOMS_SCHEMA};
use crate::unit::{Fate, Outgoing, OutgoingEvent, Unit};

const SHARD: ShardId = ShardId::new(ROOMS, 0);
/// Enough for several pieces of the index, and a rest.
const EVENTS: u64 = 5_000;

struct Shop {
    database: ServiceDatabase,
    journal: Journal,
    claim: Claim,
}

impl Shop {
    async fn open(folder: &Path, faults: &str) -> Self {
        let faults = Faults::new(faults.parse::<FaultPlan>().unwrap());
        let database = ServiceDatabase::open_embedded(ROOMS_SCHEMA, folder, 1)
            .await
            .unwrap();
        let log = Arc::new(EmbeddedLog::new(vec![database.clone()], 1, faults.clone()));
        let journal = Journal::start(&database, log, faults, 1).await.unwrap();
        let claim = journal.claim(SHARD, "test", None).await.unwrap();
        Shop {
            database,
            journal,
            claim,
        }
    }

    async fn close(self) {
        self.journal.close().await;
        self.database.close().await;
    }

    /// The next event of an entity; true when it is durable.
    async fn event(&mut self, entity: Uuid, version: u64) -> bool {
        let (sender, fate) = oneshot::channel();
        let body = Arc::from(RawValue::from_string("{}".to_owned()).unwrap());

        let outgoing = Outgoing {
            first_sequence: self.claim.next_sequence,
            entity,
            first_version: version,
            correlation_id: entity,
            time: Timestamp::from_micros(i64::try_from(version).unwrap()),
            events: vec![OutgoingEvent {
                name: "test.happened",
                type_version: 1,
                body,
            }],
            messages: Vec::new(),
        };

        let unit = Unit {
            shard: SHARD,
            epoch: self.claim.epoch,
            ticket: self.claim.next_sequence,
            rows: Vec::new(),
            position: None,
            timer: None,
            completion: Box::new(move |fate| drop(sender.send(fate))),
            outgoing: Some(outgoing),
        };
        self.journal.submit(unit);

        match fate.await.unwrap() {
            Fate::Durable => {
                self.claim.next_sequence += 1;
                true
            }
            _ => {
                self.claim = self.journal.claim(SHARD, "test", None).await.unwrap();
                false
            }
        }
    }

    async fn versions(&self, entity: Uuid, from: u64, limit: usize) -> Vec<u64> {
        let events = events(&self.database, SHARD, entity, from, limit)
            .await
            .unwrap();
        events.iter().map(|message| message.version).collect()
    }

    async fn count(&self, sql: &str) -> i64 {
        let statement = Statement::from_string(DbBackend::Sqlite, sql);
        let row = self
            .database
            .read
            .query_one_raw(statement)
            .await
            .unwrap()
            .unwrap();
        row.try_get_by_index(0).unwrap()
    }

    /// Each entity's history is whole, from any version on, and the auditor sees the same.
    async fn check(&self, entities: &[(Uuid, u64)]) {
        for (entity, newest) in entities {
            let all: Vec<u64> = (1..=*newest).collect();
            assert_eq!(self.versions(*entity, 1, 100_000).await, all);
            for from in [2, newest / 2, newest - 1, *newest, newest + 1] {
                let expected: Vec<u64> = (from..=*newest).take(10).collect();
                assert_eq!(
                    self.versions(*entity, from, 10).await,
                    expected,
                    "from {from} of {newest}"
                );
            }
            assert_eq!(
                newest_version(&self.database, SHARD, *entity)
                    .await
                    .unwrap(),
                *newest
            );
            let middle = Timestamp::from_micros(i64::try_from(newest / 2).unwrap());
            assert_eq!(
                version_at(&self.database, SHARD, *entity, middle)
                    .await
                    .unwrap(),
                newest / 2
            );
        }

        let snapshot = Snapshot::begin(&self.database).await.unwrap();
        let mut after = None;
        let mut seen = Vec::new();

        loop {
            let page = snapshot
                .events(IdRange::default(), after, 700)
                .await
                .unwrap();
            let page: Vec<_> = page.into_iter().map(Result::unwrap).collect();
            let Some(last) = page.last() else { break };
            after = Some(last.place());
            seen.extend(
                page.iter()
                    .map(|unit| (unit.entity, u64::try_from(unit.version).unwrap())),
            );
        }

        snapshot.end().await.unwrap();

        let all: Vec<_> = entities
            .iter()
            .flat_map(|(id, newest)| (1..=*newest).map(|version| (*id, version)))
            .collect();
        assert_eq!(seen, all);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_whole_on_both_sides_of_the_end_of_its_index() {
    let folder = TempDir::new().unwrap();
    let mut shop = Shop::open(folder.path(), "").await;
    // One has events all along, the others early or late ones only.
    let (all_along, early, late) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));

    let mut versions = [(all_along, 0), (early, 0), (late, 0)];

    for number in 0..EVENTS {
        let which = match number {
            _ if number % 2 == 0 => 0,
            _ if number < EVENTS / 2 => 1,
            _ => 2,
        };
        let (entity, version) = &mut versions[which];
        *version += 1;
        assert!(shop.event(*entity, *version).await);
    }

    let indexed = shop.count("SELECT count(*) FROM history_index").await;
    assert!(
        indexed >= i64::try_from(EVENTS / 2).unwrap() && indexed < i64::try_from(EVENTS).unwrap(),
        "{indexed}"
    );

    shop.check(&versions).await;

    shop.close().await;
    // Whoever takes the shard over goes on where the index is.
    let mut shop = Shop::open(folder.path(), "").await;

    shop.check(&versions).await;

    for _ in 0..EVENTS {
        versions[2].1 += 1;
        assert!(shop.event(late, versions[2].1).await);
    }

    shop.check(&versions).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_of_the_index_goes_with_its_commit_or_not_at_all() {
    let folder = TempDir::new().unwrap();
    let mut shop = Shop::open(folder.path(), "fail-commit=3").await;
    let entity = Uuid::from_u128(7);

    let mut version = 0;
    while version < EVENTS {
        if shop.event(entity, version + 1).await {
            version += 1;
        }
    }

    let behind = "SELECT count(*) FROM outbox o JOIN shards s ON s.shard = o.shard \
        WHERE o.sequence > s.indexed";

    let indexed = shop.count("SELECT count(*) FROM history_index").await;
    assert_eq!(
        indexed + shop.count(behind).await,
        i64::try_from(EVENTS).unwrap()
    );

    shop.check(&[(entity, EVENTS)]).await;
    shop.close().await;
}

#[tokio::test]
async fn one_history_is_found_without_a_walk_over_the_outbox() {
    let folder = TempDir::new().unwrap();
    let database = ServiceDatabase::open_embedded(BOOKINGS_SCHEMA, folder.path(), 1)
        .await
        .unwrap();

    let query = rows_of(SHARD, Uuid::nil())
        .filter(history::Column::Version.gt(0))
        .order_by_asc(history::Column::Version);
    let mut explained = query.limit(10).build(DbBackend::Sqlite);
    explained.sql = format!("EXPLAIN QUERY PLAN {}", explained.sql);

    let rows = database.read.query_all_raw(explained).await.unwrap();
    let plan: Vec<String> = rows
        .iter()
        .map(|row| row.try_get("", "detail").unwrap())
        .collect();
    assert!(plan.iter().all(|step| !step.contains("SCAN")), "{plan:#?}");

    assert!(
        plan.iter()
            .any(|step| step.contains("entity_id=? AND version>?")),
        "{plan:#?}"
    );

    assert!(
        plan.iter().any(|step| step.contains("sequence>?")),
        "{plan:#?}"
    );

    database.close().await;
}
