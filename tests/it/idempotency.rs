//! `Idempotency-Key`: a repeat has the same effect once, whatever happened in between.

use futures_util::future::join_all;
use serde_json::json;
use tests::{Node, Response, Shared};
use uuid::Uuid;

static NODE: Shared<Node> = Shared::new();

/// Keys are per deployment and the tests of this module share one.
fn fresh_key() -> String {
    format!("key-{}", Uuid::now_v7())
}

#[tokio::test]
async fn a_repeated_order_is_the_same_order() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "15.00").await;
    let key = fresh_key();

    let first = api.new_order(&customer.id, "12.34").key(&key).await.is(201);
    let second = api
        .new_order(&customer.id, "12.34")
        .key(&key)
        .wait(30)
        .await
        .is(201);
    let third = api.new_order(&customer.id, "12.34").key(&key).await.is(201);

    let id: Uuid = first.str("orderId").parse().expect("a UUID");
    assert_eq!(id.get_version_num(), 8);
    for repeat in [&second, &third] {
        assert_eq!(repeat.str("orderId"), first.str("orderId"));
        assert_eq!(repeat.saga(), first.saga());
        assert_eq!(repeat.header("location"), first.header("location"));
        // the current state, not the one of the first answer
        assert_eq!(repeat.str("state"), "APPROVED");
        assert_eq!(repeat.json["version"], 2);
        repeat.is_command_answer();
    }
    assert_eq!(
        api.available_cents(&customer.id, &second.token()).await,
        266
    );
}

#[tokio::test]
async fn a_repeated_customer_is_the_same_customer() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let key = fresh_key();

    let first = api.new_customer("Ada", "15.00").key(&key).await.is(201);
    let second = api.new_customer("Ada", "15.00").key(&key).await.is(201);

    assert_eq!(second.str("customerId"), first.str("customerId"));
    assert_eq!(second.header("location"), first.header("location"));
}

#[tokio::test]
async fn parallel_repeats_have_one_effect() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "15.00").await;
    let key = fresh_key();

    let repeats = (0..12).map(|_| {
        api.new_order(&customer.id, "5.00")
            .key(&key)
            .wait(30)
            .into_future()
    });
    let answers = join_all(repeats).await;

    let first = answers[0].clone().is(201);
    for answer in answers {
        let answer = answer.is(201);
        assert_eq!(answer.str("orderId"), first.str("orderId"));
        assert_eq!(answer.str("state"), "APPROVED");
    }
    assert_eq!(
        api.available_cents(&customer.id, &first.token()).await,
        1000
    );
}

#[tokio::test]
async fn a_repeat_after_kill_9_has_no_second_effect() {
    let mut node = Node::start().await;
    let api = node.api();
    let customer = api.new_customer("Ada", "15.00").key("ada").await.is(201);
    let customer_id = customer.str("customerId");
    let order = api
        .new_order(customer_id, "12.34")
        .key("order")
        .wait(30)
        .await
        .is(201);
    let shipped = api.ship(order.str("orderId")).key("ship").await.is(200);

    node.kill();
    node.restart().await;
    let api = node.api();

    let customer_again = api.new_customer("Ada", "15.00").key("ada").await.is(201);
    assert_eq!(customer_again.str("customerId"), customer_id);
    let order_again = api
        .new_order(customer_id, "12.34")
        .key("order")
        .await
        .is(201);
    assert_eq!(order_again.str("orderId"), order.str("orderId"));
    assert_eq!(order_again.str("state"), "SHIPPED");
    let shipped_again = api.ship(order.str("orderId")).key("ship").await.is(200);
    assert_eq!(shipped_again.json["version"], shipped.json["version"]);
    assert_eq!(
        api.available_cents(customer_id, &order_again.token()).await,
        266
    );
    node.cli().run(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "15.00").await;
    let key = fresh_key();
    api.new_order(&customer.id, "12.34").key(&key).await.is(201);

    api.new_order(&customer.id, "12.35")
        .key(&key)
        .await
        .is_problem(422);
    let note = json!({"customerId": customer.id, "orderTotal": {"amount": "12.34"}, "note": "new"});
    api.post("/orders")
        .json(note)
        .key(&key)
        .await
        .is_problem(422);

    let key = fresh_key();
    api.new_customer("Ada", "15.00").key(&key).await.is(201);
    api.new_customer("Bea", "15.00")
        .key(&key)
        .await
        .is_problem(422);
    api.new_customer("Ada", "16.00")
        .key(&key)
        .await
        .is_problem(422);
}

