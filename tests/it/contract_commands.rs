//! The Commands table of the contract: statuses, bodies and headers of every call, for input that
//! is accepted.

use serde_json::{Value, json};
use tests::{Node, Shared, cents, eventually};
use uuid::Uuid;

use crate::quarantine::order_reaches;

static NODE: Shared<Node> = Shared::new();

#[tokio::test]
async fn a_created_customer_is_answered_with_its_id_and_place() {
    let node = NODE.get(Node::start).await;
    let api = node.api();

    let created = api.new_customer("  Ada Park  ", "500.00").await.is(201);

    created.is_command_answer();
    assert_eq!(created.json["version"], 1);
    let id: Uuid = created.str("customerId").parse().expect("a UUID");
    assert_eq!(id.get_version_num(), 7);
    assert!(
        created
            .header("location")
            .ends_with(&format!("/customers/{id}")),
        "{}",
        created.header("location")
    );
    let shown = api
        .customer(&id.to_string())
        .token(&created.token())
        .await
        .is(200);
    assert_eq!(shown.str("name"), "Ada Park");
    assert_eq!(cents(&shown.json["creditLimit"]), 50000);
    assert_eq!(cents(&shown.json["availableCredit"]), 50000);
}

#[tokio::test]
async fn a_created_order_is_answered_with_its_id_its_place_and_its_saga() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada Park", "500.00").await;

    let created = api.new_order(&customer.id, "12.34").await.is(201);

    created.is_command_answer();
    assert_eq!(created.str("state"), "PENDING");
    assert_eq!(created.json["version"], 1);
    let id: Uuid = created.str("orderId").parse().expect("a UUID");
    assert_eq!(id.get_version_num(), 7);
    if let Some(saga) = created.saga() {
        saga.parse::<Uuid>().expect("a UUID");
    }
    assert!(
        created
            .header("location")
            .ends_with(&format!("/orders/{id}")),
        "{}",
        created.header("location")
    );
}

#[tokio::test]
async fn a_caller_that_waits_is_told_how_the_saga_ended() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada Park", "500.00").await;

    let approved = api.new_order(&customer.id, "12.34").wait(30).await.is(201);
    approved.is_command_answer();
    assert_eq!(approved.str("state"), "APPROVED");
    assert_eq!(approved.json["version"], 2);
    assert!(
        approved.json.get("rejectionReason").is_none(),
        "{}",
        approved.text
    );

    let rejected = api.new_order(&customer.id, "999.00").wait(30).await.is(201);
    rejected.is_command_answer();
    assert_eq!(rejected.str("state"), "REJECTED");
    assert_eq!(rejected.json["version"], 2);
    assert_eq!(rejected.str("rejectionReason"), "INSUFFICIENT_CREDIT");
}

#[tokio::test]
async fn the_total_of_lines_is_their_sum() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada Park", "500.00").await;

    let order = api.place_order(two_lines(&customer.id), "APPROVED").await;

    let shown = api.order(&order.id).token(&order.token).await.is(200);
    assert_eq!(cents(&shown.json["orderTotal"]), 2 * 125 + 3 * 49);
    assert_eq!(shown.str("customerId"), customer.id);
    assert_eq!(shown.str("customerName"), "Ada Park");
    assert_eq!(shown.str("note"), "ring twice");
    let lines = shown.items("lines");
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["sku"], "981760");
    assert_eq!(lines[0]["name"], "YOGURT");
    assert_eq!(lines[0]["quantity"], 2);
    assert_eq!(cents(&lines[0]["unitPrice"]), 125);
    assert_eq!(lines[1]["sku"], "1041453");
}

#[tokio::test]
async fn a_total_beside_lines_must_agree_with_them() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada Park", "500.00").await;
    let mut order = two_lines(&customer.id);

    order["orderTotal"] = json!({"amount": "3.98"});
    api.post("/orders")
        .json(order.clone())
        .await
        .is_invalid("orderTotal");

    order["orderTotal"] = json!({"amount": "3.97"});
    api.post("/orders").json(order).await.is(201);
}

#[tokio::test]
async fn an_order_of_a_total_alone_has_no_lines() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada Park", "500.00").await;

    let order = api.place(&customer.id, "12.30", "APPROVED").await;

    let shown = api.order(&order.id).token(&order.token).await.is(200);
    assert!(shown.items("lines").is_empty(), "{}", shown.text);
    assert!(shown.json.get("note").is_none(), "{}", shown.text);
}

#[tokio::test]
async fn money_may_be_written_as_a_json_number() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let body = json!({"name": "Ada Park", "creditLimit": {"amount": 15.5}});
    let customer = api.post("/customers").json(body).await.is(201);
    let id = customer.str("customerId");

    let body = json!({"customerId": id, "orderTotal": {"amount": 12}});
    let order = api.place_order(body, "APPROVED").await;

    assert_eq!(api.available_cents(id, &order.token).await, 350);
}

