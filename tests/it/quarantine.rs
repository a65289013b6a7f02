//! What several modules need of the quarantine: find what is parked for an entity, and put it back.
//!
//! The contract leaves the shape of an entry open, so this module reads it leniently: a list of
//! objects that name their entity.

use serde_json::Value;
use tests::{Api, eventually};

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
