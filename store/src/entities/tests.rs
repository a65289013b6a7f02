//! What a service may rely on when it keeps its entities as JSON, tried on a journal and a file.

use std::path::Path;

use sagas::{RequestKey, SagaId, ShardId};
use sea_orm::ConnectionTrait;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::database::{Use, connect};
use crate::faults::Faults;
use crate::journal::Journal;
use crate::log::embedded::EmbeddedLog;
use crate::mapping::RememberedKey;
use crate::row_changes::{Journaled, RowChange};
use crate::testing::{ROOMS, ROOMS_SCHEMA};
use crate::unit::{Fate, Unit};

const SHARD: ShardId = ShardId::new(ROOMS, 0);

sagas::entity_id!(
    /// Identifies a room.
    RoomId
);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Room {
    guests: Vec<String>,
}

/// A service that has nothing but the mechanism's tables.
struct Rooms {
    database: ServiceDatabase,
    journal: Journal,
    epoch: u64,
    tickets: u64,
}

impl Rooms {
    async fn open(folder: &Path) -> Self {
        let database = ServiceDatabase::open_embedded(ROOMS_SCHEMA, folder, 1)
            .await
            .unwrap();
        let log = EmbeddedLog::new(vec![database.clone()], 1, Faults::default());
        let store = database.commit_store(Faults::default()).unwrap();
        let journal = {
            let threads = std::sync::Arc::new(crate::threads::OwnThreads::here());
            Journal::start_on(store, ROOMS, std::sync::Arc::new(log), 1, threads).unwrap()
        };

        let mut rooms = Rooms {
            database,
            journal,
            epoch: 0,
            tickets: 0,
        };
        rooms.claim().await;
        rooms
    }

    /// As an owner does at its start, and after a unit of its shard was refused.
    async fn claim(&mut self) {
        self.epoch = self.journal.claim(SHARD, "test", None).await.unwrap().epoch;
    }

    async fn write(&mut self, row: RowChange) -> Fate {
        let (told, fate) = oneshot::channel();
        self.tickets += 1;
        self.journal.submit(Unit {
            shard: SHARD,
            epoch: self.epoch,
            ticket: self.tickets,
            rows: vec![row],
            outgoing: None,
            position: None,
            timer: None,
            completion: Box::new(move |fate| drop(told.send(fate))),
        });
        fate.await.unwrap()
    }

    async fn load(&self, ids: &[Uuid]) -> Found<Uuid, Stored<Versioned<Room>>> {
        load(&self.database, ids).await.unwrap()
    }

    async fn close(self) {
        self.journal.close().await;
        self.database.close().await;
    }
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// A room with one guest for each version.
fn room(version: u64) -> Stored<Versioned<Room>> {
    let time = |version: u64| Timestamp::from_micros(i64::try_from(version).unwrap());

    Stored {
        entity: Versioned {
            state: Room {
                guests: (0..version).map(|guest| guest.to_string()).collect(),
            },
            version,
            created_at: time(1),
            updated_at: time(version),
        },
        created_by: None,
        remembered: Vec::new(),
    }
}

fn row(number: u128, version: u64) -> entity::Model {
    to_row(id(number), &room(version)).unwrap()
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let fingerprint = Fingerprint::of(b"a request");
    let mut written = room(1);
    written.created_by = Some(fingerprint);

    let mut rooms = Rooms::open(folder.path()).await;
    let inserted = to_row(id(1), &written).unwrap().insert();
    assert!(matches!(rooms.write(inserted).await, Fate::Durable));

    written.entity = room(2).entity;
    written.remembered = vec![RememberedKey {
        key: RequestKey::new("POST /rooms/1/guests", "k").as_uuid(),
        fingerprint,
        saga: Some(SagaId(Uuid::from_u128(7))),
        waited_until: Some(Timestamp::from_micros(9)),
    }];
    let updated = to_row(id(1), &written).unwrap().update(1);
    assert!(matches!(rooms.write(updated).await, Fate::Durable));
    rooms.close().await;

    let rooms = Rooms::open(folder.path()).await;
    let mut found = rooms.load(&[id(1), id(2)]).await;
    assert_eq!(found.remove(&id(1)).unwrap().unwrap(), written);
    assert!(found.is_empty(), "what does not exist is not there");
}

#[tokio::test]
async fn an_update_of_a_version_that_is_not_there_writes_nothing() {
    let folder = TempDir::new().unwrap();
    let mut rooms = Rooms::open(folder.path()).await;
    assert!(matches!(
        rooms.write(row(1, 1).insert()).await,
        Fate::Durable
    ));
    assert!(matches!(
        rooms.write(row(1, 2).update(1)).await,
        Fate::Durable
    ));

    for stale in [row(1, 2).update(1), row(1, 4).update(3)] {
        let Fate::Culprit(error) = rooms.write(stale).await else {
            panic!("it is written");
        };
        let expected =
            matches!(&*error, StoreError::VersionConflict { table, .. } if *table == "entities");
        assert!(expected, "{error}");
        rooms.claim().await;
    }

    let found = rooms.load(&[id(1)]).await;
    let Ok(stored) = &found[&id(1)] else {
        panic!("it cannot be read");
    };
    assert_eq!(stored.entity, room(2).entity);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_stops_only_itself() {
    let folder = TempDir::new().unwrap();
    let mut rooms = Rooms::open(folder.path()).await;
    let all: Vec<Uuid> = (1..=6).map(id).collect();
    for number in 1..=6 {
        let fate = rooms.write(row(number, 1).insert()).await;
        assert!(matches!(fate, Fate::Durable));
    }

    let damaging = connect(rooms.database.file(), Use::Write).await.unwrap();
    // A state that this release does not know, one that is no JSON, a version that none has, and
    // values of another kind, which no driver turns into a row.
    for (number, damage) in [
        (1, "state = '{\"doors\": 2}'"),
        (2, "state = '{'"),
        (3, "version = 0"),
        (4, "state = x'fffe'"),
        (5, "version = 'many'"),
    ] {
        let key = id(number).simple();
        let sql = format!("UPDATE entities SET {damage} WHERE hex(entity_id) = upper('{key}')");
        let damaged = damaging.execute_unprepared(&sql).await.unwrap();
        assert_eq!(damaged.rows_affected(), 1, "{damage}");
    }

    let found = rooms.load(&all).await;
    let readable: Vec<_> = all.iter().filter(|id| found[id].is_ok()).collect();
    assert_eq!(readable, [&id(6)]);
    for number in 1..=5 {
        let error = found[&id(number)].as_ref().unwrap_err().chain();
        assert!(error.contains(&id(number).to_string()), "{error}");
    }
}
