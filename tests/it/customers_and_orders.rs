//! The scenarios of Eventuate's customers-and-orders suite: what the shop is for, seen by a store
//! that uses it.

use serde_json::json;
use tests::{Node, Shared, cents};
use uuid::Uuid;

static NODE: Shared<Node> = Shared::new();

#[tokio::test]
async fn an_order_within_the_credit_limit_is_approved() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Chris", "15.00").await;

    let order = api.place(&customer.id, "12.34", "APPROVED").await;

    let shown = api.order(&order.id).token(&order.token).await.is(200);
    assert_eq!(shown.str("state"), "APPROVED");
    assert_eq!(shown.json["version"], 2);
    assert_eq!(cents(&shown.json["orderTotal"]), 1234);
    assert_eq!(api.available_cents(&customer.id, &order.token).await, 266);
}

#[tokio::test]
async fn an_order_above_the_credit_limit_is_rejected_and_holds_no_credit() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Chris", "15.00").await;

    let answer = api.new_order(&customer.id, "123.40").wait(30).await.is(201);

    assert_eq!(answer.str("state"), "REJECTED");
    assert_eq!(answer.str("rejectionReason"), "INSUFFICIENT_CREDIT");
    let shown = api
        .order(answer.str("orderId"))
        .token(&answer.token())
        .await
        .is(200);
    assert_eq!(shown.str("rejectionReason"), "INSUFFICIENT_CREDIT");
    assert_eq!(
        api.available_cents(&customer.id, &answer.token()).await,
        1500
    );
}

#[tokio::test]
async fn an_order_of_an_unknown_customer_is_rejected() {
    let node = NODE.get(Node::start).await;
    let api = node.api();

    let answer = api
        .new_order(&Uuid::now_v7().to_string(), "12.34")
        .wait(30)
        .await
        .is(201);

    assert_eq!(answer.str("state"), "REJECTED");
    assert_eq!(answer.str("rejectionReason"), "UNKNOWN_CUSTOMER");
}

#[tokio::test]
async fn an_order_is_pending_at_version_1_before_its_saga_ends() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Chris", "15.00").await;

    let answer = api.new_order(&customer.id, "12.34").await.is(201);

    assert_eq!(answer.str("state"), "PENDING");
    assert_eq!(answer.json["version"], 1);
}

#[tokio::test]
async fn the_whole_limit_can_be_used_and_not_a_cent_more() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Chris", "15.00").await;

    api.place(&customer.id, "14.99", "APPROVED").await;
    api.place(&customer.id, "0.02", "REJECTED").await;
    let last = api.place(&customer.id, "0.01", "APPROVED").await;
    api.place(&customer.id, "0.01", "REJECTED").await;

    assert_eq!(api.available_cents(&customer.id, &last.token).await, 0);
}

#[tokio::test]
async fn a_customers_orders_are_shown_with_the_customer() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Chris", "15.00").await;
    let approved = api.place(&customer.id, "12.34", "APPROVED").await;
    let rejected = api.place(&customer.id, "123.40", "REJECTED").await;

    let shown = api
        .customer(&customer.id)
        .token(&format!("{},{}", approved.token, rejected.token))
        .await
        .is(200);

    let orders = &shown.json["orders"];
    assert_eq!(
        orders.as_object().map(serde_json::Map::len),
        Some(2),
        "{}",
        shown.text
    );
    assert_eq!(orders[&approved.id]["state"], "APPROVED");
    assert_eq!(cents(&orders[&approved.id]["orderTotal"]), 1234);
    assert_eq!(orders[&rejected.id]["state"], "REJECTED");
    assert_eq!(
        orders[&rejected.id]["rejectionReason"],
        "INSUFFICIENT_CREDIT"
    );
}

