//! What befalls a connection or a server, on a real one: each failure is told in one line that
//! names the database and the cause, nothing is lost or done twice, and all goes on afterwards by
//! itself.
//!
//! How connections are cut: a proxy stands between the store and the server, which loses an answer
//! or keeps a commit to itself.

use std::time::Duration;

use sea_orm::sqlx::{Connection, Executor};
use sea_orm::{EntityTrait, PaginatorTrait};
use tokio::time::Instant;

use super::PostgresStore;
use crate::database::PostgresAddress;
use crate::database::postgres::Use;
use crate::database::postgres::testing::TestDatabase;
use crate::database::postgres::testing::proxy::{Plan, Proxy};
use crate::faults::Faults;
use crate::journal::commit_store::{Batch, Claim, CommitStore, Failure};
use crate::journal::testing::{SHARDS, outgoing, patience, row, shard, unit};
use crate::tables::{outbox, parked};
use crate::testing::{BOOKINGS, BOOKINGS_SCHEMA};
use crate::unit::Unit;
use crate::{ServiceDatabase, StoreError};

/// A service's database with one owner, which reaches it through an address of its own.
struct Case {
    store: PostgresStore,
    claim: Claim,
    database: ServiceDatabase,
    server: TestDatabase,
}

impl Case {
    async fn new() -> Self {
        let server = TestDatabase::new();
        let address = server.address();
        Self::through(server, address).await
    }

    async fn through(server: TestDatabase, address: PostgresAddress) -> Self {
        let direct = server.address();
        let opened = ServiceDatabase::open_postgres(BOOKINGS_SCHEMA, &direct, SHARDS);
        let database = opened.await.unwrap();
        let mut store = PostgresStore::new(BOOKINGS, address, Faults::default());
        let claim = store
            .claim(shard(1), "test", None, &patience())
            .await
            .unwrap();
        Case {
            store,
            claim,
            database,
            server,
        }
    }

    /// A unit that inserts a row and sends an event and a command.
    fn unit(&mut self, key: u128) -> Unit {
        let sent = outgoing(self.claim.next_sequence, 1, &[shard(2)]);
        self.claim.next_sequence += sent.count();
        Unit {
            rows: vec![row(key, 1).insert()],
            outgoing: Some(sent),
            ..unit(shard(1), self.claim.epoch, 1)
        }
    }

    async fn write(&mut self, units: &[Unit]) -> Result<(), Failure> {
        let batch = Batch {
            units,
            published: &[],
        };
        self.store.write(&batch, &patience()).await
    }

    async fn insert(&mut self, key: u128) -> Result<(), Failure> {
        let unit = self.unit(key);
        self.write(&[unit]).await
    }

    async fn happened(&mut self) -> Result<bool, StoreError> {
        self.store.happened(&patience()).await
    }

    /// How many functions the sessions of this database have made.
    async fn routines(&self) -> i64 {
        let count = "SELECT count(*) FROM pg_proc WHERE proname LIKE 'batch\\_%'";
        let mut looking = self.server.connect().await;
        sea_orm::sqlx::query_scalar(count)
            .fetch_one(&mut looking)
            .await
            .unwrap()
    }

    /// Takes the shard over again, as the journal does after a failure.
    async fn claim_again(&mut self) {
        self.claim = self
            .store
            .claim(shard(1), "test", None, &patience())
            .await
            .unwrap();
    }

    /// How many rows and messages there are.
    async fn written(&self) -> (u64, u64) {
        let read = &self.database.read;
        let rows = parked::Entity::find().count(read).await.unwrap();
        let sent = outbox::Entity::find().count(read).await.unwrap();
        (rows, sent)
    }

    /// In one line, with the database and the cause, and no password.
    fn told(&self, failure: &Failure) -> String {
        let (Failure::Store(error) | Failure::Unknown(error) | Failure::Unit { error, .. }) =
            failure;
        let line = format!("{}: {}", self.store.place(), error.chain());
        assert!(line.contains(self.server.name()), "{line}");
        assert!(!line.contains('\n'), "{line}");
        line
    }
}

