//! What is pruned, and what must not be, on real databases. The receivers' positions are written as
//! shards write them; nobody else is there.

use std::path::Path;

use domain::saga::SagaPolicy;
use domain::{CUSTOMERS, ORDERS};
use store::cluster::Alone;
use store::faults::Faults;
use store::log::embedded::EmbeddedLog;
use store::unit::{Fate, Outgoing, OutgoingMessage, Unit};
use tempfile::TempDir;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::*;

const SOURCE: ShardId = ShardId::new(ORDERS, 0);
const RECEIVER: ShardId = ShardId::new(CUSTOMERS, 0);
const OTHER: ShardId = ShardId::new(CUSTOMERS, 1);
/// Far beyond what one transaction looks at first.
const MANY: u64 = 20_000;

/// A node that keeps nothing for longer than it must.
struct Shop {
    housekeeper: Housekeeper,
    epochs: HashMap<ShardId, u64>,
    next: u64,
}

impl Shop {
    async fn start(folder: &Path) -> Self {
        let mut databases = Vec::new();
        for schema in store::services::SHOP {
            let database = ServiceDatabase::open_embedded(schema, folder, 2).await;
            databases.push(database.unwrap());
        }

        let log = Arc::new(EmbeddedLog::new(databases.clone(), 2, Faults::default()));
        let mut journals = Vec::new();
        for database in &databases {
            let journal = Journal::start(database, log.clone(), Faults::default(), 2).await;
            journals.push(journal.unwrap());
        }

        let parts = NodeParts {
            membership: Arc::new(Alone::with(
                databases.iter().map(|database| database.service),
                2,
            )),
            transport: None,
            databases,
            journals,
            log,
            clock: Clock::manual(Timestamp::from_micros(1_000_000)),
            faults: Faults::default(),
        };
        let config = NodeConfig {
            name: "test".into(),
            shards: 2,
            arbiters: 1,
            live_actors: 1,
            sagas: SagaPolicy::default(),
            retention: Duration::ZERO,
            ..NodeConfig::default()
        };

        Shop {
            housekeeper: Housekeeper::new(&config, &parts),
            epochs: HashMap::new(),
            next: 1,
        }
    }

    async fn stop(self) {
        for journal in &self.housekeeper.journals {
            journal.close().await;
        }
        for database in self.housekeeper.databases {
            database.close().await;
        }
    }

    fn journal(&self, shard: ShardId) -> &Journal {
        let databases = self.housekeeper.databases.iter();
        let place = databases
            .map(|database| database.service)
            .position(|s| s == shard.service);
        &self.housekeeper.journals[place.unwrap()]
    }

    async fn claim(&mut self, shard: ShardId) {
        let claim = self
            .journal(shard)
            .claim(shard, "test", None)
            .await
            .unwrap();
        self.epochs.insert(shard, claim.epoch);
        if shard == SOURCE {
            self.next = claim.next_sequence;
        }
    }

    /// Sends commands, each in a unit of its own.
    async fn send(&mut self, to: ShardId, count: u64) {
        let mut fates = Vec::new();

        for _ in 0..count {
            let command = OutgoingMessage {
                destination: to,
                entity: Uuid::nil(),
                name: "customer.release-credit",
                type_version: 1,
                attempt: None,
                body: serde_json::value::to_raw_value("x").unwrap().into(),
            };
            let outgoing = Outgoing {
                first_sequence: self.next,
                entity: Uuid::nil(),
                first_version: 0,
                correlation_id: Uuid::nil(),
                time: Timestamp::from_micros(1),
                events: Vec::new(),
                messages: vec![command],
            };
            self.next += 1;
            fates.push(self.submit(SOURCE, Some(outgoing), None));
        }

        for fate in fates {
            assert!(matches!(fate.await.unwrap(), Fate::Durable));
        }
    }

    async fn receive(&mut self, receiver: ShardId, position: u64) {
        let fate = self.submit(
            receiver,
            None,
            Some((SourceStream::messages(SOURCE), position)),
        );
        assert!(matches!(fate.await.unwrap(), Fate::Durable));
    }

