//! Addresses; and how a database on a real server is opened, or why it is not.

mod plans;

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::testing::TestDatabase;
use super::testing::proxy::{Plan, Proxy};
use super::*;
use crate::ServiceDatabase;
use crate::testing::{BOOKINGS_SCHEMA, ROOMS_SCHEMA, eventually};

const SHARDS: u16 = 2;

#[test]
fn an_address_shows_everything_but_its_password() {
    let address = PostgresAddress::parse("postgres://ada:hush@db.example:6000/orders").unwrap();
    assert_eq!(address.to_string(), "postgres://ada@db.example:6000/orders");
    assert!(!format!("{address:?}").contains("hush"));
}

#[test]
fn an_address_that_nobody_could_use_is_refused_and_its_password_is_not_repeated() {
    for url in [
        "mysql://ada:hush@host/orders",
        "postgres://ada:hush@host:port/orders",
        "postgres://ada:hush@host/orders?sslmode=perhaps",
        "postgres://ada:hush@host",
    ] {
        let refused = PostgresAddress::parse(url).unwrap_err();
        assert!(!refused.contains("hush"), "{refused}");
    }
}

async fn open(address: &PostgresAddress) -> Result<ServiceDatabase, StoreError> {
    ServiceDatabase::open_postgres(BOOKINGS_SCHEMA, address, SHARDS).await
}