fn is_transient(failure: &Failure) -> bool {
    matches!(failure, Failure::Store(error) if error.is_transient())
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_session_that_was_ended_between_two_batches_is_noticed_by_nobody() {
    let mut case = Case::new().await;
    case.insert(1).await.unwrap();

    case.server.end_sessions(BOOKINGS, Use::Commit).await;
    case.insert(2).await.unwrap();
    case.server.end_sessions(BOOKINGS, Use::Commit).await;
    case.server.end_sessions(BOOKINGS, Use::Read).await;
    assert_eq!(case.written().await, (2, 2));
    case.claim_again().await;
    assert_eq!(case.claim.next_sequence, 5);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_session_that_is_ended_within_a_batch_leaves_nothing_and_the_batch_is_written_anew() {
    let mut case = Case::new().await;
    // The batch waits here until it is ended; the next attempt does not.
    let held = "CREATE TABLE gate (open boolean); INSERT INTO gate VALUES (false); \
        CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        IF NOT (SELECT open FROM gate) THEN PERFORM pg_sleep(60); END IF; RETURN NEW; END $$; \
        CREATE TRIGGER gate AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION wait_at_gate()";
    case.server.run(held).await;

    let server = case.server.name().to_owned();
    let mut disturbing = case.server.connect().await;
    let ended = tokio::spawn(async move {
        until_sleeping(&mut disturbing, &server).await;
        disturbing
            .execute("UPDATE gate SET open = true")
            .await
            .unwrap();
        disturbing.execute(END_SLEEPING).await.unwrap();
    });

    case.insert(1).await.unwrap();
    ended.await.unwrap();
    assert_eq!(case.written().await, (1, 1));
    assert!(case.happened().await.unwrap());
}

/// Whoever sleeps, in the database of a test.
const END_SLEEPING: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
    WHERE datname = current_database() AND wait_event = 'PgSleep'";

async fn until_sleeping(connection: &mut sea_orm::sqlx::PgConnection, database: &str) {
    let count = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = $1 AND wait_event = 'PgSleep'";
    loop {
        let sleeping: i64 = sea_orm::sqlx::query_scalar(count)
            .bind(database)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        if sleeping > 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_session_that_is_ended_while_it_commits_has_not_committed_and_says_so() {
    let mut case = Case::new().await;
    // What is deferred is done by the commit.
    let slow = "CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS \
        $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$; \
        CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON outbox DEFERRABLE INITIALLY DEFERRED \
        FOR EACH ROW EXECUTE FUNCTION sleep()";
    case.server.run(slow).await;

    let server = case.server.name().to_owned();
    let mut disturbing = case.server.connect().await;
    let ended = tokio::spawn(async move {
        until_sleeping(&mut disturbing, &server).await;
        disturbing.execute(END_SLEEPING).await.unwrap();
    });

    let failed = case.insert(1).await.unwrap_err();
    ended.await.unwrap();
    assert!(matches!(failed, Failure::Unknown(_)), "{failed:?}");
    assert!(!case.happened().await.unwrap());
    assert_eq!(case.written().await, (0, 0));

    case.server.run("DROP TRIGGER slow ON outbox").await;
    case.claim_again().await;
    case.insert(1).await.unwrap();
    assert_eq!(case.written().await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_commit_whose_answer_is_lost_has_happened() {
    let server = TestDatabase::new();
    let proxy = Proxy::to(&server.address()).await;
    let address = proxy.address(&server.address());
    let mut case = Case::through(server, address).await;

    proxy.plan(Plan::LoseTheAnswer);
    let failed = case.insert(1).await.unwrap_err();
    assert!(matches!(failed, Failure::Unknown(_)), "{failed:?}");
    assert!(case.happened().await.unwrap());
    assert!(case.happened().await.unwrap(), "the answer is final");
    assert_eq!(case.written().await, (1, 1));

    case.insert(2).await.unwrap();
    assert_eq!(case.written().await, (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_commit_that_never_reaches_the_server_has_not_happened_and_never_will() {
    let server = TestDatabase::new();
    let proxy = Proxy::to(&server.address()).await;
    let address = proxy.address(&server.address());
    let mut case = Case::through(server, address).await;

    // The server waits for the commit, and holds the lock of the shard meanwhile.
    proxy.plan(Plan::KeepTheCommit);
    let failed = case.insert(1).await.unwrap_err();
    assert!(matches!(failed, Failure::Unknown(_)), "{failed:?}");
    assert!(!case.happened().await.unwrap());

    proxy.deliver_what_was_kept().await;
    assert_eq!(case.written().await, (0, 0));
    case.claim_again().await;
    case.insert(1).await.unwrap();
    assert_eq!(case.written().await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_server_that_stops_answering_keeps_nobody_longer_than_the_patience() {
    let server = TestDatabase::new();
    let proxy = Proxy::to(&server.address()).await;
    let address = proxy.address(&server.address());
    let mut case = Case::through(server, address).await;

    proxy.plan(Plan::Stall);
    let begun = Instant::now();
    let failed = case.insert(1).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(is_transient(&failed), "{failed:?}");
    assert!(!case.happened().await.unwrap());
    case.told(&failed);

    proxy.plan(Plan::Pass);
    case.claim_again().await;
    case.insert(1).await.unwrap();
    assert_eq!(case.written().await, (1, 1));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_batch_waits_for_the_lock_of_its_shard_no_longer_than_its_patience() {
    let mut case = Case::new().await;
    let mut other = case.server.connect().await;
    let mut claiming = other.begin().await.unwrap();
    let lock = "SELECT * FROM shards WHERE shard = 1 FOR UPDATE";
    claiming.execute(lock).await.unwrap();

    let begun = Instant::now();
    let failed = case.insert(1).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(is_transient(&failed), "{failed:?}");
    assert!(!case.happened().await.unwrap());

    claiming.rollback().await.unwrap();
    case.claim_again().await;
    case.insert(1).await.unwrap();
    assert_eq!(case.written().await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_claim_waits_for_the_batch_of_the_former_owner_and_finds_what_that_has_left() {
    let mut case = Case::new().await;
    let slow = "CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS \
        $$ BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END $$; \
        CREATE TRIGGER slow AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION sleep()";
    case.server.run(slow).await;

    let (server, address) = (case.server.name().to_owned(), case.server.address());
    let mut watching = case.server.connect().await;
    let claimed = async {
        until_sleeping(&mut watching, &server).await;
        let mut next = PostgresStore::new(BOOKINGS, address, Faults::default());
        let patience = patience();
        next.claim(shard(1), "next", None, &patience).await.unwrap()
    };
    let epoch = case.claim.epoch;
    let (written, claim) = tokio::join!(case.insert(1), claimed);

    written.unwrap();
    assert_eq!(claim.epoch, epoch + 1);
    assert_eq!(claim.next_sequence, 3, "it has not seen the batch");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_batch_that_waits_for_a_claim_is_refused_when_that_is_done() {
    let mut case = Case::new().await;
    let mut next = case.server.connect().await;
    let mut watching = case.server.connect().await;
    let mut claiming = next.begin().await.unwrap();
    let raise = "UPDATE shards SET epoch = epoch + 1 WHERE shard = 1";
    claiming.execute(raise).await.unwrap();

    let claimed = async {
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted \
            AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())";
        loop {
            let count = sea_orm::sqlx::query_scalar::<_, i64>(waiting);
            if count.fetch_one(&mut watching).await.unwrap() > 0 {
                break;
            }
            tokio::task::yield_now().await;
        }
        claiming.commit().await.unwrap();
    };
    let claimed = tokio::time::timeout(Duration::from_secs(30), claimed);
    let (written, claimed) = tokio::join!(case.insert(1), claimed);
    claimed.expect("the batch waits for the claim");

    let refused = written.unwrap_err();
    let Failure::Unit { index: 0, error } = &refused else {
        panic!("{refused:?}");
    };
    assert!(matches!(error, StoreError::StaleEpoch { .. }), "{error}");
    assert_eq!(case.written().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn the_victim_of_a_deadlock_is_written_anew() {
    let mut case = Case::new().await;
    case.insert(1).await.unwrap();
    let once = "CREATE SEQUENCE deadlocks; \
        CREATE FUNCTION deadlock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        IF nextval('deadlocks') = 1 THEN RAISE 'victim' USING ERRCODE = '40P01'; END IF; \
        RETURN NEW; END $$; \
        CREATE TRIGGER victim AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION deadlock()";
    case.server.run(once).await;

    case.insert(2).await.unwrap();
    assert_eq!(case.written().await, (2, 2));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_server_that_only_reads_is_told_as_such_until_it_writes_again() {
    let mut case = Case::new().await;
    let reads_only = format!(
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        case.server.name()
    );
    case.server.run_beside(&reads_only).await;
    case.server.end_sessions(BOOKINGS, Use::Commit).await;

    let failed = case.insert(1).await.unwrap_err();
    assert!(is_transient(&failed), "{failed:?}");
    let line = case.told(&failed);
    assert!(line.contains("it only reads"), "{line}");
    let opened =
        ServiceDatabase::open_postgres(BOOKINGS_SCHEMA, &case.server.address(), SHARDS).await;
    let line = opened.unwrap_err().chain();
    assert!(line.contains("it only reads"), "{line}");
    assert!(line.contains(case.server.name()), "{line}");

    let writes = format!(
        "ALTER DATABASE {} RESET default_transaction_read_only",
        case.server.name()
    );
    case.server.run_beside(&writes).await;
    case.claim_again().await;
    case.insert(1).await.unwrap();
    assert_eq!(case.written().await, (1, 1));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_password_that_is_wrong_all_at_once_is_told_until_it_is_right_again() {
    let server = TestDatabase::new();
    // The server of the tests asks this user, and nobody else, for a password.
    let user = "counterfoil_password";
    let made = format!(
        "DO $$ BEGIN CREATE ROLE {user} LOGIN SUPERUSER; \
        EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    );
    let word = |word: &str| format!("ALTER ROLE {user} PASSWORD '{word}'");
    server.run_beside(&made).await;
    server.run_beside(&word("right")).await;
    let address = server.address().as_user(user, "right");
    let mut case = Case::through(server, address).await;

    case.server.run_beside(&word("another")).await;
    case.server.end_sessions(BOOKINGS, Use::Commit).await;
    let failed = case.insert(1).await.unwrap_err();
    assert!(is_transient(&failed), "{failed:?}");
    let line = case.told(&failed);
    assert!(line.contains("password authentication failed"), "{line}");
    assert!(!line.contains("right"), "{line}");

    case.server.run_beside(&word("right")).await;
    case.claim_again().await;
    case.insert(1).await.unwrap();
    assert_eq!(case.written().await, (1, 1));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn what_the_database_cannot_hold_is_the_fault_of_its_unit_alone() {
    let mut case = Case::new().await;
    let (first, last) = (case.unit(1), case.unit(3));
    let mut wrong = case.unit(2);
    wrong.outgoing = None;
    for value in &mut wrong.rows[0].values {
        if let sea_orm::Value::String(Some(text)) = value {
            *text = "no text of PostgreSQL holds \0".to_owned();
        }
    }

    let failed = case.write(&[first, wrong, last]).await.unwrap_err();
    let Failure::Unit { index: 1, error } = &failed else {
        panic!("{failed:?}");
    };
    assert!(!error.is_transient(), "{error}");
    assert_eq!(case.written().await, (0, 0));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn batches_of_the_same_kinds_of_rows_are_sent_by_one_routine_of_their_session() {
    let mut case = Case::new().await;
    case.insert(1).await.unwrap();
    case.insert(2).await.unwrap();
    assert_eq!(case.routines().await, 1);

    let mut other = case.unit(1);
    other.rows = vec![row(1, 2).update_from(1)];
    case.write(&[other]).await.unwrap();
    assert_eq!(case.routines().await, 2);

    // A session takes its routines with it, and the next one makes them anew.
    case.server.end_sessions(BOOKINGS, Use::Commit).await;
    case.insert(3).await.unwrap();
    assert_eq!(case.written().await, (3, 4));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_user_who_may_make_no_routine_writes_all_the_same() {
    let server = TestDatabase::new();
    let role = format!("{}_writer", server.name());
    let allowed = format!(
        "CREATE ROLE {role} LOGIN; GRANT pg_read_all_data, pg_write_all_data TO {role}; \
        REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC",
        server.name()
    );
    server.run(&allowed).await;

    let address = server.address().as_user(&role, "");
    let mut case = Case::through(server, address).await;
    case.insert(1).await.unwrap();
    case.insert(2).await.unwrap();
    assert_eq!(case.written().await, (2, 2));
    assert_eq!(case.routines().await, 0);

    let mut stale = case.unit(1);
    stale.rows = vec![row(1, 9).update_from(8)];
    let refused = case.write(&[stale]).await;
    assert!(
        matches!(&refused, Err(Failure::Unit { index: 0, .. })),
        "{refused:?}"
    );
    case.server.run_beside(&format!("DROP ROLE {role}")).await;
}
