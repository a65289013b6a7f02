//! Orders without sagas: services that react to each other's events. Callers see the same, but for
//! the sagas; what is particular to it is here, and the whole suite runs on it, too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use tests::{Api, CHOREOGRAPHED, Node, ORCHESTRATED, Response, Shared, cents, eventually};
use uuid::Uuid;

use crate::{books, quarantine};

/// The customer named so panics over every command.
const STUCK: (&str, &str) = ("COUNTERFOIL_FAULTS", "panic-customer=Stuck");
/// The shortest deadline.
const SOON: (&str, &str) = ("COUNTERFOIL_SAGA_DEADLINE", "1s");

static NODE: Shared<Node> = Shared::new();

async fn start() -> Node {
    Node::start_with(&[CHOREOGRAPHED]).await
}

/// Asserts that an answer names no saga.
#[track_caller]
fn has_no_saga(answer: &Response) {
    assert!(answer.json.get("sagaId").is_none(), "{}", answer.text);
}

#[tokio::test]
async fn an_order_ends_as_its_customer_tells_and_no_saga_is_there() {
    let node = NODE.get(start).await;
    let api = node.api();
    let ada = api.create_customer("Ada Park", "15.00").await;

    let approved = api.new_order(&ada.id, "12.34").wait(30).await.is(201);
    let rejected = api.new_order(&ada.id, "2.67").wait(30).await.is(201);
    let nobody = Uuid::now_v7().to_string();
    let unknown = api.new_order(&nobody, "1.00").wait(30).await.is(201);

    for (answer, state, reason) in [
        (&approved, "APPROVED", None),
        (&rejected, "REJECTED", Some("INSUFFICIENT_CREDIT")),
        (&unknown, "REJECTED", Some("UNKNOWN_CUSTOMER")),
    ] {
        answer.is_command_answer();
        has_no_saga(answer);
        assert_eq!(answer.str("state"), state, "{}", answer.text);
        assert_eq!(answer.json["version"], 2);
        assert_eq!(answer.json["rejectionReason"].as_str(), reason);
    }
    let token = approved.token();
    assert_eq!(api.available_cents(&ada.id, &token).await, 266);
    let sagas = api.get("/sagas").await.is(200);
    assert!(sagas.items("sagas").is_empty(), "{}", sagas.text);
}

#[tokio::test]
async fn a_refusal_changes_nobody_and_a_customer_that_is_not_there_comes_about_at_version_1() {
    let node = NODE.get(start).await;
    let api = node.api();
    let ada = api.create_customer("Ada Park", "15.00").await;
    let key = Uuid::now_v7().to_string();

    let rejected = api.new_order(&ada.id, "99.00").wait(30).await.is(201);

    let token = rejected.token();
    let shown = api.customer(&ada.id).token(&token).await.is(200);
    assert_eq!(shown.json["version"], 1);
    let history = api.get(&format!("/customers/{}/history", ada.id)).await;
    assert_eq!(history.is(200).items("events").len(), 1);

    // The order is there before its customer.
    let first = api.new_customer("Bea", "5.00").key(&key).await.is(201);
    assert_eq!(first.json["version"], 1);
    let id = first.str("customerId");
    let order = api.place(id, "5.00", "APPROVED").await;
    assert_eq!(api.available_cents(id, &order.token).await, 0);
}

#[tokio::test]
async fn a_cancel_is_answered_after_the_release_and_joined_while_it_is_under_way() {
    let node = NODE.get(start).await;
    let api = node.api();
    let ada = api.create_customer("Ada Park", "15.00").await;
    let order = api.place(&ada.id, "12.34", "APPROVED").await;

    let answers = join_all((0..5).map(|_| api.cancel(&order.id).wait(30).into_future())).await;

    for answer in &answers {
        answer.is_command_answer();
        has_no_saga(answer);
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.str("state"), "CANCELLED");
        assert_eq!(answer.json["version"], 4);
        let available = api.available_cents(&ada.id, &answer.token()).await;
        assert_eq!(available, 1500);
    }
    has_no_saga(&api.cancel(&order.id).await.is(200));
}