/// Why it is not opened, in one line that names the database.
async fn refusal(address: &PostgresAddress) -> (StoreError, String) {
    let error = open(address).await.unwrap_err();
    let line = error.chain();
    assert!(line.contains(&address.to_string()), "{line}");
    assert!(!line.contains('\n') && !line.contains("hush"), "{line}");
    (error, line)
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_database_that_was_opened_opens_again_and_keeps_its_number_of_shards() {
    let server = TestDatabase::new();
    open(&server.address()).await.unwrap().close().await;
    let database = open(&server.address()).await.unwrap();
    assert_eq!(database.shards().await.unwrap(), Some(SHARDS));

    let other = ServiceDatabase::open_postgres(BOOKINGS_SCHEMA, &server.address(), 7).await;
    let line = other.unwrap_err().to_string();
    assert!(line.contains("COUNTERFOIL_SHARDS is 7"), "{line}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn whoever_reads_a_database_sees_whether_a_journal_writes_to_it() {
    let server = TestDatabase::new();
    let (address, service) = (server.address(), BOOKINGS_SCHEMA.service);
    let database = open(&address).await.unwrap();
    assert_eq!(database.has_a_journal().await.unwrap(), Some(false));

    // That of another service does not count, nor does a node that only holds the database.
    let _other = address
        .connect(ROOMS_SCHEMA.service, Use::Commit)
        .await
        .unwrap();
    let _occupied = address.occupy(service, false).await.unwrap();
    assert_eq!(database.has_a_journal().await.unwrap(), Some(false));

    let _journal = address.connect(service, Use::Commit).await.unwrap();
    assert_eq!(database.has_a_journal().await.unwrap(), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn nodes_that_start_at_once_do_not_collide() {
    let server = TestDatabase::new();
    let address = server.address();
    let opened = join_all((0..4).map(|_| open(&address))).await;
    for database in opened {
        assert_eq!(database.unwrap().shards().await.unwrap(), Some(SHARDS));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_node_that_dies_while_it_makes_the_schema_leaves_nothing_of_it() {
    let server = TestDatabase::new();
    // The last thing that is written, after all tables were made.
    let address = server.address();
    let opening = opening::Opening {
        schema: &ROOMS_SCHEMA,
        address: &address,
    };
    let (made, is_made) = oneshot::channel();
    let dies = tokio::time::timeout(
        Duration::from_secs(30),
        opening.migrated(async |_| {
            made.send(()).unwrap();
            server.end_sessions(ROOMS_SCHEMA.service, Use::Write).await;
            Ok(())
        }),
    );
    dies.await.unwrap().unwrap_err();
    is_made.await.unwrap();

    let tables = "DO $$ BEGIN ASSERT (SELECT count(*) FROM pg_tables \
        WHERE schemaname = 'public') = 0; END $$";
    server.run(tables).await;
    open(&address).await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_database_of_a_newer_release_is_refused_by_its_address() {
    let server = TestDatabase::new();
    open(&server.address()).await.unwrap().close().await;
    let later = "INSERT INTO seaql_migrations VALUES ('m2999_01_01_000001_later', 0)";
    server.run(later).await;

    let (_, line) = refusal(&server.address()).await;
    assert!(line.contains("was written by a newer release"), "{line}");
    assert!(line.contains("m2999_01_01_000001_later"), "{line}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn whoever_is_not_let_in_is_told_why_and_what_is_allowed() {
    let server = TestDatabase::new();

    // The server of the tests asks this user, and nobody else, for a password.
    let wrong = server.address().as_user("counterfoil_password", "hush");
    let (error, line) = refusal(&wrong).await;
    assert!(matches!(error, StoreError::Unusable { .. }), "{line}");
    assert!(line.contains("password authentication failed"), "{line}");

    let unknown = server.address().as_user("counterfoil_nobody", "hush");
    let (error, line) = refusal(&unknown).await;
    assert!(matches!(error, StoreError::Unusable { .. }), "{line}");

    let gone = server.address();
    drop(server);
    let (error, line) = refusal(&gone).await;
    assert!(matches!(error, StoreError::Unusable { .. }), "{line}");
    assert!(line.contains("make the database"), "{line}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_server_that_is_down_at_the_start_is_told_as_such_and_opened_when_it_is_there() {
    let server = TestDatabase::new();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);

    let address = server.address().at_port(port);
    let (error, line) = refusal(&address).await;
    assert!(error.is_transient(), "{line}");
    assert!(line.contains("refused"), "{line}");

    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let (to, port) = server.address().host_and_port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let server = tokio::net::TcpStream::connect((to.as_str(), port)).await;
            let mut server = server.unwrap();
            tokio::spawn(async move {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    open(&address).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn with_fewer_connections_than_were_asked_for_readers_wait_and_are_answered() {
    let server = TestDatabase::new();
    let role = format!("{}_few", server.name());
    let make = format!(
        "CREATE ROLE {role} LOGIN CONNECTION LIMIT 3; \
        ALTER DATABASE {} OWNER TO {role}; ALTER SCHEMA public OWNER TO {role}",
        server.name()
    );
    server.run(&make).await;

    let address = server.address().as_user(&role, "");
    let database = open(&address).await.unwrap();
    let reads = join_all((0..40).map(|_| database.shards())).await;
    for read in reads {
        assert_eq!(read.unwrap(), Some(SHARDS));
    }
    database.close().await;

    let end = format!("ALTER DATABASE {} OWNER TO CURRENT_USER", server.name());
    server.run(&end).await;
    server
        .run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_server_that_vanishes_behind_reads_ends_them_all_and_their_connections() {
    let server = TestDatabase::new();
    let proxy = Proxy::to(&server.address()).await;
    let address = proxy.address(&server.address());
    let mut database = open(&address).await.unwrap();
    database.read = database.read.within(Duration::from_secs(2));

    let long = || Statement::from_string(DbBackend::Postgres, "SELECT pg_sleep(100)");
    let reading = (0..READERS).map(|_| {
        let read = database.read.clone();
        tokio::spawn(async move { read.query_one_raw(long()).await })
    });
    let reading: Vec<_> = reading.collect();
    let mut looking = server.connect().await;
    loop {
        let asked: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity \
            WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%'",
        )
        .fetch_one(&mut looking)
        .await
        .unwrap();
        if asked == i64::from(READERS) {
            break;
        }
    }

    proxy.plan(Plan::Stall);
    for read in reading {
        let error = database.failed(read.await.unwrap().unwrap_err());
        assert!(error.is_transient(), "{}", error.chain());
        assert!(error.chain().contains("not answered"), "{}", error.chain());
    }
    // Otherwise the next readers would wait for those that nobody answers any more.
    eventually(Duration::from_secs(20), || database.read.size() == 0).await;

    proxy.plan(Plan::Pass);
    assert_eq!(database.shards().await.unwrap(), Some(SHARDS));
}
