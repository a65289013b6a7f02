//! What an operator does about sagas and messages that do not get on: one by one, and many at once.
//!
//! A saga gets stuck here because its customer panics over every command, and a compensation is
//! tried once.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Api, Node, ORCHESTRATED, Response, eventually};
use uuid::Uuid;

use crate::quarantine;

/// It has sagas, whatever the run is about.
const IMPATIENT: [(&str, &str); 3] = [
    ORCHESTRATED,
    ("COUNTERFOIL_SAGA_RETRY", "10ms"),
    ("COUNTERFOIL_SAGA_ATTEMPTS", "1"),
];
const PANICKING: (&str, &str) = ("COUNTERFOIL_FAULTS", "panic-customer=Stuck");

/// A node whose customer panics, and orders of its whose sagas are stuck.
struct Stuck {
    node: Node,
    customer: String,
    orders: Vec<Response>,
}

impl Stuck {
    async fn with_orders(number: usize) -> Self {
        let mut node = Node::start_with(&IMPATIENT).await;
        let customer = node.api().create_customer("Stuck", "100.00").await.id;
        node.terminate().await;
        node.restart_with(&[IMPATIENT[0], IMPATIENT[1], IMPATIENT[2], PANICKING])
            .await;

        let api = node.api();
        let mut orders = Vec::new();
        for _ in 0..number {
            let order = api.new_order(&customer, "10.00").await.is(201);
            let cancel = format!("/sagas/{}/cancel", order.str("sagaId"));
            let reason = json!({"reason": "the test says so"});
            api.post(&cancel).json(reason).await.is(202);
            orders.push(order);
        }
        for order in &orders {
            reaches(&api, order.str("sagaId"), "STUCK").await;
        }
        Stuck {
            node,
            customer,
            orders,
        }
    }

    /// The customer's first message, when it is in quarantine.
    async fn first_parked(&self) -> Value {
        let api = self.node.api();
        eventually("its message is in quarantine", async || {
            let found = quarantine::entries_of(&api, &self.customer).await;
            found.into_iter().next()
        })
        .await
    }

    /// The customer works again; whatever was parked for it is put back.
    async fn mended(&mut self) {
        self.node.terminate().await;
        self.node.restart_with(&IMPATIENT).await;
        quarantine::replay_until_empty(&self.node.api()).await;
    }

    /// Nothing is held for the orders, and the auditor finds nothing wrong.
    async fn nothing_is_held(&self) {
        let api = self.node.api();
        eventually("the credit is free", async || {
            let shown = api.customer(&self.customer).answer().await.ok()?;
            (shown.json["availableCredit"]["amount"] == "100.00").then_some(())
        })
        .await;
        self.node.cli().run(&["verify"]).await.succeeded();
    }
}

async fn reaches(api: &Api, saga: &str, state: &str) -> Response {
    eventually(&format!("saga {saga} is {state}"), async || {
        let shown = api.saga(saga).await.is(200);
        (shown.str("state") == state).then_some(shown)
    })
    .await
}