#[tokio::test]
async fn the_history_tells_every_event_of_an_order_and_its_customer() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Chris", "15.00").await;
    let order = api.place(&customer.id, "12.34", "APPROVED").await;

    let order_history = api
        .get(&format!("/orders/{}/history", order.id))
        .await
        .is(200);
    let customer_history = api
        .get(&format!("/customers/{}/history", customer.id))
        .await
        .is(200);

    let versions = |events: &[serde_json::Value]| {
        events
            .iter()
            .map(|event| event["version"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        versions(order_history.items("events")),
        [json!(1), json!(2)]
    );
    // created, and the reservation for the order
    assert_eq!(
        versions(customer_history.items("events")),
        [json!(1), json!(2)]
    );
}

#[tokio::test]
async fn the_history_of_something_unknown_is_not_found() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let unknown = Uuid::now_v7();

    api.get(&format!("/orders/{unknown}/history"))
        .await
        .is_problem(404);
    api.get(&format!("/customers/{unknown}/history"))
        .await
        .is_problem(404);
}

#[tokio::test]
async fn a_cancelled_order_gives_its_credit_back() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Chris", "15.00").await;
    let order = api.place(&customer.id, "12.34", "APPROVED").await;
    api.place(&customer.id, "12.34", "REJECTED").await;

    let cancelled = api.cancel(&order.id).wait(30).await.is(200);

    assert_eq!(cancelled.str("state"), "CANCELLED");
    assert_eq!(cancelled.str("orderId"), order.id);
    assert_eq!(
        api.available_cents(&customer.id, &cancelled.token()).await,
        1500
    );
    api.place(&customer.id, "12.34", "APPROVED").await;
}

#[tokio::test]
async fn a_shipped_order_keeps_its_credit() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Chris", "15.00").await;
    let order = api.place(&customer.id, "12.34", "APPROVED").await;

    let shipped = api.ship(&order.id).await.is(200);

    assert_eq!(shipped.str("state"), "SHIPPED");
    assert_eq!(shipped.json["version"], 3);
    let tokens = format!("{},{}", order.token, shipped.token());
    assert_eq!(api.available_cents(&customer.id, &tokens).await, 266);
}

#[tokio::test]
async fn commands_that_conflict_with_the_state_are_refused_and_change_nothing() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Chris", "100.00").await;

    let rejected = api.place(&customer.id, "123.40", "REJECTED").await;
    api.ship(&rejected.id).await.is_problem(409);
    api.cancel(&rejected.id).await.is_problem(409);

    let shipped = api.place(&customer.id, "10.00", "APPROVED").await;
    api.ship(&shipped.id).await.is(200);
    api.cancel(&shipped.id).await.is_problem(409);

    let cancelled = api.place(&customer.id, "10.00", "APPROVED").await;
    let token = api.cancel(&cancelled.id).wait(30).await.is(200).token();
    api.ship(&cancelled.id).await.is_problem(409);

    for (order, state, version) in [
        (&rejected, "REJECTED", 2),
        (&shipped, "SHIPPED", 3),
        (&cancelled, "CANCELLED", 4),
    ] {
        let shown = api
            .order(&order.id)
            .query("asOfVersion", &version.to_string())
            .await
            .is(200);
        assert_eq!(shown.str("state"), state, "{}", shown.text);
        api.order(&order.id)
            .query("asOfVersion", &(version + 1).to_string())
            .await
            .is_problem(404);
    }
    assert_eq!(api.available_cents(&customer.id, &token).await, 9000);
}

#[tokio::test]
async fn commands_on_an_order_whose_saga_is_under_way_are_refused_not_held_back() {
    let mut node = Node::start().await;
    let customer = node.api().create_customer("Stuck", "15.00").await;
    node.terminate().await;
    // the customer never answers, so the order stays PENDING for as long as the test looks
    node.restart_with(&[("COUNTERFOIL_FAULTS", "panic-customer=Stuck")])
        .await;
    let api = node.api();
    let order = api.new_order(&customer.id, "12.34").await.is(201);
    let id = order.str("orderId");

    api.ship(id).wait(10).await.is_problem(409);
    api.cancel(id).wait(10).await.is_problem(409);

    let shown = api.order(id).token(&order.token()).await.is(200);
    assert_eq!(shown.str("state"), "PENDING");
    assert_eq!(shown.json["version"], 1);
}