#[tokio::test]
async fn a_repeat_with_its_key_is_told_the_same_without_a_saga() {
    let node = NODE.get(start).await;
    let api = node.api();
    let ada = api.create_customer("Ada Park", "15.00").await;
    let (create, cancel) = (Uuid::now_v7().to_string(), Uuid::now_v7().to_string());

    let first = api.new_order(&ada.id, "12.34").key(&create).await.is(201);
    let order = first.str("orderId");
    let waited = api.new_order(&ada.id, "12.34").key(&create).wait(30).await;
    assert_eq!(waited.is(201).str("state"), "APPROVED");
    api.cancel(order).key(&cancel).wait(30).await.is(200);

    for _ in 0..2 {
        let again = api.new_order(&ada.id, "12.34").key(&create).await.is(201);
        has_no_saga(&again);
        assert_eq!(again.str("orderId"), order);
        assert_eq!(again.str("state"), "CANCELLED");
        let token = again.token();
        assert_eq!(api.available_cents(&ada.id, &token).await, 1500);
        api.cancel(order).key(&cancel).wait(1).await.is(200);
    }
    api.new_order(&ada.id, "1.00")
        .key(&create)
        .await
        .is_problem(422);
}

#[tokio::test]
async fn an_order_whose_customer_does_not_answer_in_time_is_rejected_and_holds_nothing_later() {
    let (mut node, customer) = node_with_stuck_customer(&[CHOREOGRAPHED, SOON]).await;
    let api = node.api();

    let order = api.new_order(&customer, "12.34").wait(30).await.is(201);
    assert_eq!(order.str("state"), "REJECTED", "{}", order.text);
    assert_eq!(order.str("rejectionReason"), "TIMED_OUT");

    // The customer works again, and reserves only now.
    node.kill();
    node.restart_with(&[CHOREOGRAPHED]).await;
    let api = node.api();
    quarantine::replay_until_empty(&api).await;
    holds_nothing_in_the_end(&api, &customer).await;
    books::audit(node).await;
}

/// Nobody would ask for it again.
#[tokio::test]
async fn the_release_of_an_order_that_was_given_up_cannot_be_discarded() {
    let (mut node, customer) = node_with_stuck_customer(&[CHOREOGRAPHED, SOON]).await;
    let api = node.api();
    let order = api.new_order(&customer, "12.34").wait(30).await.is(201);
    assert_eq!(order.str("rejectionReason"), "TIMED_OUT");

    let reserve = first_of(&api, &customer, "customer.reserve-credit").await;
    api.call(Method::DELETE, &reserve).await.is(204);
    let release = first_of(&api, &customer, "customer.release-credit").await;
    api.call(Method::DELETE, &release).await.is_problem(409);
    let all = json!({"action": "discard", "filter": {"service": "customers"}});
    let outcome = api.post("/quarantine/bulk").json(all).await.is(200);
    assert_eq!(
        (&outcome.json["done"], &outcome.json["refused"]),
        (&0.into(), &1.into())
    );

    node.terminate().await;
    node.restart_with(&[CHOREOGRAPHED]).await;
    let api = node.api();
    quarantine::replay_until_empty(&api).await;
    let order = api.place(&customer, "15.00", "APPROVED").await;
    assert_eq!(api.available_cents(&customer, &order.token).await, 0);
    books::audit(node).await;
}

/// A cancel asks again at each deadline, as long as its customer cannot answer.
#[tokio::test]
async fn reminders_of_a_cancel_do_not_pile_up_in_quarantine() {
    let mut node = start().await;
    let api = node.api();
    let customer = api.create_customer("Stuck", "15.00").await.id;
    let order = api.place(&customer, "10.00", "APPROVED").await.id;
    node.terminate().await;
    node.restart_with(&[CHOREOGRAPHED, SOON, STUCK]).await;
    let api = node.api();
    api.cancel(&order).await.is(202);
    first_of(&api, &customer, "customer.release-credit").await;

    let count = |sql: &str| {
        let database = node.data().join("customers.db");
        let database = rusqlite::Connection::open(database).expect("a database");
        let found: i64 = database
            .query_row(sql, (), |row| row.get(0))
            .expect("a number");
        found
    };
    tests::eventually("it has asked again and again", async || {
        let asked = "SELECT count(*) FROM outbox WHERE messages LIKE '%release-credit%'";
        (count(asked) >= 6).then_some(())
    })
    .await;
    let waiting = count("SELECT count(*) FROM parked_messages");
    assert!(waiting <= 2, "{waiting} messages wait");

    node.terminate().await;
    node.restart_with(&[CHOREOGRAPHED]).await;
    let api = node.api();
    quarantine::replay_until_empty(&api).await;
    quarantine::order_reaches(&api, &order, "CANCELLED").await;
    books::audit(node).await;
}

