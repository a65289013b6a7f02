//! A store that stands still: another process holds its lock, or its disk is full. Callers hear of
//! it within seconds, readiness and log name store and cause, and the node ends when told to. When
//! the store is back, so is the node.

use std::future::IntoFuture;
use std::time::Duration;

use futures_util::future::join_all;
use rusqlite::Connection;
use tests::{Api, Call, Node, Response, eventually};

/// Above what a caller has to wait for an answer; without a bound, callers waited for the store.
const SOON: Duration = Duration::from_secs(12);

/// What a node may still log when its disk is full, in bytes.
const ROOM_FOR_THE_LOG: u64 = 64 * 1024;

/// A lock on a service's database, held by another process than the node's.
struct Lock(Connection);

impl Lock {
    fn on(node: &Node, service: &str) -> Self {
        let file = node.data().join(format!("{service}.db"));
        let connection = Connection::open(file).expect("the database opens");
        connection
            .execute_batch("BEGIN IMMEDIATE")
            .expect("the database can be locked");
        Lock(connection)
    }

    fn release(self) {
        self.0
            .execute_batch("ROLLBACK")
            .expect("the lock is given back");
    }
}

async fn soon(call: Call) -> Response {
    tokio::time::timeout(SOON, call.into_future())
        .await
        .expect("an answer comes soon, whatever the store does")
}

/// Asserts that a command is refused for now, and says when to try again.
#[track_caller]
fn is_unavailable(answer: &Response) {
    answer.is_problem(503);
    assert_eq!(answer.header("retry-after"), "1", "{}", answer.text);
}

/// Waits until the node says that it is not ready, and gives out why.
async fn until_not_ready(api: &Api) -> String {
    eventually("the node says that it is not ready", async || {
        let answer = soon(api.get("/health/ready")).await;
        (answer.status == 503).then(|| answer.str("detail").to_owned())
    })
    .await
}

async fn until_ready(api: &Api) {
    eventually("the node is ready again", async || {
        (soon(api.get("/health/ready")).await.status == 200).then_some(())
    })
    .await;
}

/// Sends a command until it is carried out.
async fn until_done(call: Call) -> Response {
    eventually("the command is carried out", async || {
        let answer = soon(call.clone()).await;
        (answer.status < 500).then_some(answer)
    })
    .await
}

/// Every read of the contract.
fn reads(api: &Api, customer: &str, order: &str) -> Vec<Call> {
    let paths = [
        "/customers",
        "/customers/count",
        &format!("/customers/{customer}"),
        &format!("/customers/{customer}?asOfVersion=1"),
        &format!("/customers/{customer}/orders"),
        &format!("/customers/{customer}/history"),
        "/orders",
        &format!("/orders/{order}"),
        &format!("/orders/{order}/history"),
        "/sagas",
        "/quarantine",
        "/views",
        "/cluster",
        "/metrics",
        "/health/live",
    ]
    .map(|path| api.get(path));
    paths.into_iter().collect()
}

#[tokio::test]
async fn a_locked_store_is_named_its_callers_are_told_soon_and_the_rest_goes_on() {
    let node = Node::start().await;
    let api = node.api();
    let ada = api.create_customer("Ada", "100.00").await;
    let before = api.place(&ada.id, "1.00", "APPROVED").await.id;

    for service in ["customers", "orders"] {
        let lock = Lock::on(&node, service);
        let key = format!("while-{service}-stands-still");
        let command = match service {
            "customers" => api.new_customer("Bea", "5.00").key(&key),
            _ => api.new_order(&ada.id, "2.00").key(&key),
        };

        // The first ones find out; later ones are told at once.
        for answer in join_all([(); 20].map(|()| soon(command.clone()))).await {
            is_unavailable(&answer);
        }

        let why = until_not_ready(&api).await;
        assert!(why.contains(service) && why.contains("locked"), "{why}");
        let health = node.cli().run(&["health", "--url", node.url()]).await;
        assert!(health.failed().only_line().contains(service));
        let log = node.log();
        let told: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("stands still") && line.contains(service))
            .collect();
        assert_eq!(told.len(), 1, "the log tells it once: {log}");
        assert!(told[0].contains("locked"), "{}", told[0]);

        for answer in join_all(reads(&api, &ada.id, &before).into_iter().map(soon)).await {
            assert!(answer.status == 200, "{service}: {}", answer.text);
        }

        lock.release();
        until_ready(&api).await;
        until_done(command).await.is(201);
    }

    let after = until_done(api.new_order(&ada.id, "3.00").wait(20)).await;
    assert_eq!(after.is(201).str("state"), "APPROVED");
    crate::books::audit(node).await;
}

#[tokio::test]
async fn who_waits_for_a_saga_whose_other_service_stands_still_is_answered_when_the_wait_is_over() {
    let node = Node::start().await;
    let api = node.api();
    let ada = api.create_customer("Ada", "100.00").await;

    let lock = Lock::on(&node, "customers");
    let order = soon(api.new_order(&ada.id, "1.00").wait(2)).await;
    assert_eq!(order.is(201).str("state"), "PENDING");
    lock.release();

    let orders = until_done(api.new_order(&ada.id, "2.00").wait(20)).await;
    assert_eq!(orders.is(201).str("state"), "APPROVED");
    crate::books::audit(node).await;
}

