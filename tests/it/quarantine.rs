//! What several modules need of the quarantine: find what is parked for an entity, and put it back.
//!
//! The contract leaves the shape of an entry open, so this module reads it leniently: a list of
//! objects that name their entity.

use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use tests::{Api, Node, eventually};
use uuid::Uuid;

/// The entries of `GET /quarantine`.
pub async fn entries(api: &Api) -> Vec<Value> {
    let answer = api.get("/quarantine").await.is(200);
    let list = answer
        .json
        .as_object()
        .and_then(|body| body.values().find_map(Value::as_array));
    list.unwrap_or_else(|| panic!("no list in {}", answer.text))
        .clone()
}

/// The entries whose JSON mentions this entity.
pub async fn entries_of(api: &Api, entity: &str) -> Vec<Value> {
    let mut found = entries(api).await;
    found.retain(|entry| entry.to_string().contains(entity));
    found
}

/// An entry's id, as its path segment.
pub fn id_of(entry: &Value) -> String {
    let id = ["id", "quarantineId", "messageId"]
        .iter()
        .find_map(|name| entry.get(*name));
    match id {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => panic!("no id in {entry}"),
    }
}

/// Writes another body into a message that is parked at a customer, while its node is down.
pub fn replace_body(node: &Node, id: &str, body: &str) {
    let database = Connection::open(node.data().join("customers.db")).expect("a database");
    let id: Uuid = id.parse().expect("an id");
    let sql = "UPDATE parked_messages SET body = ?1 WHERE message_id = ?2";
    let changed = database.execute(sql, (body, id.as_bytes().as_slice()));
    assert_eq!(changed.expect("an update"), 1);
}

/// Edits a message to a customer about an order of 10.00 that cannot be read: as long as it would
/// ask for something else, it is refused. `other` is another order of the same customer, of that
/// total; in a choreography what comes of the message is `announced`.
pub async fn is_edited_as_its_order_asks(
    api: &Api,
    path: &str,
    order: &str,
    (other, total): (&str, &str),
    announced: bool,
) {
    let asks_so = |order: &str, amount: &str, announced: bool| {
        let body = json!({
            "orderId": order, "amount": {"amount": amount}, "announced": announced
        });
        api.call(Method::PUT, path).json(json!({"body": body}))
    };
    let asks = |order: &str, amount: &str| asks_so(order, amount, announced);
    let nobody = Uuid::now_v7().to_string();

    for (order, amount) in [
        (order, "-5.00"),
        (order, "0.00"),
        (order, "3.00"),
        (nobody.as_str(), "10.00"),
        (other, "10.00"),
        (other, total),
    ] {
        asks(order, amount).await.is_problem(409);
    }
    // Whoever waits for it would not hear what has come of it.
    asks_so(order, "10.00", !announced).await.is_problem(409);
    asks(order, "10.00").await.is(200);
}

/// Replays whatever is parked until nothing is.
pub async fn replay_until_empty(api: &Api) {
    eventually("nothing is left in quarantine", async || {
        let entries = entries(api).await;

        for entry in &entries {
            let answer = api
                .post(&format!("/quarantine/{}/replay", id_of(entry)))
                .await;
            // one replay may have taken later messages of the same entity along
            assert!(
                [200, 202, 204, 404, 409].contains(&answer.status),
                "{}: {}",
                answer.call,
                answer.text
            );
        }

        entries.is_empty().then_some(())
    })
    .await;
}

/// Waits until the order's own history says that it has reached the state.
pub async fn order_reaches(api: &Api, order: &str, state: &str) {
    eventually(&format!("order {order} is {state}"), async || {
        let shown = api.order(order).answer().await.ok()?;
        (shown.json["state"] == state).then_some(())
    })
    .await;
}