#[tokio::test]
async fn an_edit_of_what_could_not_be_read_asks_for_what_its_order_does() {
    let (mut node, customer) = node_with_stuck_customer(&[CHOREOGRAPHED]).await;
    let api = node.api();
    let order = api.new_order(&customer, "10.00").await.is(201);
    let path = first_of(&api, &customer, "customer.reserve-credit").await;
    let other = api.new_order(&customer, "5.00").await.is(201);

    node.terminate().await;
    let id = path.rsplit('/').next().expect("an id");
    quarantine::replace_body(&node, id, r#"{"orderId":"x"}"#);
    node.restart_with(&[CHOREOGRAPHED]).await;

    let api = node.api();
    let (order, other) = (order.str("orderId"), other.str("orderId"));
    quarantine::is_edited_as_its_order_asks(&api, &path, order, (other, "5.00"), true).await;
    quarantine::replay_until_empty(&api).await;
    for order in [order, other] {
        quarantine::order_reaches(&api, order, "APPROVED").await;
    }
    books::audit(node).await;
}

/// Credit that is durably reserved is heard of before a deadline that has passed meanwhile.
#[tokio::test]
async fn a_process_that_stood_still_beyond_the_deadline_approves_what_has_its_credit() {
    // Few orders are between the two services at the moment at which it stops.
    for _ in 0..4 {
        stands_still_beyond_the_deadline().await;
    }
}

async fn stands_still_beyond_the_deadline() {
    // Long enough for a slow machine, on which orders must not time out before it stops.
    let deadline = ("COUNTERFOIL_SAGA_DEADLINE", "3s");
    let node = Node::start_with(&[CHOREOGRAPHED, deadline]).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "100000.00").await.id;
    let stop = AtomicBool::new(false);
    let calls = (0..24).map(|_| async {
        while !stop.load(Ordering::Relaxed) {
            // One that waits too long has no answer; what is reserved tells its order.
            let _ = api.new_order(&customer, "1.00").wait(1).answer().await;
        }
    });

    let freezes = async {
        eventually("orders have their credit", async || {
            (ids(&node, "customers", RESERVED).len() >= 50).then_some(())
        })
        .await;
        node.freeze();
        // On a slow machine some may have been given up before.
        let young = ids(&node, "orders", YOUNG);
        let mut reserved = ids(&node, "customers", RESERVED);
        reserved.retain(|order| young.contains(order));
        // The deadline, which passes while nothing runs.
        tokio::time::sleep(Duration::from_millis(3500)).await;
        node.goes_on();
        stop.store(true, Ordering::Relaxed);
        reserved
    };
    let (_, reserved) = tokio::join!(join_all(calls), freezes);
    for order in reserved {
        quarantine::order_reaches(&api, &order.to_string(), "APPROVED").await;
    }
    books::audit(node).await;
}

const RESERVED: &str = "SELECT order_id FROM reservations";
/// Half of the deadline has not passed yet.
const YOUNG: &str = "SELECT order_id FROM orders \
    WHERE created_at > (strftime('%s', 'now') * 1000000 - 1500000)";

/// What a query finds in the database of a service: nothing where a process that stands still has
/// locked it, and then that time tells nothing.
fn ids(node: &Node, service: &str, query: &str) -> Vec<Uuid> {
    let found = || {
        let file = node.data().join(format!("{service}.db"));
        let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut query = database.prepare(query)?;
        let found = query.query_map([], |row| row.get::<_, [u8; 16]>(0))?;
        found.collect::<rusqlite::Result<Vec<_>>>()
    };
    let found = found().unwrap_or_default().into_iter();
    found.map(Uuid::from_bytes).collect()
}