#[tokio::test]
async fn bodies_are_compared_by_value_not_by_spelling() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "100.00").await.id;
    let key = fresh_key();
    let first = format!(r#"{{"customerId":"{customer}","orderTotal":{{"amount":"12.30"}}}}"#);
    let id = api
        .post("/orders")
        .text("application/json", &first)
        .key(&key)
        .await
        .is(201)
        .str("orderId")
        .to_owned();

    for same in [
        format!(
            "{{ \"orderTotal\" : {{ \"amount\" : \"12.3\" }},\n \"customerId\" : \"{customer}\" }}"
        ),
        format!(r#"{{"customerId":"{customer}","orderTotal":{{"amount":12.3}}}}"#),
        format!(r#"{{"orderTotal":{{"amount":12.30}},"customerId":"{customer}"}}"#),
    ] {
        let repeat = api
            .post("/orders")
            .text("application/json", &same)
            .key(&key)
            .await
            .is(201);
        assert_eq!(repeat.str("orderId"), id);
    }
}

#[tokio::test]
async fn a_refusal_binds_no_key() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let key = fresh_key();
    api.new_customer("", "15.00")
        .key(&key)
        .await
        .is_problem(400);
    api.new_customer("Ada", "15.00").key(&key).await.is(201);

    let customer = api.create_customer("Bea", "15.00").await;
    let key = fresh_key();
    api.new_order(&customer.id, "-1.00")
        .key(&key)
        .await
        .is_problem(400);
    api.new_order(&customer.id, "1.00").key(&key).await.is(201);
}

#[tokio::test]
async fn a_refused_cancel_binds_no_key() {
    let mut node = Node::start().await;
    let customer = node.api().create_customer("Slow", "15.00").await;
    node.terminate().await;
    node.restart_with(&[("COUNTERFOIL_FAULTS", "panic-customer=Slow")])
        .await;
    let order = node
        .api()
        .new_order(&customer.id, "12.34")
        .key("order")
        .await
        .is(201);
    let id = order.str("orderId").to_owned();
    node.api().cancel(&id).key("cancel").await.is_problem(409);
    // without the fault the order is approved, and then the same request is no longer in conflict
    node.kill();
    node.restart_with(&[]).await;
    let api = node.api();
    crate::quarantine::replay_until_empty(&api).await;
    crate::quarantine::order_reaches(&api, &id, "APPROVED").await;

    let cancelled = api.cancel(&id).key("cancel").wait(30).await.is(200);

    assert_eq!(cancelled.str("state"), "CANCELLED");
    assert_eq!(
        api.available_cents(&customer.id, &cancelled.token()).await,
        1500
    );
}

#[tokio::test]
async fn a_key_is_scoped_to_its_method_and_path() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let key = fresh_key();

    let customer = api.new_customer("Ada", "100.00").key(&key).await.is(201);
    let customer_id = customer.str("customerId");
    let order = api
        .new_order(customer_id, "10.00")
        .key(&key)
        .wait(30)
        .await
        .is(201);
    let other = api.place(customer_id, "10.00", "APPROVED").await;

    assert_ne!(order.str("orderId"), customer_id);
    api.ship(order.str("orderId")).key(&key).await.is(200);
    api.ship(&other.id).key(&key).await.is(200);
}

#[tokio::test]
async fn a_repeated_ship_answers_as_the_first_did() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "15.00").await;
    let order = api.place(&customer.id, "12.34", "APPROVED").await;
    let key = fresh_key();

    let answers = join_all((0..6).map(|_| api.ship(&order.id).key(&key).into_future())).await;

    for answer in answers {
        let answer = answer.is(200);
        assert_eq!(answer.str("state"), "SHIPPED");
        assert_eq!(answer.json["version"], 3);
    }
}

