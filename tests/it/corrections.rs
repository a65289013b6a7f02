//! An operator puts a past mistake right: an event says so, views follow, and who has done it is
//! kept.

use serde_json::json;
use tests::{Api, Call, Node, Shared, cents};
use uuid::Uuid;

static NODE: Shared<Node> = Shared::new();

fn correct(api: &Api, customer: &str, limit: &str) -> Call {
    let path = format!("/customers/{customer}/credit-limit");
    let body = json!({"creditLimit": {"amount": limit}, "reason": "a zero too many"});
    api.post(&path).json(body)
}

#[tokio::test]
async fn a_wrong_credit_limit_is_put_right_and_views_and_decisions_follow() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let ada = api.create_customer("Ada Park", "5000.00").await;
    api.place(&ada.id, "200.00", "APPROVED").await;

    let corrected = correct(&api, &ada.id, "500.00").await.is(200);
    corrected.is_command_answer();
    assert_eq!(corrected.str("customerId"), ada.id);
    assert_eq!(corrected.json["version"], 3);
    assert_eq!(cents(&corrected.json["creditLimit"]), 50_000);
    assert_eq!(cents(&corrected.json["availableCredit"]), 30_000);

    let shown = api
        .customer(&ada.id)
        .token(&corrected.token())
        .await
        .is(200);
    assert_eq!(cents(&shown.json["creditLimit"]), 50_000);
    assert_eq!(cents(&shown.json["availableCredit"]), 30_000);
    assert_eq!(shown.json["version"], 3);

    api.place(&ada.id, "300.01", "REJECTED").await;
    let last = api.place(&ada.id, "300.00", "APPROVED").await;
    assert_eq!(api.available_cents(&ada.id, &last.token).await, 0);

    // The past stays what it was.
    for (version, limit) in [(1, 500_000), (2, 500_000), (3, 50_000), (4, 50_000)] {
        let then = api
            .customer(&ada.id)
            .query("asOfVersion", &version.to_string());
        let then = then.await.is(200);
        assert_eq!(cents(&then.json["creditLimit"]), limit, "version {version}");
    }
    let history = api
        .get(&format!("/customers/{}/history", ada.id))
        .await
        .is(200);
    let types: Vec<_> = history
        .items("events")
        .iter()
        .map(|event| event["type"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(
        types,
        [
            "customer.created",
            "customer.credit-reserved",
            "customer.credit-limit-corrected",
            "customer.credit-reserved",
        ]
    );

    let done = api.get("/actions").query("about", &ada.id).await.is(200);
    let done = done.items("actions");
    assert_eq!(done.len(), 1);
    assert_eq!(done[0]["action"], "customer.credit-limit-corrected");
    assert_eq!(done[0]["by"], "anonymous");
    assert_eq!(done[0]["reason"], "a zero too many");
    node.cli().run(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn a_limit_below_what_orders_hold_is_refused_and_nothing_is_kept_of_it() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let ada = api.create_customer("Ada Park", "50.00").await;
    api.place(&ada.id, "30.00", "APPROVED").await;

    correct(&api, &ada.id, "29.99").await.is_problem(409);
    correct(&api, &ada.id, "-1").await.is_problem(400);
    let nobody = Uuid::now_v7().to_string();
    correct(&api, &nobody, "1.00").await.is_problem(404);

    let done = api.get("/actions").query("about", &ada.id).await.is(200);
    assert!(done.items("actions").is_empty(), "{}", done.text);
    let kept = correct(&api, &ada.id, "30.00").await.is(200);
    assert_eq!(cents(&kept.json["availableCredit"]), 0);
}

#[tokio::test]
async fn a_correction_is_carried_out_once_by_its_key_and_bound_to_its_value() {
    let mut node = Node::start().await;
    let api = node.api();
    let ada = api.create_customer("Ada Park", "50.00").await;
    let key = Uuid::now_v7().to_string();

    let first = correct(&api, &ada.id, "40.00").key(&key).await.is(200);
    assert_eq!(first.json["version"], 2);
    node.kill();
    node.restart().await;

    let api = node.api();
    let second = correct(&api, &ada.id, "45.00").await.is(200);
    assert_eq!(second.json["version"], 3);
    let again = correct(&api, &ada.id, "40.00").key(&key).await.is(200);
    assert_eq!(
        (&again.json["version"], cents(&again.json["creditLimit"])),
        (&3.into(), 4_500)
    );
    correct(&api, &ada.id, "41.00")
        .key(&key)
        .await
        .is_problem(422);
    node.cli().run(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn the_command_line_puts_a_limit_right() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let ada = api.create_customer("Ada Park", "5000.00").await;
    let cli = node.cli();
    let args = [
        "customers",
        "correct-limit",
        &ada.id,
        "500.00",
        "--url",
        node.url(),
    ];

    let told = cli
        .run(&[&args[..], &["--reason", "a zero"]].concat())
        .await;
    let told = told.succeeded();
    assert!(told.stdout.contains("500.00"), "{}", told.stdout);
    let shown = api
        .customer(&ada.id)
        .query("asOfVersion", "2")
        .await
        .is(200);
    assert_eq!(cents(&shown.json["creditLimit"]), 50_000);
}
