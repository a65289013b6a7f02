//! Rows of an outbox are damaged, with a node on it or before it starts: whom they concern stops
//! there, and everyone else goes on. Entity 7 has the events, entity 9 the commands.

use rusqlite::Connection;

use super::*;
use crate::journal::testing::{self, Store, shard};
use crate::unit::Fate;

const FROM: ShardId = shard(1);
const EVENTS: Destination = Destination::Events;
const TO_2: Destination = Destination::Shard(shard(2));
const TO_3: Destination = Destination::Shard(shard(3));

impl Store {
    /// Three units, each with an event and a command to two shards: 1 to 3, 4 to 6, 7 to 9.
    async fn with_three_units() -> Self {
        let mut store = Store::open("").await;
        for version in 1..=3 {
            store.commit_sending(version).await;
        }
        store
    }

    async fn commit_sending(&mut self, version: u64) {
        let unit = self.sending(FROM, version, &[shard(2), shard(3)]);
        assert!(matches!(self.fate(unit).await, Fate::Durable));
    }

    fn damage(&self, sql: &str) {
        let file = self.folder.path().join("bookings.db");
        let changed = Connection::open(file).unwrap().execute(sql, []).unwrap();
        assert_eq!(changed, 1);
    }

    async fn restart(self) -> Self {
        Store::open_in(self.close().await, "").await
    }

    /// What can be read to a destination: each sequence with the one before it.
    async fn chain(&self, to: Destination, after: u64) -> Vec<(u64, u64)> {
        let read = self.log.read(FROM, to, after, 100).await.unwrap();
        read.iter()
            .map(|message| (message.sequence, message.previous))
            .collect()
    }

    /// The versions of the entity, those of unreadable events negative.
    async fn history(&self) -> Vec<i64> {
        let entity = Uuid::from_u128(7);
        let events = self.log.history(FROM, entity, 1, 100).await.unwrap();
        let version = |event: &Message| {
            let version = i64::try_from(event.version).unwrap();
            event.unreadable().map_or(version, |_| -version)
        };
        events.iter().map(version).collect()
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_stops_its_entity_in_its_place() {
    let store = Store::with_three_units().await;
    store.damage("UPDATE outbox SET events = '[{' WHERE shard = 1 AND sequence = 4");

    let mut store = store.restart().await;
    assert_eq!(store.chain(EVENTS, 0).await, [(1, 0), (4, 1), (7, 4)]);
    assert_eq!(store.history().await, [1, -2, 3]);
    assert_eq!(store.chain(TO_2, 0).await, [(2, 0), (5, 2), (8, 5)]);

    store.commit_sending(4).await;
    assert_eq!(store.history().await, [1, -2, 3, 4]);
    store.close().await;
}

#[tokio::test]
async fn commands_that_cannot_be_read_are_passed_over_and_nobody_waits_for_them() {
    for restarts in [false, true] {
        let mut store = Store::with_three_units().await;
        store.damage("UPDATE outbox SET messages = 'x' WHERE shard = 1 AND sequence = 7");
        if restarts {
            store = store.restart().await;
        }

        assert_eq!(store.chain(EVENTS, 0).await, [(1, 0), (4, 1), (7, 4)]);
        assert_eq!(store.chain(TO_2, 2).await, [(5, 2)]);
        // Whoever has come as far as can be read is level.
        assert_eq!(store.log.head(FROM, TO_2), 5);
        assert_eq!(store.chain(TO_3, 6).await, []);
        assert_eq!(store.log.head(FROM, TO_3), 6);

        // What comes next follows on it.
        store.commit_sending(4).await;
        assert_eq!(store.log.head(FROM, TO_2), 11);
        assert_eq!(store.chain(TO_2, 5).await, [(11, 5)]);
        store.close().await;
    }
}

/// Its events are 1 to 3, and the next unit's is 4.
#[tokio::test]
async fn the_events_of_a_row_are_read_whatever_it_says_how_many_there_are() {
    for count in [1, 2, 64] {
        let mut store = Store::open("").await;
        let mut unit = store.sending(FROM, 1, &[]);
        let outgoing = unit.outgoing.as_mut().unwrap();
        outgoing.events.extend(testing::outgoing(2, 2, &[]).events);
        outgoing.events.extend(testing::outgoing(3, 3, &[]).events);
        store.claims.get_mut(&FROM).unwrap().next_sequence = 4;
        assert!(matches!(store.fate(unit).await, Fate::Durable));
        store.commit_sending(4).await;
        store.damage(&format!(
            "UPDATE outbox SET count = {count} WHERE shard = 1 AND sequence = 1"
        ));

        // From within the row, too.
        assert_eq!(
            store.chain(EVENTS, 1).await,
            [(2, 1), (3, 2), (4, 3)],
            "{count}"
        );
        assert_eq!(store.chain(EVENTS, 2).await, [(3, 2), (4, 3)], "{count}");
        store.close().await;
    }
}

#[tokio::test]
async fn a_row_of_which_nothing_can_be_read_keeps_nobody_from_starting() {
    for damage in [
        "events = '?', messages = '?'",
        "time = 'noon'",
        "correlation_id = x'00'",
        "count = 'many'",
        "entity_id = 'Ada'",
        "events = x'ff', version = 'two'",
    ] {
        for sequence in [4, 7] {
            let store = Store::with_three_units().await;
            let newest = store.claims[&FROM].next_sequence;
            store.damage(&format!(
                "UPDATE outbox SET {damage} WHERE shard = 1 AND sequence = {sequence}"
            ));

            let mut store = store.restart().await;
            assert!(store.claims[&FROM].next_sequence >= newest, "{damage}");
            store.commit_sending(4).await;
            let next = store.claims[&FROM].next_sequence - 1;

            let readable = if sequence == 4 { 9 } else { 6 };
            let commands: Vec<u64> = store.chain(TO_3, 0).await.iter().map(|(s, _)| *s).collect();
            assert_eq!(commands, [3, readable, next], "{damage}");
            assert_eq!(store.history().await.last(), Some(&4), "{damage}");
            store.close().await;
        }
    }
}

#[tokio::test]
async fn what_is_noted_of_a_shard_can_be_found_in_its_outbox_too() {
    let store = Store::with_three_units().await;
    let folder = store.close().await;
    let file = Connection::open(folder.path().join("bookings.db")).unwrap();
    file.execute("UPDATE shards SET heads = '{' WHERE shard = 1", [])
        .unwrap();
    drop(file);

    let store = Store::open_in(folder, "").await;
    assert_eq!(store.log.head(FROM, TO_3), 9);
    assert_eq!(store.claims[&FROM].next_sequence, 10);
    store.close().await;
}
