//! Relays over a real database, to a carrier that notes what it is given.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sagas::{ShardId, Timestamp};
use sea_orm::sqlx::{self, PgConnection};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{AcknowledgingCarrier, Relay, Relaying, Undelivered, Waits};
use crate::cluster::{Alone, Membership};
use crate::journal::testing::{SHARDS, Store, shard};
use crate::log::{Destination, Message};
use crate::testing::{BOOKINGS, Ground, eventually};
use crate::unit::Fate;

const POLLING: Relay = Relay::Polling(Duration::from_millis(5));
/// How long what was committed may be on its way.
const NEEDS: Duration = Duration::from_secs(20);

pub(super) const fn to_events() -> Destination {
    Destination::Events
}

pub(super) const fn to_shard(number: u16) -> Destination {
    Destination::Shard(shard(number))
}

pub(super) fn message(sequence: u64, destination: Destination) -> Message {
    Message {
        source: shard(0),
        sequence,
        previous: 0,
        destination,
        entity: Uuid::nil(),
        version: 0,
        name: Cow::Borrowed("test"),
        type_version: 1,
        correlation_id: Uuid::nil(),
        attempt: None,
        time: Timestamp::from_micros(0),
        body: Arc::from(RawValue::NULL.to_owned()),
    }
}

/// Notes what it is given, and acknowledges it while it is well.
#[derive(Debug, Default)]
pub(super) struct Collected {
    messages: Mutex<Vec<Message>>,
    is_ill: AtomicBool,
    /// Takes no events of these.
    waits: Mutex<Waits>,
}

impl AcknowledgingCarrier for Collected {
    fn deliver(&self, mut messages: Vec<Message>) -> BoxFuture<'_, Result<Waits, Undelivered>> {
        let mut waits = self.waits.lock().unwrap().clone();
        let sent: Waits = messages.iter().map(|message| message.source).collect();
        messages.retain(|message| !waits.contains(&message.source));
        waits.retain(|source| sent.contains(source));

        self.messages.lock().unwrap().extend(messages);
        let is_ill = self.is_ill.load(Ordering::SeqCst);
        async move {
            match is_ill {
                true => Err("the broker is ill".into()),
                false => Ok(waits),
            }
        }
        .boxed()
    }
}

impl Collected {
    /// Place and the place before, of what has come from a shard to a destination.
    fn chain(&self, source: ShardId, destination: Destination) -> Vec<(u64, u64)> {
        let messages = self.messages.lock().unwrap();
        messages
            .iter()
            .filter(|message| message.source == source && message.destination == destination)
            .map(|message| (message.sequence, message.previous))
            .collect()
    }

    fn count(&self) -> usize {
        self.messages.lock().unwrap().len()
    }
}

/// A database that is written to and relayed.
pub(super) struct Relayed {
    pub(super) store: Store,
    pub(super) carried: Arc<Collected>,
    relaying: Option<Relaying>,
}

impl Relayed {
    pub(super) async fn on(ground: Arc<Ground>) -> Self {
        Relayed {
            store: Store::open_in(ground, "").await,
            carried: Arc::default(),
            relaying: None,
        }
    }

    /// A relay begins, to a carrier of its own.
    pub(super) fn begin(&mut self, relay: Relay) {
        self.carried = Arc::default();
        let carrier: Arc<dyn AcknowledgingCarrier> = self.carried.clone();
        let outboxes = vec![(self.store.database.clone(), carrier)];
        let assigned = Alone::with([BOOKINGS], SHARDS).assigned();
        self.relaying = Some(Relaying::begin(relay, outboxes, (&assigned, SHARDS)));
    }

    /// It dies.
    pub(super) fn end(&mut self) {
        self.relaying = None;
    }

    /// Units with an event each, and a command to each of these shards.
    pub(super) async fn commit(&mut self, from: ShardId, units: u64, to: &[ShardId]) {
        for _ in 0..units {
            let version = self.store.claims[&from].next_sequence;
            let unit = self.store.sending(from, version, to);
            assert!(matches!(self.store.fate(unit).await, Fate::Durable));
        }
    }

    /// Until so many messages have been carried.
    pub(super) async fn has(&self, count: usize) {
        eventually(NEEDS, || self.carried.count() >= count).await;
    }

    /// Until the newest event of a shard has been carried, whatever is carried again before it:
    /// what a relay acknowledged last, the server may not have heard.
    async fn comes_to(&self, from: ShardId, event: (u64, u64)) {
        let newest = || {
            let events = self.carried.chain(from, to_events());
            events.last().copied()
        };
        eventually(NEEDS, || newest() == Some(event)).await;
    }