#[tokio::test]
async fn a_node_that_is_told_to_end_while_its_stores_stand_still_answers_everyone_and_ends() {
    let mut node = Node::start().await;
    let api = node.api();
    let ada = api.create_customer("Ada", "1000.00").await;

    // Those who wait for sagas have had their orders accepted.
    let customers = Lock::on(&node, "customers");
    let waiting: Vec<_> = (0..20)
        .map(|_| tokio::spawn(api.new_order(&ada.id, "1.00").wait(30).answer()))
        .collect();
    eventually("all orders are accepted", async || {
        let orders = api.get("/orders").query("limit", "200").await;
        (orders.items("orders").len() == waiting.len()).then_some(())
    })
    .await;

    // These wait for a commit that does not come.
    let orders = Lock::on(&node, "orders");
    let hanging: Vec<_> = (0..20)
        .map(|_| tokio::spawn(api.new_order(&ada.id, "1.00").answer()))
        .collect();
    eventually("they are worked on", async || {
        let metrics = api.get("/metrics").await.text;
        metrics
            .contains("counterfoil_http_in_flight{what=\"commands\"} 20")
            .then_some(())
    })
    .await;

    node.ask_to_terminate();
    for answer in join_all(waiting).await {
        let answer = answer.expect("a task").expect("an answer");
        assert_eq!(answer.is(201).str("state"), "PENDING");
    }
    for answer in join_all(hanging).await {
        is_unavailable(&answer.expect("a task").expect("an answer"));
    }
    node.has_terminated().await;

    // Nothing is half written: everything accepted goes on, at the next start.
    customers.release();
    orders.release();
    node.restart().await;
    eventually("every order has ended", async || {
        let found = node.api().get("/orders").query("state", "APPROVED").await;
        (found.json["total"] == 20).then_some(())
    })
    .await;
    crate::books::audit(node).await;
}

#[tokio::test]
async fn a_disk_that_is_full_is_named_and_costs_nothing_that_was_confirmed() {
    let mut node = Node::start().await;
    let api = node.api();
    let ada = api.create_customer("Ada", "100000.00").await;

    node.fill_the_disk(ROOM_FOR_THE_LOG);
    let mut accepted = Vec::new();
    let refused = loop {
        let answer = soon(
            api.new_order(&ada.id, "1.00")
                .key(&accepted.len().to_string()),
        )
        .await;
        match answer.status {
            201 => accepted.push(answer.str("orderId").to_owned()),
            _ => break answer,
        }
        assert!(accepted.len() < 100_000, "the disk is never full");
    };
    is_unavailable(&refused);
    let why = until_not_ready(&api).await;
    assert!(why.contains("database stands still"), "{why}");
    assert!(node.log().contains("the store stands still"));

    // It ends in order all the same, and everything that was confirmed is there.
    node.terminate().await;
    node.restart().await;
    let api = node.api();
    let again = until_done(
        api.new_order(&ada.id, "1.00")
            .key(&accepted.len().to_string()),
    )
    .await;
    again.is(201);
    for order in &accepted {
        api.order(order).query("asOfVersion", "1").await.is(200);
    }
    crate::books::audit(node).await;
}

#[tokio::test]
async fn room_made_on_a_full_disk_brings_the_node_back() {
    comes_back_from_a_disk_with(ROOM_FOR_THE_LOG).await;
}

#[tokio::test]
async fn a_log_that_cannot_be_written_costs_its_lines_and_nothing_else() {
    comes_back_from_a_disk_with(0).await;
}

/// Fills the disk up to so many bytes, and makes room again.
async fn comes_back_from_a_disk_with(room: u64) {
    let node = Node::start().await;
    let api = node.api();
    let ada = api.create_customer("Ada", "100000.00").await;

    node.fill_the_disk(room);
    let mut number = 0;
    loop {
        number += 1;
        let order = api.new_order(&ada.id, "1.00").key(&number.to_string());
        if soon(order).await.status == 503 {
            break;
        }
    }
    until_not_ready(&api).await;

    node.make_room_on_the_disk();
    until_ready(&api).await;
    // Of every shard, so that none has been lost.
    let orders = (0..64).map(|after| {
        let order = api
            .new_order(&ada.id, "1.00")
            .key(&format!("after-{after}"));
        until_done(order.wait(20))
    });
    for order in join_all(orders).await {
        assert_eq!(order.is(201).str("state"), "APPROVED");
    }
    crate::books::audit(node).await;
}

#[tokio::test]
async fn a_node_that_says_nothing_at_all_is_not_healthy() {
    let node = Node::start().await;
    node.pause();
    let health = node.cli().run(&["health", "--url", node.url()]).await;
    health.failed().only_line();
    node.resume();
    node.cli()
        .run(&["health", "--url", node.url()])
        .await
        .succeeded();
}

#[tokio::test]
async fn a_journal_that_cannot_go_on_ends_the_node_loudly_and_everyone_is_answered() {
    let mut node = Node::start_with(&[("COUNTERFOIL_FAULTS", "panic-journal=1")]).await;
    let api = node.api();
    let calls = (0..10).map(|number| {
        let key = number.to_string();
        api.new_customer("Ada", "10.00").key(&key).answer()
    });
    for answer in join_all(calls).await {
        let answer = answer.expect("an answer");
        assert!([201, 500, 503].contains(&answer.status), "{}", answer.text);
    }

    // All of these may have shared one commit; the journal gives up after several.
    for number in 10..100 {
        let key = number.to_string();
        let answer = api.new_customer("Ada", "10.00").key(&key).answer().await;

        // A node that has ended answers no more.
        let Ok(answer) = answer else { break };
        assert!([201, 500, 503].contains(&answer.status), "{}", answer.text);
    }

    node.fails().await;
    let log = node.log();
    assert!(log.contains("the journal of customers has ended"), "{log}");

    node.restart_with(&[]).await;
    let api = node.api();
    for number in 0..10 {
        let key = number.to_string();
        api.new_customer("Ada", "10.00").key(&key).await.is(201);
    }
    crate::books::audit(node).await;
}
