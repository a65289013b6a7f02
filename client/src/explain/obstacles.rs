//! Asks a node for what keeps an id from going on, and for what operators have done about it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::gather::optional;
use crate::ClientError;
use crate::http::{Freshness, Node};
use crate::pages;
use crate::table::cell;

/// A message that cannot be processed, or an entity that a view cannot take in.
#[derive(Debug)]
pub struct Obstacle {
    /// As the node lists it.
    pub entry: Value,
    /// It is of the order itself; otherwise the order's messages wait behind it.
    pub is_own: bool,
}

/// What is in quarantine of some ids, and of the customer of an order that waits for it: whatever
/// that is asked waits behind.
pub(super) async fn quarantined(
    node: &Node,
    about: &[&str],
    customer: Option<&str>,
) -> Result<Vec<Obstacle>, ClientError> {
    let mut found = Vec::new();
    for id in about {
        let own = |entry| Obstacle {
            entry,
            is_own: true,
        };
        found.extend(parked_of(node, id).await?.into_iter().map(own));
    }

    let Some(customer) = customer else {
        return Ok(found);
    };
    for entry in parked_of(node, customer).await? {
        // A list leaves the message itself out, which names the order or its saga.
        let whole = match entry.get("id").and_then(Value::as_str) {
            Some(id) => {
                let path = ["quarantine", id];
                optional(node.get(&path, &[], &Freshness::AsItIs).await)?
            }
            None => None,
        };
        let is_own = whole.is_some_and(|whole| mentions(&whole.body, about));
        found.push(Obstacle { entry, is_own });
    }
    Ok(found)
}

/// The messages to an entity that are in quarantine, and the views that cannot take it in.
async fn parked_of(node: &Node, id: &str) -> Result<Vec<Value>, ClientError> {
    let query = [("entity", id), ("limit", "20")];
    let page = node.get(&["quarantine"], &query, &Freshness::AsItIs).await;
    let Some(page) = optional(page)? else {
        return Ok(Vec::new());
    };
    let of = |name| {
        page.body
            .get(name)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    Ok([of("quarantine"), of("views")].concat())
}

/// What operators have done to some ids, or to what is in quarantine for them. Of what they have
/// done to a customer only that counts for an order which concerns it.
pub(super) async fn actions(
    node: &Node,
    about: &[&str],
    customer: Option<&str>,
    quarantined: &[Obstacle],
) -> Result<Vec<Value>, ClientError> {
    let messages = quarantined
        .iter()
        .filter_map(|found| found.entry.get("id")?.as_str());
    let concerned: Vec<&str> = about.iter().copied().chain(messages).collect();

    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    for id in about.iter().copied().chain(customer) {
        let query = [("about", id), ("limit", "200")];
        let page = node.get(&["actions"], &query, &Freshness::AsItIs).await;
        let Some(page) = optional(page)? else {
            continue;
        };
        for action in pages::rows(&page.body) {
            if mentions(action, &concerned) {
                found.insert(cell(action.get("id")), action.clone());
            }
        }
    }
    Ok(found.into_values().collect())
}

fn mentions(value: &Value, ids: &[&str]) -> bool {
    let text = value.to_string();
    ids.iter().any(|id| text.contains(id))
}