    fn submit(
        &self,
        shard: ShardId,
        outgoing: Option<Outgoing>,
        position: Option<(SourceStream, u64)>,
    ) -> oneshot::Receiver<Fate> {
        let (told, fate) = oneshot::channel();
        self.journal(shard).submit(Unit {
            shard,
            epoch: self.epochs[&shard],
            ticket: 1,
            rows: Vec::new(),
            outgoing,
            position,
            timer: None,
            completion: Box::new(move |fate| drop(told.send(fate))),
        });
        fate
    }

    /// How many commands a receiver can still read from the beginning.
    async fn left(&self, receiver: ShardId) -> usize {
        let limit = usize::try_from(MANY).unwrap();
        let to = Destination::Shard(receiver);
        let log = &self.housekeeper.log;
        log.read(SOURCE, to, 0, limit).await.unwrap().len()
    }
}

#[tokio::test]
async fn a_node_that_was_down_for_long_prunes_nothing_that_nobody_has_received() {
    let folder = TempDir::new().unwrap();
    let mut shop = Shop::start(folder.path()).await;
    shop.claim(SOURCE).await;
    shop.send(RECEIVER, 10).await;
    shop.stop().await;

    // Its shards have not been taken over yet: the database is busy. Housekeeping does not wait.
    let mut shop = Shop::start(folder.path()).await;
    shop.housekeeper.prune().await;
    shop.claim(RECEIVER).await;
    shop.housekeeper.prune().await;
    assert_eq!(shop.left(RECEIVER).await, 10);

    // Now the source is there, and its receiver has not come far.
    shop.claim(SOURCE).await;
    shop.housekeeper.prune().await;
    assert_eq!(shop.left(RECEIVER).await, 10);
    shop.receive(RECEIVER, 4).await;
    shop.housekeeper.prune().await;
    assert_eq!(shop.left(RECEIVER).await, 6);

    // The newest row stays, because the sequence goes on from there.
    shop.receive(RECEIVER, 10).await;
    shop.housekeeper.prune().await;
    assert_eq!(shop.left(RECEIVER).await, 1);
    shop.stop().await;
}

#[tokio::test]
async fn a_receiver_that_has_fallen_behind_holds_its_messages_and_one_that_is_level_holds_none() {
    let folder = TempDir::new().unwrap();
    let mut shop = Shop::start(folder.path()).await;
    for shard in [SOURCE, RECEIVER, OTHER] {
        shop.claim(shard).await;
    }

    shop.send(OTHER, 5).await;
    shop.send(RECEIVER, 5).await;
    shop.receive(OTHER, 5).await;
    shop.receive(RECEIVER, 7).await;
    shop.housekeeper.prune().await;
    assert_eq!((shop.left(OTHER).await, shop.left(RECEIVER).await), (0, 3));
    shop.stop().await;
}

#[tokio::test]
async fn what_was_sent_to_a_receiver_whose_position_cannot_be_had_stays() {
    let folder = TempDir::new().unwrap();
    let mut shop = Shop::start(folder.path()).await;
    for shard in [SOURCE, RECEIVER] {
        shop.claim(shard).await;
    }

    shop.send(RECEIVER, 5).await;
    shop.receive(RECEIVER, 5).await;
    // A source whose database this node does not have.
    shop.send(ShardId::new(CUSTOMERS, 7), 5).await;
    shop.housekeeper.prune().await;
    assert_eq!(shop.left(RECEIVER).await, 5);
    shop.stop().await;
}

#[tokio::test]
async fn one_round_removes_all_there_is_however_much_has_gathered() {
    let folder = TempDir::new().unwrap();
    let mut shop = Shop::start(folder.path()).await;
    for shard in [SOURCE, RECEIVER] {
        shop.claim(shard).await;
    }

    shop.send(RECEIVER, MANY).await;
    shop.receive(RECEIVER, MANY).await;
    shop.housekeeper.prune().await;
    assert_eq!(shop.left(RECEIVER).await, 1);
    shop.stop().await;
}
