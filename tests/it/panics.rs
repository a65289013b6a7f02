//! A panic in each kind of actor: once, it is retried; constantly, it stops its own entity and
//! nothing else.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Api, Call, Node, ORCHESTRATED, Response, eventually_within};

use crate::{books, quarantine};

/// Above all retries of a message and the back-off between them.
const RETRIES: Duration = Duration::from_secs(60);

fn noted_order(api: &Api, customer: &str, note: &str) -> Call {
    let line = json!({"sku": "1", "name": "TUNA", "quantity": 1, "unitPrice": {"amount": "5.00"}});
    api.post("/orders")
        .json(json!({"customerId": customer, "lines": [line], "note": note}))
        .key(note)
}

/// Stops the node in order and starts it again with these faults.
async fn restart_with_faults(node: &mut Node, faults: &str) {
    node.terminate().await;
    node.restart_with(&[("COUNTERFOIL_FAULTS", faults)]).await;
}

/// The same with orders that have sagas, whatever the run is about.
async fn restart_with_sagas(node: &mut Node, faults: &str) {
    node.terminate().await;
    node.restart_with(&[("COUNTERFOIL_FAULTS", faults), ORCHESTRATED])
        .await;
}

#[tokio::test]
async fn a_customer_that_panics_once_reserves_the_credit_after_redelivery() {
    let mut node = Node::start().await;
    let customer = node.api().create_customer("Nervous", "15.00").await;
    restart_with_faults(&mut node, "panic-customer=Nervous,panic-once").await;
    let api = node.api();

    let order = api.place(&customer.id, "12.34", "APPROVED").await;

    assert_eq!(api.available_cents(&customer.id, &order.token).await, 266);
    assert!(quarantine::entries(&api).await.is_empty());
    books::audit(node).await;
}

#[tokio::test]
async fn a_customer_that_always_panics_is_quarantined_and_stops_nobody_else() {
    let mut node = Node::start().await;
    let bad = node.api().create_customer("Bad", "15.00").await.id;
    let good = node.api().create_customer("Good", "100.00").await.id;
    restart_with_faults(&mut node, "panic-customer=Bad").await;
    let api = node.api();
    let first = api.new_order(&bad, "10.00").await.is(201);
    let second = api.new_order(&bad, "10.00").await.is(201);
    for _ in 0..5 {
        api.place(&good, "1.00", "APPROVED").await;
    }

    let parked = is_quarantined(&api, &bad).await;

    let shown = api
        .get(&format!("/quarantine/{}", quarantine::id_of(&parked[0])))
        .await
        .is(200);
    assert!(shown.text.contains(&bad), "{}", shown.text);
    let listed = node
        .cli()
        .run(&["quarantine", "list", "--url", node.url()])
        .await
        .succeeded();
    assert!(listed.stdout.contains(&bad), "{}", listed.stdout);
    for order in [&first, &second] {
        let shown = api
            .order(order.str("orderId"))
            .token(&order.token())
            .await
            .is(200);
        assert_eq!(shown.str("state"), "PENDING");
    }
    api.place(&good, "1.00", "APPROVED").await;

    // repaired: what was parked is processed, in its order, so the first order gets the credit
    node.terminate().await;
    node.restart_with(&[]).await;
    let api = node.api();
    quarantine::replay_until_empty(&api).await;
    for (order, state) in [(&first, "APPROVED"), (&second, "REJECTED")] {
        quarantine::order_reaches(&api, order.str("orderId"), state).await;
    }
    let orders = &books::balance(&api, std::slice::from_ref(&bad)).await[&bad];
    let state = |answer: &Response| {
        orders
            .iter()
            .find(|order| order["orderId"] == answer.str("orderId"))
            .map(|order| &order["state"])
    };
    assert_eq!(state(&first), Some(&Value::from("APPROVED")));
    assert_eq!(state(&second), Some(&Value::from("REJECTED")));
    books::audit(node).await;
}

#[tokio::test]
async fn a_retry_outlives_crashes_and_has_its_effect_once() {
    let mut node = Node::start().await;
    let customer = node.api().create_customer("Bad", "15.00").await.id;
    let faults = [("COUNTERFOIL_FAULTS", "panic-customer=Bad")];
    node.terminate().await;
    node.restart_with(&faults).await;
    let order = node.api().new_order(&customer, "12.34").await.is(201);
    let id = order.str("orderId");

    // killed in the middle of the retries, and once more when they are over
    node.kill();
    node.restart_with(&faults).await;
    is_quarantined(&node.api(), &customer).await;
    node.kill();
    node.restart_with(&[]).await;

    let api = node.api();
    quarantine::replay_until_empty(&api).await;
    quarantine::order_reaches(&api, id, "APPROVED").await;
    books::balance(&api, std::slice::from_ref(&customer)).await;
    // created, reserved: not a third
    api.customer(&customer)
        .query("asOfVersion", "2")
        .await
        .is(200);
    api.customer(&customer)
        .query("asOfVersion", "3")
        .await
        .is_problem(404);
    books::audit(node).await;
}