    /// Until it is noted that the relay has come so far in each shard.
    pub(super) async fn has_noted(&self, sequences: &[(u16, u64)]) {
        let wanted: BTreeMap<_, _> = sequences.iter().copied().collect();
        let began = Instant::now();
        loop {
            let shards: Vec<_> = wanted.keys().map(|number| shard(*number)).collect();
            let noted = super::positions::read(&self.store.database, &shards).await;
            let noted = noted.unwrap().into_iter();
            let noted: BTreeMap<_, _> = noted
                .map(|(shard, cursor)| (shard.number, cursor.reached()))
                .collect();
            if noted == wanted {
                return;
            }
            assert!(began.elapsed() < NEEDS, "{noted:?} is noted");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// What every relay does.
pub(super) async fn everything_committed_is_carried_in_order(ground: Arc<Ground>, relay: Relay) {
    let mut relayed = Relayed::on(ground).await;
    relayed.begin(relay);
    if relay == WAL {
        wait_for_slots(&relayed, FOLLOWED, 1).await;
    }
    // More than one look takes.
    relayed.commit(shard(1), 450, &[shard(2)]).await;
    relayed.commit(shard(3), 3, &[shard(1), shard(2)]).await;
    relayed.has(450 * 2 + 3 * 3).await;

    let events = relayed.carried.chain(shard(1), to_events());
    let commands = relayed.carried.chain(shard(1), to_shard(2));
    let expected = |first: u64| (0..450).map(move |unit| first + 2 * unit);
    let chain = |first: u64| {
        let before = std::iter::once(0).chain(expected(first));
        expected(first).zip(before).collect::<Vec<_>>()
    };
    assert_eq!(events, chain(1));
    assert_eq!(commands, chain(2));
    assert_eq!(
        relayed.carried.chain(shard(3), to_shard(1)),
        [(2, 0), (5, 2), (8, 5)]
    );
}

pub(super) async fn a_relay_goes_on_where_the_last_one_was(ground: Arc<Ground>, relay: Relay) {
    let mut relayed = Relayed::on(ground).await;
    relayed.begin(relay);
    relayed.commit(shard(1), 5, &[shard(2)]).await;
    relayed.has(10).await;
    relayed.has_noted(&[(0, 0), (1, 10)]).await;

    relayed.end();
    relayed.commit(shard(1), 2, &[shard(2), shard(3)]).await;
    relayed.begin(relay);
    relayed.has(6).await;
    // Of commands that lie before it knows nothing, so it names the latest place that they can
    // have.
    let chain = |to| relayed.carried.chain(shard(1), to);
    assert_eq!(chain(to_events()), [(11, 9), (14, 11)]);
    assert_eq!(chain(to_shard(2)), [(12, 10), (15, 12)]);
    assert_eq!(chain(to_shard(3)), [(13, 10), (16, 13)]);
}

pub(super) async fn what_is_not_acknowledged_is_carried_again(ground: Arc<Ground>, relay: Relay) {
    let mut relayed = Relayed::on(ground).await;
    relayed.begin(relay);
    let carried = Arc::clone(&relayed.carried);
    carried.is_ill.store(true, Ordering::SeqCst);
    relayed.commit(shard(1), 1, &[]).await;
    relayed.has(2).await;
    relayed.has_noted(&[(1, 0)]).await;

    carried.is_ill.store(false, Ordering::SeqCst);
    relayed.commit(shard(1), 1, &[]).await;
    relayed.has_noted(&[(1, 2)]).await;
    let events = carried.chain(shard(1), to_events());
    assert_eq!(events[..2], [(1, 0), (1, 0)]);
    assert_eq!(events[events.len() - 2..], [(1, 0), (2, 1)]);
}

pub(super) async fn a_shard_whose_events_wait_keeps_no_other(ground: Arc<Ground>, relay: Relay) {
    let mut relayed = Relayed::on(ground).await;
    relayed.begin(relay);
    relayed.commit(shard(1), 1, &[]).await;
    relayed.has(1).await;
    let carried = Arc::clone(&relayed.carried);
    carried.waits.lock().unwrap().insert(shard(1));
    for _ in 0..3 {
        relayed.commit(shard(1), 2, &[shard(2)]).await;
        relayed.commit(shard(3), 2, &[shard(2)]).await;
    }
    relayed.has(13).await;
    relayed.has_noted(&[(1, 1), (3, 12)]).await;
    assert_eq!(carried.chain(shard(1), to_events()), [(1, 0)]);

    // From where it was, and with what came while it waited.
    carried.waits.lock().unwrap().clear();
    relayed.has_noted(&[(1, 13), (3, 12)]).await;
    let events = carried.chain(shard(1), to_events());
    let expected = [(1, 0), (2, 1), (4, 2), (6, 4), (8, 6), (10, 8), (12, 10)];
    assert_eq!(events, expected);
    assert_eq!(carried.chain(shard(3), to_events()).len(), 6);
}

pub(super) async fn a_row_that_cannot_be_read_is_seen_as_a_gap(ground: Arc<Ground>, relay: Relay) {
    let mut relayed = Relayed::on(Arc::clone(&ground)).await;
    relayed.commit(shard(1), 3, &[shard(2)]).await;
    run(
        &ground,
        "UPDATE outbox SET events = '[{' WHERE shard = 1 AND sequence = 3",
    )
    .await;

    // As if no node had ever handed over anything.
    run(&ground, "UPDATE shards SET published = 0, heads = '{}'").await;
    relayed.begin(relay);
    relayed.has(5).await;
    assert_eq!(
        relayed.carried.chain(shard(1), to_events()),
        [(1, 0), (5, 4)]
    );
}

#[tokio::test]
async fn polling_carries_everything_in_order() {
    everything_committed_is_carried_in_order(Ground::folder(), POLLING).await;
}

#[tokio::test]
async fn polling_goes_on_where_it_was() {
    a_relay_goes_on_where_the_last_one_was(Ground::folder(), POLLING).await;
}

#[tokio::test]
async fn polling_carries_again_what_is_not_acknowledged() {
    what_is_not_acknowledged_is_carried_again(Ground::folder(), POLLING).await;
}

#[tokio::test]
async fn polling_goes_on_with_other_shards_while_the_events_of_one_wait() {
    a_shard_whose_events_wait_keeps_no_other(Ground::folder(), POLLING).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn whoever_follows_a_log_goes_on_with_other_shards_while_the_events_of_one_wait() {
    a_shard_whose_events_wait_keeps_no_other(Ground::postgres(), WAL).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn polling_carries_everything_in_order_out_of_postgres() {
    everything_committed_is_carried_in_order(Ground::postgres(), POLLING).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn polling_leaves_out_what_cannot_be_read() {
    a_row_that_cannot_be_read_is_seen_as_a_gap(Ground::postgres(), POLLING).await;
}

const WAL: Relay = Relay::Wal(u64::MAX);
/// Slots that are of use and that somebody has.
const FOLLOWED: &str = "count(*) FILTER (WHERE active AND confirmed_flush_lsn IS NOT NULL)";

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_followed_log_carries_everything_in_order() {
    everything_committed_is_carried_in_order(Ground::postgres(), WAL).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn whoever_follows_a_log_goes_on_where_the_last_one_was() {
    a_relay_goes_on_where_the_last_one_was(Ground::postgres(), WAL).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn whoever_follows_a_log_carries_again_what_is_not_acknowledged() {
    what_is_not_acknowledged_is_carried_again(Ground::postgres(), WAL).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn whoever_follows_a_log_leaves_out_what_cannot_be_read() {
    a_row_that_cannot_be_read_is_seen_as_a_gap(Ground::postgres(), WAL).await;
}

/// The numbers that a query gives, of the server's slots.
async fn slots(relayed: &Relayed, what: &str) -> i64 {
    let of_this = "FROM pg_replication_slots WHERE database = current_database()";
    relayed
        .store
        .number(&format!("SELECT {what} {of_this}"))
        .await
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_slot_that_is_lost_leaves_nothing_out() {
    let ground = Ground::postgres();
    let mut relayed = Relayed::on(Arc::clone(&ground)).await;
    relayed.begin(WAL);
    relayed.commit(shard(1), 5, &[shard(2)]).await;
    relayed.has(10).await;
    relayed.has_noted(&[(1, 10)]).await;

    // While nobody follows it.
    relayed.end();
    wait_for_slots(&relayed, "count(*) FILTER (WHERE active)", 0).await;
    run(
        &ground,
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots \
        WHERE database = current_database()",
    )
    .await;
    relayed.commit(shard(1), 2, &[]).await;
    relayed.begin(WAL);
    relayed.has(2).await;
    relayed.commit(shard(1), 1, &[]).await;
    relayed.has(3).await;
    let events = relayed.carried.chain(shard(1), to_events());
    assert_eq!(events, [(11, 9), (12, 11), (13, 12)]);

    // While somebody does: what ends its session comes back, with what was committed meanwhile.
    wait_for_slots(&relayed, FOLLOWED, 1).await;
    run(
        &ground,
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots \
        WHERE database = current_database()",
    )
    .await;
    relayed.commit(shard(1), 1, &[]).await;
    relayed.comes_to(shard(1), (14, 13)).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_log_that_the_server_keeps_too_much_of_is_given_up_and_the_outboxes_are_polled() {
    let mut relayed = Relayed::on(Ground::postgres()).await;
    relayed.begin(Relay::Wal(0));
    let carried = Arc::clone(&relayed.carried);
    carried.is_ill.store(true, Ordering::SeqCst);
    relayed.commit(shard(1), 3, &[]).await;
    relayed.has(1).await;
    // The carrier fails, so that nobody follows the slot; it is given up and made anew in turns.
    wait_for_slots(&relayed, "count(*)", 0).await;

    carried.is_ill.store(false, Ordering::SeqCst);
    relayed.has_noted(&[(1, 3)]).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn two_nodes_follow_one_after_the_other_and_a_slot_of_nobody_is_given_up() {
    let mut relayed = Relayed::on(Ground::postgres()).await;
    relayed.begin(WAL);
    wait_for_slots(&relayed, FOLLOWED, 1).await;
    let first = relayed.relaying.take();
    relayed.begin(WAL);
    relayed.commit(shard(1), 2, &[]).await;
    assert_eq!(relayed.carried.count(), 0, "the slot is another's");

    drop(first);
    relayed.commit(shard(1), 1, &[]).await;
    relayed.comes_to(shard(1), (3, 2)).await;

    // The nodes relay in another way now.
    relayed.end();
    wait_for_slots(&relayed, "count(*) FILTER (WHERE active)", 0).await;
    relayed.begin(POLLING);
    wait_for_slots(&relayed, "count(*)", 0).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn while_a_transaction_runs_that_a_slot_would_wait_for_none_is_made_and_nodes_poll() {
    let ground = Ground::postgres();
    let mut relayed = Relayed::on(Arc::clone(&ground)).await;
    let mut long = begun(&ground).await;
    relayed.begin(WAL);
    relayed.commit(shard(1), 3, &[]).await;
    while relayed.carried.count() < 3 {
        assert_eq!(slots(&relayed, "count(*)").await, 0);
    }

    end(&mut long).await;
    wait_for_slots(&relayed, FOLLOWED, 1).await;
    relayed.commit(shard(1), 1, &[]).await;
    relayed.has(4).await;
    let events = relayed.carried.chain(shard(1), to_events());
    assert_eq!(events, [(1, 0), (2, 1), (3, 2), (4, 3)]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn while_another_node_waits_for_its_slot_to_be_made_nodes_poll() {
    let ground = Ground::postgres();
    let mut relayed = Relayed::on(Arc::clone(&ground)).await;
    let mut long = begun(&ground).await;
    let mut maker = connect(&ground).await;
    let making = tokio::spawn(async move {
        let make = "SELECT pg_create_logical_replication_slot('counterfoil_' || oid, 'pgoutput') \
            FROM pg_database WHERE datname = current_database()";
        loop {
            match sqlx::raw_sql(make).execute(&mut maker).await {
                Ok(_) => break,
                // PostgreSQL 15 may stumble over itself when it has waited: buffer 1 is not owned
                // by resource owner TopTransaction.
                Err(error) if code_of(&error).as_deref() == Some("XX000") => {}
                // The node has made it meanwhile.
                Err(error) if code_of(&error).as_deref() == Some("42710") => break,
                Err(error) => panic!("{error}"),
            }
        }
    });
    wait_for_slots(&relayed, "count(*) FILTER (WHERE active)", 1).await;
    assert_eq!(slots(&relayed, FOLLOWED).await, 0);

    relayed.begin(WAL);
    relayed.commit(shard(1), 3, &[]).await;
    relayed.has(3).await;
    assert_eq!(slots(&relayed, FOLLOWED).await, 0, "it is being made still");

    end(&mut long).await;
    making.await.unwrap();
    wait_for_slots(&relayed, FOLLOWED, 1).await;
}

fn code_of(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error().and_then(|error| error.code())
}

async fn connect(ground: &Ground) -> PgConnection {
    let Ground::Postgres(database) = ground else {
        unreachable!("it is on a server")
    };
    database.connect().await
}

/// A transaction that writes, and goes on.
async fn begun(ground: &Ground) -> PgConnection {
    let mut connection = connect(ground).await;
    let begin = sqlx::raw_sql("BEGIN; SELECT pg_current_xact_id()");
    begin.execute(&mut connection).await.unwrap();
    connection
}

async fn end(transaction: &mut PgConnection) {
    let end = sqlx::raw_sql("COMMIT").execute(transaction);
    end.await.unwrap();
}

async fn run(ground: &Ground, statement: &str) {
    let Ground::Postgres(database) = ground else {
        unreachable!("it is on a server")
    };
    database.run(statement).await;
}

async fn wait_for_slots(relayed: &Relayed, what: &str, number: i64) {
    let began = Instant::now();
    while slots(relayed, what).await != number {
        assert!(began.elapsed() < NEEDS, "{what} is not {number}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