#[tokio::test]
async fn a_credit_limit_of_0_is_a_limit() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("No Credit", "0").await;

    let order = api.place(&customer.id, "0.01", "REJECTED").await;

    assert_eq!(api.available_cents(&customer.id, &order.token).await, 0);
}

#[tokio::test]
async fn the_longest_input_allowed_is_accepted() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    // characters, not bytes
    let customer = api.create_customer(&"é".repeat(200), "500.00").await;
    let line = json!({"sku": "s", "name": "n", "quantity": 1, "unitPrice": {"amount": "0.01"}});
    let body =
        json!({"customerId": customer.id, "lines": vec![line; 500], "note": "ü".repeat(2000)});

    let order = api.place_order(body, "APPROVED").await;

    let shown = api.order(&order.id).token(&order.token).await.is(200);
    assert_eq!(cents(&shown.json["orderTotal"]), 500);
    assert_eq!(shown.items("lines").len(), 500);
    assert_eq!(shown.str("note").chars().count(), 2000);
}

#[tokio::test]
async fn a_cancel_is_accepted_at_once_and_ends_cancelled() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada Park", "500.00").await;
    let order = api.place(&customer.id, "12.34", "APPROVED").await;

    let accepted = api.cancel(&order.id).await.is(202);

    accepted.is_command_answer();
    assert_eq!(accepted.str("orderId"), order.id);
    assert_eq!(accepted.str("state"), "CANCEL_PENDING");
    assert_eq!(accepted.json["version"], 3);
    if let Some(saga) = accepted.saga() {
        assert_ne!(saga, order.saga);
        eventually("the cancel saga ends", async || {
            (api.saga(saga).await.is(200).str("state") == "COMPLETED").then_some(())
        })
        .await;
    } else {
        order_reaches(&api, &order.id, "CANCELLED").await;
    }

    let again = api.cancel(&order.id).await.is(200);
    again.is_command_answer();
    assert_eq!(again.str("state"), "CANCELLED");
    assert_eq!(again.json["version"], 4);
}

#[tokio::test]
async fn a_cancel_while_one_is_under_way_names_the_same_saga() {
    let mut node = Node::start().await;
    let api = node.api();
    let customer = api.create_customer("Stuck", "15.00").await;
    let order = api.place(&customer.id, "12.34", "APPROVED").await;
    node.terminate().await;
    node.restart_with(&[("COUNTERFOIL_FAULTS", "panic-customer=Stuck")])
        .await;
    let api = node.api();

    let first = api.cancel(&order.id).await.is(202);
    let second = api.cancel(&order.id).await.is(202);
    let third = api.cancel(&order.id).wait(1).await.is(202);

    for answer in [&first, &second, &third] {
        assert_eq!(answer.str("state"), "CANCEL_PENDING");
        assert_eq!(answer.saga(), first.saga());
        assert_eq!(answer.json["version"], 3);
    }
    api.ship(&order.id).await.is_problem(409);
}

#[tokio::test]
async fn a_wait_that_is_over_answers_with_the_state_so_far() {
    let mut node = Node::start().await;
    let customer = node.api().create_customer("Stuck", "15.00").await;
    node.terminate().await;
    node.restart_with(&[("COUNTERFOIL_FAULTS", "panic-customer=Stuck")])
        .await;
    let api = node.api();

    let answer = api.new_order(&customer.id, "12.34").wait(1).await.is(201);

    answer.is_command_answer();
    assert_eq!(answer.str("state"), "PENDING");
    assert_eq!(answer.json["version"], 1);
}

#[tokio::test]
async fn shipping_twice_is_shipping_once() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada Park", "500.00").await;
    let order = api.place(&customer.id, "12.34", "APPROVED").await;

    for _ in 0..2 {
        let shipped = api.ship(&order.id).await.is(200);
        shipped.is_command_answer();
        assert_eq!(shipped.str("orderId"), order.id);
        assert_eq!(shipped.str("state"), "SHIPPED");
        assert_eq!(shipped.json["version"], 3);
    }
}

#[tokio::test]
async fn commands_on_an_unknown_order_are_not_found() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let unknown = Uuid::now_v7().to_string();

    api.ship(&unknown).await.is_problem(404);
    api.cancel(&unknown).await.is_problem(404);
}

fn two_lines(customer: &str) -> Value {
    json!({
        "customerId": customer,
        "lines": [
            {"sku": "981760", "name": "YOGURT", "quantity": 2, "unitPrice": {"amount": "1.25"}},
            {"sku": "1041453", "name": "POTATO CHIPS", "quantity": 3,
                "unitPrice": {"amount": 0.49}},
        ],
        "note": "ring twice",
    })
}