#[tokio::test]
async fn an_order_that_panics_once_is_created_when_the_caller_repeats() {
    let mut node = Node::start().await;
    let customer = node.api().create_customer("Ada", "15.00").await.id;
    restart_with_faults(&mut node, "panic-order=fragile,panic-once").await;
    let api = node.api();

    let order = books::accepted(noted_order(&api, &customer, "fragile"))
        .await
        .is(201);

    quarantine::order_reaches(&api, order.str("orderId"), "APPROVED").await;
    let orders = &books::balance(&api, std::slice::from_ref(&customer)).await[&customer];
    assert_eq!(orders.len(), 1);
    books::audit(node).await;
}

#[tokio::test]
async fn an_order_that_always_panics_answers_5xx_and_the_others_are_served() {
    let mut node = Node::start().await;
    let api = node.api();
    let customer = api.create_customer("Ada", "100.00").await.id;
    let fragile = api.create_customer("fragile", "100.00").await.id;
    let order = noted_order(&api, &fragile, "as-it-is")
        .wait(30)
        .await
        .is(201);
    let id = order.str("orderId");
    assert_eq!(order.str("state"), "APPROVED");
    restart_with_faults(&mut node, "panic-order=fragile").await;
    let api = node.api();

    let failed = api.ship(id).key("ship").await;

    assert!(failed.status >= 500, "{}: {}", failed.status, failed.text);
    failed.is_problem(failed.status);
    assert!(
        !failed.text.to_lowercase().contains("panic"),
        "the inside is told: {}",
        failed.text
    );
    let other = api.place(&customer, "1.00", "APPROVED").await;
    api.ship(&other.id).await.is(200);

    node.kill();
    node.restart_with(&[]).await;
    let api = node.api();
    // a request is never parked: it has not happened, and the repeat is the first to have an effect
    api.order(id)
        .query("asOfVersion", "3")
        .await
        .is_problem(404);
    assert_eq!(api.ship(id).key("ship").await.is(200).json["version"], 3);
    books::balance(&api, &[customer, fragile]).await;
    books::audit(node).await;
}

#[tokio::test]
async fn a_saga_that_panics_once_goes_on_after_redelivery() {
    let mut node = Node::start_with(&[ORCHESTRATED]).await;
    let customer = node.api().create_customer("Ada", "15.00").await.id;
    restart_with_sagas(&mut node, "panic-saga=Ada,panic-once").await;
    let api = node.api();

    let order = books::accepted(noted_order(&api, &customer, "epic"))
        .await
        .is(201);

    quarantine::order_reaches(&api, order.str("orderId"), "APPROVED").await;
    books::balance(&api, std::slice::from_ref(&customer)).await;
    books::audit(node).await;
}

#[tokio::test]
async fn a_saga_that_always_panics_stops_no_other_and_ends_once_repaired() {
    let mut node = Node::start_with(&[ORCHESTRATED]).await;
    let customer = node.api().create_customer("Ada", "100.00").await.id;
    let other = node.api().create_customer("Bea", "100.00").await.id;
    restart_with_sagas(&mut node, "panic-saga=Ada").await;
    let api = node.api();

    let order = noted_order(&api, &customer, "epic").await.is(201);
    is_quarantined(&api, order.str("sagaId")).await;
    for _ in 0..3 {
        api.place(&other, "1.00", "APPROVED").await;
    }

    node.kill();
    node.restart_with(&[]).await;
    let api = node.api();
    quarantine::replay_until_empty(&api).await;
    quarantine::order_reaches(&api, order.str("orderId"), "APPROVED").await;
    let books = books::balance(&api, &[customer.clone(), other.clone()]).await;
    assert_eq!((books[&customer].len(), books[&other].len()), (1, 3));
    books::audit(node).await;
}

/// Waits until something of this entity is parked for good.
async fn is_quarantined(api: &Api, entity: &str) -> Vec<Value> {
    eventually_within(
        RETRIES,
        &format!("a message of {entity} is in quarantine"),
        async || {
            Some(quarantine::entries_of(api, entity).await).filter(|entries| !entries.is_empty())
        },
    )
    .await
}
