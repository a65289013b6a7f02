//! What tests of the journal share: units, rows, and a database with its journal.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};

use sagas::{ShardId, Timestamp};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::standing::Watch;
use super::{Claim, CommitStore, Journal, Patience};
use crate::ServiceDatabase;
use crate::faults::{FaultPlan, Faults};
use crate::log::embedded::EmbeddedLog;
use crate::log::{Log, Publisher};
use crate::row_changes::{Journaled, RowChange};
use crate::tables::parked;
use crate::testing::{BOOKINGS, BOOKINGS_SCHEMA, Ground};
use crate::threads::OwnThreads;
use crate::unit::{Fate, Outgoing, OutgoingEvent, OutgoingMessage, Unit};

/// Shards of the service.
pub const SHARDS: u16 = 4;

/// The shards that units are written for.
pub const fn shard(number: u16) -> ShardId {
    ShardId::new(BOOKINGS, number)
}

/// A unit that writes nothing, and whose fate nobody waits for.
pub fn unit(shard: ShardId, epoch: u64, ticket: u64) -> Unit {
    Unit {
        shard,
        epoch,
        ticket,
        rows: Vec::new(),
        outgoing: None,
        position: None,
        timer: None,
        completion: Box::new(drop),
    }
}

/// A row with a version, as any entity has one.
pub struct Row(parked::Model);

/// At this version.
pub fn row(key: u128, version: u64) -> Row {
    Row(parked::Model {
        message_id: Uuid::from_u128(key),
        shard: 0,
        entity_id: Uuid::nil(),
        place: 0,
        source_service: "bookings".to_owned(),
        source_shard: 0,
        source_sequence: 0,
        name: "test".to_owned(),
        type_version: 1,
        correlation_id: Uuid::nil(),
        saga_id: None,
        saga_step: None,
        saga_attempt: None,
        time: 0,
        body: "{}".to_owned(),
        attempts: 0,
        state: "WAITING".to_owned(),
        cause: None,
        next_attempt_at: None,
        parked_at: 0,
        version: i64::try_from(version).unwrap(),
    })
}

impl Row {
    /// Whatever is there.
    pub fn replace(&self) -> RowChange {
        self.0.clone().replace()
    }

    /// Where none is there.
    pub fn insert(&self) -> RowChange {
        self.0.clone().insert()
    }

    /// Where it is at this version.
    pub fn update_from(&self, version: u64) -> RowChange {
        self.0.clone().update(version)
    }

    /// Where it is there.
    pub fn delete(&self) -> RowChange {
        parked::Model::delete(self.0.message_id)
    }
}

/// A log, and its writing side.
pub type Logs = (Arc<dyn Log>, Arc<dyn Publisher>);

/// The outbox of a database as a log.
pub fn embedded(database: &ServiceDatabase, faults: Faults) -> Logs {
    let log = Arc::new(EmbeddedLog::new(vec![database.clone()], SHARDS, faults));
    (log.clone(), log)
}

/// A service as the store has it: its database and journal, and all its shards taken over.
pub struct Store {
    /// Which its readers read.
    pub database: ServiceDatabase,
    /// Which alone writes it.
    pub journal: Journal,
    /// Which carries what is committed.
    pub log: Arc<dyn Log>,
    /// As the shards were taken over last; sequences go on behind what was made for them.
    pub claims: BTreeMap<ShardId, Claim>,
    /// What it stands on.
    pub folder: Arc<Ground>,
    ticket: u64,
}

impl Store {
    /// In a folder of its own, with its outbox as the log. The faults are written as in the
    /// settings.
    pub async fn open(faults: &str) -> Self {
        Self::open_in(Ground::folder(), faults).await
    }

    /// On this ground, with its outbox as the log.
    pub async fn open_in(folder: Arc<Ground>, faults: &str) -> Self {
        Self::open_on(folder, faults, |store| store, embedded).await
    }

    /// Opens it with something put around its commit store, and with a log of any kind.
    pub async fn open_on(
        folder: Arc<Ground>,
        faults: &str,
        around_store: impl FnOnce(Box<dyn CommitStore>) -> Box<dyn CommitStore>,
        make_log: impl FnOnce(&ServiceDatabase, Faults) -> Logs,
    ) -> Self {
        let faults = Faults::new(faults.parse::<FaultPlan>().unwrap());
        let database = folder.open(BOOKINGS_SCHEMA, SHARDS).await.unwrap();

        let (log, publisher) = make_log(&database, faults.clone());
        let store = around_store(database.commit_store(faults).unwrap());
        let journal = Journal::start_on(
            store,
            BOOKINGS,
            publisher,
            SHARDS,
            Arc::new(OwnThreads::here()),
        )
        .unwrap();

        let mut store = Store {
            database,
            journal,
            log,
            claims: BTreeMap::new(),
            folder,
            ticket: 0,
        };

        for number in 0..SHARDS {
            store.claim(shard(number)).await;
        }

        store
    }