#[tokio::test]
async fn a_deadline_outlives_the_process() {
    let (mut node, customer) = node_with_stuck_customer(&[CHOREOGRAPHED, SOON]).await;
    let order = node.api().new_order(&customer, "12.34").await.is(201);

    node.kill();
    node.restart_with(&[CHOREOGRAPHED, SOON, STUCK]).await;

    let api = node.api();
    quarantine::order_reaches(&api, order.str("orderId"), "REJECTED").await;
    node.cli().run(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn what_is_under_way_ends_as_it_began_when_the_setting_changes() {
    for (before, after) in [(ORCHESTRATED, CHOREOGRAPHED), (CHOREOGRAPHED, ORCHESTRATED)] {
        let mut node = Node::start_with(&[before]).await;
        let api = node.api();
        let customer = api.create_customer("Stuck", "15.00").await.id;
        let cancelled = api.place(&customer, "5.00", "APPROVED").await.id;
        node.terminate().await;
        node.restart_with(&[before, STUCK]).await;
        let api = node.api();
        let pending = api.new_order(&customer, "7.00").await.is(201);
        let pending = pending.str("orderId");
        api.cancel(&cancelled).await.is(202);

        node.kill();
        node.restart_with(&[after]).await;
        let api = node.api();
        quarantine::replay_until_empty(&api).await;
        quarantine::order_reaches(&api, &cancelled, "CANCELLED").await;
        quarantine::order_reaches(&api, pending, "APPROVED").await;

        // And what begins now, begins in the other way.
        let cancel = api.cancel(pending).wait(30).await.is(200);
        let has_saga = cancel.json.get("sagaId").is_some();
        assert_eq!(has_saga, after == ORCHESTRATED, "{}", cancel.text);
        let order = api.place(&customer, "15.00", "APPROVED").await;
        assert_eq!(api.available_cents(&customer, &order.token).await, 0);
        books::audit(node).await;
    }
}

#[tokio::test]
async fn orders_and_cancels_under_way_end_after_kills() {
    let mut node = start().await;
    let customer = node.api().create_customer("Ada", "60.00").await.id;
    let mut approved = Vec::new();

    for _ in 0..4 {
        let api = node.api();
        let orders = (0..10).map(|_| api.new_order(&customer, "1.00").answer());
        let cancels = approved.drain(..).map(|order: String| {
            let call = api.cancel(&order);
            async move { (order, call.answer().await) }
        });
        let (orders, _) = tokio::join!(join_all(orders), join_all(cancels));
        approved.extend(orders.into_iter().flatten().filter_map(|answer| {
            let order = answer.json["orderId"].as_str()?;
            Some(order.to_owned())
        }));
        // At once, while the services tell each other.
        node.kill();
        node.restart().await;
    }

    let api = node.api();
    books::no_order_waits(&api).await;
    let books = books::balance(&api, std::slice::from_ref(&customer)).await;
    assert!(!books[&customer].is_empty());
    books::audit(node).await;
}

/// A node on which a customer panics over every command.
async fn node_with_stuck_customer(env: &[(&str, &str)]) -> (Node, String) {
    let mut node = start().await;
    let customer = node.api().create_customer("Stuck", "15.00").await.id;
    node.terminate().await;
    let env: Vec<_> = env.iter().copied().chain([STUCK]).collect();
    node.restart_with(&env).await;
    (node, customer)
}

/// The path of the customer's first message, when it is one of this name and in quarantine.
async fn first_of(api: &Api, customer: &str, name: &str) -> String {
    tests::eventually(&format!("{name} is in quarantine"), async || {
        let parked = quarantine::entries_of(api, customer).await;
        let first = parked
            .first()
            .filter(|entry| entry["messageType"] == name)?;
        Some(format!("/quarantine/{}", quarantine::id_of(first)))
    })
    .await
}

/// Waits until all of the credit is free, which an order that takes all of it proves.
async fn holds_nothing_in_the_end(api: &Api, customer: &str) {
    books::no_order_waits(api).await;
    tests::eventually("the credit is free", async || {
        let shown = api.customer(customer).await.is(200);
        let events = shown.json["version"].as_u64()?;
        let is_free = cents(&shown.json["availableCredit"]) == 1500;
        // It was reserved and released.
        (is_free && events == 3).then_some(())
    })
    .await;

    let order = api.place(customer, "15.00", "APPROVED").await;
    assert_eq!(api.available_cents(customer, &order.token).await, 0);
}