fn actions(shown: &Response) -> Vec<(&str, &str, &str)> {
    shown
        .items("actions")
        .iter()
        .map(|one| {
            (
                one["action"].as_str().unwrap_or_default(),
                one["by"].as_str().unwrap_or_default(),
                one["reason"].as_str().unwrap_or_default(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_stuck_saga_that_is_given_up_lets_go_of_its_order_and_in_the_end_of_the_credit() {
    let mut stuck = Stuck::with_orders(1).await;
    let api = stuck.node.api();
    let (order, saga) = (
        stuck.orders[0].str("orderId"),
        stuck.orders[0].str("sagaId"),
    );
    let abandon = format!("/sagas/{saga}/abandon");

    let given_up = api
        .post(&abandon)
        .json(json!({"reason": "the customer is gone"}))
        .await
        .is(202);
    assert_eq!(given_up.str("state"), "ABANDONED");
    quarantine::order_reaches(&api, order, "REJECTED").await;

    let shown = api.saga(saga).await.is(200);
    assert_eq!(
        actions(&shown),
        [
            ("saga.cancelled", "anonymous", "the test says so"),
            ("saga.abandoned", "anonymous", "the customer is gone"),
        ]
    );
    let about = api.get("/actions").query("about", order).await.is(200);
    assert_eq!(about.items("actions").len(), 2, "{}", about.text);
    let listed = api.get("/sagas").query("state", "ABANDONED").await.is(200);
    assert_eq!(listed.each("sagas", "sagaId"), [saga]);
    api.post(&format!("/sagas/{saga}/retry"))
        .await
        .is_problem(409);

    // Its last word waits with the customer's other messages: that is no violation.
    stuck.node.cli().run(&["verify"]).await.succeeded();
    stuck.mended().await;
    stuck.nothing_is_held().await;
    let sampled = ["verify", "--sample", "10"];
    stuck.node.cli().run(&sampled).await.succeeded();
}

#[tokio::test]
async fn a_node_audits_itself_and_shows_what_it_has_found() {
    let node = Node::start_with(&[("COUNTERFOIL_AUDIT_INTERVAL", "1s")]).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "15.00").await;
    api.place(&customer.id, "12.34", "APPROVED").await;

    eventually("an audit has looked at the order", async || {
        let scrape = api.get("/metrics").await.is(200).text;
        let is_seen = scrape.contains("counterfoil_audit_checked{invariant=\"reservations\"} 1");
        (is_seen && scrape.contains("counterfoil_audit_violations{invariant=\"credit\"} 0"))
            .then_some(())
    })
    .await;
}

/// The customer holds the credit of an order whose cancel is given up.
#[tokio::test]
async fn the_last_word_of_a_saga_that_was_given_up_cannot_be_discarded() {
    let mut stuck = Stuck::with_orders(0).await;
    stuck.node.terminate().await;
    stuck.node.restart_with(&IMPATIENT).await;
    let api = stuck.node.api();
    let order = api.place(&stuck.customer, "10.00", "APPROVED").await;

    stuck.node.terminate().await;
    stuck
        .node
        .restart_with(&[IMPATIENT[0], IMPATIENT[1], IMPATIENT[2], PANICKING])
        .await;
    let api = stuck.node.api();
    let cancel = api.cancel(&order.id).await.is(202);
    let saga = cancel.str("sagaId");
    api.post(&format!("/sagas/{saga}/cancel")).await.is(202);
    reaches(&api, saga, "STUCK").await;
    let abandon = format!("/sagas/{saga}/abandon");
    api.post(&abandon).await.is(202);
    quarantine::order_reaches(&api, &order.id, "CANCELLED").await;
    stuck.node.cli().run(&["verify"]).await.succeeded();

    let first = quarantine::id_of(&stuck.first_parked().await);
    let path = format!("/quarantine/{first}");
    api.call(Method::DELETE, &path).await.is_problem(409);
    let discard = json!({"action": "discard", "filter": {"service": "customers"}});
    let outcome = api.post("/quarantine/bulk").json(discard).await.is(200);
    assert_eq!(
        (&outcome.json["done"], &outcome.json["refused"]),
        (&0.into(), &1.into()),
        "{}",
        outcome.text
    );

    stuck.mended().await;
    stuck.nothing_is_held().await;
}

#[tokio::test]
async fn a_saga_that_is_under_way_or_has_ended_cannot_be_given_up() {
    let node = Node::start_with(&[ORCHESTRATED]).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "15.00").await;
    let order = api.place(&customer.id, "12.34", "APPROVED").await;

    let abandon = format!("/sagas/{}/abandon", order.saga);
    api.post(&abandon).await.is_problem(409);
    assert!(
        api.saga(&order.saga)
            .await
            .is(200)
            .json
            .get("actions")
            .is_none()
    );
}

#[tokio::test]
async fn what_waits_for_an_operator_is_told_by_readiness_and_what_stops_an_order_by_explain() {
    let stuck = Stuck::with_orders(1).await;
    let api = stuck.node.api();
    let parked = stuck.first_parked().await;

    eventually("both are named", async || {
        let ready = api.get("/health/ready").await.is(200);
        let told = ready.json["degraded"].to_string();
        let is_named = |what: &str| told.contains(what);
        (is_named("1 sagas are stuck") && is_named("1 messages wait in quarantine")).then_some(())
    })
    .await;

    let (order, url) = (stuck.orders[0].str("orderId"), stuck.node.url());
    let line = ["explain", order, "--url", url];
    let told = stuck.node.cli().run(&line).await.succeeded().stdout;
    let id = quarantine::id_of(&parked);
    let cause = parked["cause"].as_str().expect("a text");
    for part in [
        &format!("open: in quarantine: message {id}"),
        cause,
        "by anonymous: the test says so",
    ] {
        assert!(told.contains(part), "{part} in\n{told}");
    }
}

#[tokio::test]
async fn many_sagas_are_given_up_at_once_and_a_repeat_gets_the_same_answer() {
    let mut stuck = Stuck::with_orders(5).await;
    let api = stuck.node.api();
    let bulk = async |key: &str, body: Value| api.post("/sagas/bulk").key(key).json(body).await;

    let looked = json!({"action": "abandon", "dryRun": true});
    let looked = bulk("look", looked).await.is(200);
    assert_eq!(
        (&looked.json["matched"], &looked.json["done"]),
        (&json!(5), &json!(0))
    );
    let still = api.get("/sagas").query("state", "STUCK").await.is(200);
    assert_eq!(still.items("sagas").len(), 5);

    // A look is bound to its key as everything else is.
    assert_eq!(
        bulk("look", json!({"action": "abandon", "dryRun": true}))
            .await
            .is(200)
            .json,
        looked.json
    );
    bulk("look", json!({"action": "abandon", "dryRun": false}))
        .await
        .is_problem(422);

    let two = json!({"action": "abandon", "limit": 2, "reason": "it is gone"});
    let first = bulk("two", two.clone()).await.is(200);
    assert_eq!(
        (&first.json["matched"], &first.json["done"]),
        (&json!(2), &json!(2))
    );
    assert!(first.next().is_some(), "{}", first.text);
    assert_eq!(bulk("two", two.clone()).await.is(200).json, first.json);
    let other = json!({"action": "abandon", "limit": 3});
    bulk("two", other).await.is_problem(422);

    // The answer outlives the node.
    stuck.node.kill();
    stuck.node.restart().await;
    let api = stuck.node.api();
    let again = api.post("/sagas/bulk").key("two").json(two).await.is(200);
    assert_eq!(again.json, first.json);

    let url = stuck.node.url().to_owned();
    let line = [
        "sagas", "bulk", "abandon", "--reason", "the rest", "--url", &url,
    ];
    let rest = stuck.node.cli().run(&line).await.succeeded();
    assert!(
        rest.stdout.contains("3 sagas matched, 3 done, 0 refused"),
        "{}",
        rest.stdout
    );
    let left = api.get("/sagas").query("state", "STUCK").await.is(200);
    assert!(left.items("sagas").is_empty(), "{}", left.text);

    stuck.mended().await;
    stuck.nothing_is_held().await;
}

#[tokio::test]
async fn many_stuck_sagas_try_again_at_once_and_compensate() {
    let mut stuck = Stuck::with_orders(3).await;
    stuck.first_parked().await;
    stuck.node.terminate().await;
    stuck.node.restart_with(&IMPATIENT).await;
    let api = stuck.node.api();

    let retry = json!({
        "action": "retry", "filter": {"cause": "THE TEST SAYS"}, "reason": "it is up again"
    });
    let retried = api.post("/sagas/bulk").json(retry).await.is(200);
    assert_eq!(retried.json["done"], 3, "{}", retried.text);
    for order in &stuck.orders {
        let shown = api.saga(order.str("sagaId")).await.is(200);
        let last = ("saga.retried", "anonymous", "it is up again");
        assert_eq!(actions(&shown).last(), Some(&last), "{}", shown.text);
    }

    // Nothing answers before the customer's messages are replayed.
    let replayed = json!({"action": "replay", "filter": {"service": "customers"}});
    let replayed = api.post("/quarantine/bulk").json(replayed).await.is(200);
    assert_eq!(replayed.json["done"], 1, "{}", replayed.text);
    for order in &stuck.orders {
        reaches(&api, order.str("sagaId"), "COMPENSATED").await;
    }
    stuck.nothing_is_held().await;
}

#[tokio::test]
async fn a_parked_message_is_found_by_its_cause_edited_and_replayed_once() {
    let mut stuck = Stuck::with_orders(1).await;
    let api = stuck.node.api();
    let parked = stuck.first_parked().await;
    let (id, path) = (
        quarantine::id_of(&parked),
        format!("/quarantine/{}", quarantine::id_of(&parked)),
    );

    let causes = api.get("/quarantine/causes").await.is(200);
    let cause = causes.items("causes")[0]["cause"].as_str().expect("a text");
    assert_eq!(causes.items("causes")[0]["messages"], 1, "{}", causes.text);
    let of_cause = api.get("/quarantine").query("cause", cause).await.is(200);
    assert_eq!(of_cause.each("quarantine", "id"), std::slice::from_ref(&id));
    // What stands for an id stands for nothing else, and a letter for itself.
    for (text, is_in_it) in [("{id}", cause.contains("{id}")), ("é", false)] {
        let found = api.get("/quarantine").query("cause", text).await.is(200);
        let found = found.items("quarantine").len();
        assert_eq!(found, usize::from(is_in_it), "{text} in {cause}");
    }
    let none = api.get("/quarantine").query("type", "order.create").await;
    assert!(none.is(200).items("quarantine").is_empty());

    stuck.node.terminate().await;
    stuck.node.restart_with(&IMPATIENT).await;
    let api = stuck.node.api();
    let shown = api.get(&path).await.is(200);
    let body = shown.json["message"]["body"].clone();
    assert!(body.is_object(), "{}", shown.text);

    let put = |body: Value| {
        let edit = json!({"body": body, "reason": "it was wrong"});
        api.call(Method::PUT, &path).json(edit)
    };
    put(json!({"amount": "a lot"})).await.is_problem(409);
    // Others count on what it asks for.
    for (field, other) in [
        ("orderId", json!(Uuid::now_v7())),
        ("amount", json!({"amount": "0.01"})),
        ("announced", json!(true)),
    ] {
        let mut edited = body.clone();
        edited[field] = other;
        put(edited).await.is_problem(409);
    }
    put(body.clone()).key("edit").await.is(200);
    put(body.clone()).key("edit").await.is(200);
    let edited = api.get(&path).await.is(200);
    assert_eq!(
        actions(&edited),
        [("message.edited", "anonymous", "it was wrong")]
    );
    assert_eq!(edited.json["actions"][0]["detail"]["body"], body);

    let replay = || api.post(&format!("{path}/replay")).key("replay");
    for answer in join_all((0..8).map(|_| replay().answer())).await {
        answer.expect("an answer").is(202);
    }
    eventually("it is processed", async || {
        (api.get(&path).await.status == 404).then_some(())
    })
    .await;
    replay().await.is(202);
    let done = api.get("/actions").query("about", &id).await.is(200);
    assert_eq!(
        done.each("actions", "action"),
        ["message.replayed", "message.edited"]
    );
    let other = replay().json(json!({"reason": "another"}));
    other.await.is_problem(422);
    api.post(&format!("{path}/replay")).await.is_problem(404);

    quarantine::replay_until_empty(&api).await;
    let retry = format!("/sagas/{}/retry", stuck.orders[0].str("sagaId"));
    let _ = api.post(&retry).await;
    reaches(&api, stuck.orders[0].str("sagaId"), "COMPENSATED").await;
    stuck.nothing_is_held().await;
}

/// Whoever mends what cannot be read may not have it ask for anything else than its order does.
#[tokio::test]
async fn an_edit_of_what_could_not_be_read_asks_for_what_its_order_does() {
    let mut stuck = Stuck::with_orders(1).await;
    let api = stuck.node.api();
    let other = api.new_order(&stuck.customer, "20.00").await.is(201);
    let id = quarantine::id_of(&stuck.first_parked().await);
    let path = format!("/quarantine/{id}");

    stuck.node.terminate().await;
    quarantine::replace_body(&stuck.node, &id, r#"{"orderId":"x"}"#);
    stuck.node.restart_with(&IMPATIENT).await;

    let api = stuck.node.api();
    let (order, other) = (stuck.orders[0].str("orderId"), other.str("orderId"));
    quarantine::is_edited_as_its_order_asks(&api, &path, order, (other, "20.00"), false).await;
    quarantine::replay_until_empty(&api).await;
    quarantine::order_reaches(&api, other, "APPROVED").await;
    let cancelled = api.cancel(other).wait(10).await.is(200);
    assert_eq!(cancelled.str("state"), "CANCELLED");
    stuck.nothing_is_held().await;
}

/// As many as one customer may have open in a shard.
const OPEN_FOR_ONE: usize = 1024;

/// The bound on open sagas falls on who causes it, stuck ones included, and outlives the process.
#[tokio::test]
async fn a_customer_whose_sagas_are_stuck_gets_no_more_orders_and_others_do() {
    let [coordination, retry, attempts] = IMPATIENT;
    let settings = [
        coordination,
        retry,
        attempts,
        ("COUNTERFOIL_SHARDS", "1"),
        ("COUNTERFOIL_SAGA_DEADLINE", "1s"),
        PANICKING,
    ];
    let mut node = Node::start_with(&settings).await;
    let api = node.api();
    let stuck = api.create_customer("Stuck", "100.00").await.id;
    let ada = api.create_customer("Ada", "100.00").await.id;

    let mut accepted = Vec::new();
    loop {
        let orders = (0..64).map(|_| api.new_order(&stuck, "0.01").answer());
        let answers: Vec<_> = join_all(orders).await.into_iter().flatten().collect();
        let (placed, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|answer| answer.status == 201);
        accepted.extend(placed);
        if let Some(refused) = refused.first() {
            refused.is_problem(503);
            break;
        }
    }
    assert_eq!(accepted.len(), OPEN_FOR_ONE);
    eventually("all are stuck", async || {
        let under_way = ["RUNNING", "COMPENSATING"]
            .map(|state| api.get("/sagas").query("state", state).answer());
        let under_way = join_all(under_way).await;
        let mut none = under_way.into_iter().flatten();
        none.all(|sagas| sagas.items("sagas").is_empty())
            .then_some(())
    })
    .await;
    api.new_order(&stuck, "0.01").await.is_problem(503);
    api.place(&ada, "1.00", "APPROVED").await;

    node.kill();
    node.restart_with(&settings).await;
    let api = node.api();
    api.new_order(&stuck, "0.01").await.is_problem(503);
    let saga = accepted[0].str("sagaId");
    reaches(&api, saga, "STUCK").await;
    api.post(&format!("/sagas/{saga}/abandon")).await.is(202);
    api.new_order(&stuck, "0.01").await.is(201);
    api.new_order(&stuck, "0.01").await.is_problem(503);
}