    /// Takes a shard over once more.
    pub async fn claim(&mut self, shard: ShardId) {
        let claim = self.journal.claim(shard, "test", None).await.unwrap();
        self.claims.insert(shard, claim);
    }

    /// Closes it and gives its folder back.
    pub async fn close(self) -> Arc<Ground> {
        self.journal.close().await;
        self.database.close().await;
        self.folder
    }

    /// A unit of a shard at the epoch it is held at.
    pub fn unit(&mut self, shard: ShardId, rows: Vec<RowChange>) -> Unit {
        self.ticket += 1;
        let epoch = self.claims[&shard].epoch;
        Unit {
            rows,
            ..unit(shard, epoch, self.ticket)
        }
    }

    /// A unit with an event of an entity and a command to each of the shards.
    pub fn sending(&mut self, from: ShardId, version: u64, to: &[ShardId]) -> Unit {
        let claim = self.claims.get_mut(&from).unwrap();
        let outgoing = outgoing(claim.next_sequence, version, to);
        claim.next_sequence += outgoing.count();

        Unit {
            outgoing: Some(outgoing),
            ..self.unit(from, Vec::new())
        }
    }

    /// A unit that inserts a row.
    pub fn inserting(&mut self, shard: ShardId, key: u128) -> Unit {
        self.unit(shard, vec![row(key, 1).insert()])
    }

    /// Submits a unit and waits for its fate.
    pub async fn fate(&self, unit: Unit) -> Fate {
        self.submit(unit).await.unwrap()
    }

    /// Submits a unit, whose fate comes in its time.
    pub fn submit(&self, mut unit: Unit) -> oneshot::Receiver<Fate> {
        let (told, fate) = oneshot::channel();
        unit.completion = Box::new(move |fate| drop(told.send(fate)));
        self.journal.submit(unit);
        fate
    }

    /// Submits units while the journal's thread is held up, so that they make one batch.
    pub async fn in_one_batch(&mut self, units: Vec<Unit>) -> Vec<Fate> {
        let open = self.hold().await;
        let fates: Vec<_> = units.into_iter().map(|unit| self.submit(unit)).collect();
        open.send(()).unwrap();

        let mut told = Vec::new();
        for fate in fates {
            told.push(fate.await.unwrap());
        }
        told
    }

    /// Holds the journal's thread up until the sender speaks, or has gone.
    pub async fn hold(&mut self) -> mpsc::Sender<()> {
        let (arrived, arrival) = oneshot::channel();
        let (open, opened) = mpsc::channel();

        let mut gate = self.unit(shard(0), Vec::new());
        gate.completion = Box::new(move |_| {
            arrived.send(()).unwrap();
            let _ = opened.recv();
        });

        self.journal.submit(gate);
        arrival.await.unwrap();
        open
    }

    /// The number that a query gives.
    pub async fn number(&self, sql: &str) -> i64 {
        let connection = &self.database.read;
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        let row = connection.query_one_raw(statement).await.unwrap();
        row.unwrap().try_get_by_index(0).unwrap()
    }
}

/// For a call that is not the journal's.
pub fn patience() -> Patience {
    Watch::new(BOOKINGS, "a test".to_owned()).begin("a test")
}

/// `+` durable, `-` dropped, `!` culprit.
pub fn told(fates: &[Fate]) -> String {
    fates
        .iter()
        .map(|fate| match fate {
            Fate::Durable => '+',
            Fate::Dropped(_) => '-',
            Fate::Culprit(_) => '!',
        })
        .collect()
}

/// An event of an entity and a command to each of the shards.
pub fn outgoing(first_sequence: u64, version: u64, to: &[ShardId]) -> Outgoing {
    let body: Arc<RawValue> = Arc::from(RawValue::from_string("{}".to_owned()).unwrap());
    let command = |destination: &ShardId| OutgoingMessage {
        destination: *destination,
        entity: Uuid::from_u128(9),
        name: "test.do",
        type_version: 1,
        attempt: None,
        body: Arc::clone(&body),
    };

    Outgoing {
        first_sequence,
        entity: Uuid::from_u128(7),
        first_version: version,
        correlation_id: Uuid::from_u128(8),
        time: Timestamp::from_micros(i64::try_from(first_sequence).unwrap()),
        events: vec![OutgoingEvent {
            name: "test.happened",
            type_version: 1,
            body: Arc::clone(&body),
        }],
        messages: to.iter().map(command).collect(),
    }
}