#[tokio::test]
async fn a_repeated_cancel_gives_the_credit_back_once() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "15.00").await;
    let order = api.place(&customer.id, "4.00", "APPROVED").await;
    api.place(&customer.id, "5.00", "APPROVED").await;
    let key = fresh_key();

    let first = api.cancel(&order.id).key(&key).wait(30).await.is(200);
    let second = api.cancel(&order.id).key(&key).wait(30).await.is(200);

    assert_eq!(second.str("state"), "CANCELLED");
    assert_eq!(second.json["version"], first.json["version"]);
    assert_eq!(
        api.available_cents(&customer.id, &second.token()).await,
        1000
    );
}

/// A cancel that was repeated: the same order and saga, as they are now.
fn is_the_same(repeat: &Response, first: &Response) {
    assert_eq!(repeat.str("state"), "CANCELLED", "{}", repeat.text);
    assert_eq!(repeat.str("orderId"), first.str("orderId"));
    assert_eq!(repeat.json.get("sagaId"), first.json.get("sagaId"));
}

#[tokio::test]
async fn a_repeated_cancel_is_answered_as_the_first_was_whether_it_waits_or_not() {
    let mut node = Node::start().await;
    let api = node.api();
    let customer = api.create_customer("Ada", "15.00").await;
    let waited = api.place(&customer.id, "4.00", "APPROVED").await.id;
    let left = api.place(&customer.id, "5.00", "APPROVED").await.id;

    let first = api.cancel(&waited).key("wait").wait(30).await.is(200);
    is_the_same(&api.cancel(&waited).key("wait").await.is(200), &first);
    // Another request finds it cancelled, and so does its repeat.
    let found = api.cancel(&waited).key("late").await.is(200);
    is_the_same(&api.cancel(&waited).key("late").await.is(200), &found);

    let accepted = api.cancel(&left).key("leave").await.is(202);
    crate::quarantine::order_reaches(&api, &left, "CANCELLED").await;
    for _ in 0..2 {
        is_the_same(&api.cancel(&left).key("leave").await.is(202), &accepted);
        let waits = api.cancel(&left).key("leave").wait(30);
        is_the_same(&waits.await.is(200), &accepted);
    }

    node.kill();
    node.restart().await;
    let api = node.api();
    is_the_same(&api.cancel(&waited).key("wait").await.is(200), &first);
    is_the_same(&api.cancel(&waited).key("late").await.is(200), &found);
    is_the_same(&api.cancel(&left).key("leave").await.is(202), &accepted);
    node.cli().run(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn a_repeated_cancel_whose_wait_was_over_before_its_end_is_accepted_again() {
    let mut node = Node::start().await;
    let customer = node.api().create_customer("Slow", "15.00").await;
    let order = node.api().place(&customer.id, "4.00", "APPROVED").await.id;
    node.terminate().await;
    node.restart_with(&[("COUNTERFOIL_FAULTS", "panic-customer=Slow")])
        .await;

    let first = node.api().cancel(&order).key("cancel").wait(1).await;
    let first = first.is(202);
    node.kill();
    node.restart_with(&[]).await;
    let api = node.api();
    crate::quarantine::replay_until_empty(&api).await;
    crate::quarantine::order_reaches(&api, &order, "CANCELLED").await;

    is_the_same(&api.cancel(&order).key("cancel").await.is(202), &first);
    let waits = api.cancel(&order).key("cancel").wait(30);
    is_the_same(&waits.await.is(200), &first);
}

#[tokio::test]
async fn a_key_that_is_not_1_to_255_visible_characters_is_refused() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let long = "k".repeat(256);
    let bad: [&[u8]; 5] = [
        b"",
        long.as_bytes(),
        b"two words",
        "schl\u{fc}ssel".as_bytes(),
        b"tab\there",
    ];

    for key in bad {
        api.new_customer("Ada", "15.00")
            .header("idempotency-key", key)
            .await
            .is_problem(400);
    }
    let longest = format!("{}{}", fresh_key(), "k".repeat(255 - fresh_key().len()));
    assert_eq!(longest.len(), 255);
    api.new_customer("Ada", "15.00").key(&longest).await.is(201);
    api.new_customer("Ada", "15.00")
        .key(&format!("!~{}", fresh_key()))
        .await
        .is(201);
}
