//! What must hold of a shop once nothing is in flight, read through the public API after something
//! went wrong.

use std::collections::BTreeMap;

use serde_json::Value;
use tests::{
    Api, Call, Node, Response, cents, eventually, eventually_within, has_sagas, in_state,
    reserved_cents,
};

/// Above the longest back-off of a retry.
const REST: std::time::Duration = std::time::Duration::from_secs(60);

/// Repeats a keyed command until it is not answered with a 5xx, as a caller would.
pub async fn accepted(call: Call) -> Response {
    eventually("the command is taken", async || {
        call.clone()
            .answer()
            .await
            .ok()
            .filter(|answer| answer.status < 500)
    })
    .await
}

/// Waits until every saga has ended, and every order that waits by itself; no saga may be stuck.
pub async fn all_sagas_end(api: &Api) {
    if !has_sagas() {
        no_order_waits(api).await;
    }
    eventually_within(REST, "all sagas have ended", async || {
        for state in ["RUNNING", "COMPENSATING"] {
            let open = api
                .get("/sagas")
                .query("state", state)
                .query("limit", "1")
                .await
                .is(200);
            if !open.items("sagas").is_empty() {
                return None;
            }
        }
        Some(())
    })
    .await;

    let stuck = api.get("/sagas").query("state", "STUCK").await.is(200);
    assert!(stuck.items("sagas").is_empty(), "{}", stuck.text);
}

/// Waits until the views show no order that waits for its customer.
pub async fn no_order_waits(api: &Api) {
    eventually_within(REST, "no order waits", async || {
        are_level(api).await?;
        for state in ["PENDING", "CANCEL_PENDING"] {
            let waiting = api.get("/orders").query("state", state).await.is(200);
            if waiting.json["total"] != 0 {
                return None;
            }
        }
        Some(())
    })
    .await;
}

/// Waits until the views have taken in every commit.
pub async fn views_are_level(api: &Api) {
    eventually_within(REST, "the views are level", async || are_level(api).await).await;
}

/// Whether they are, as far as their stores answer at the moment.
async fn are_level(api: &Api) -> Option<()> {
    let views = api.get("/views").answer().await.expect("an answer");
    if views.status == 503 {
        return None;
    }
    let views = views.is(200);
    let level = views.items("views").iter().all(|view| view["lag"] == 0);
    level.then_some(())
}

/// Waits until the views are at rest, then asserts for each customer that the credit in use is the
/// sum of its approved and shipped orders. Gives the orders by customer.
pub async fn balance(api: &Api, customers: &[String]) -> BTreeMap<String, Vec<Value>> {
    all_sagas_end(api).await;
    views_are_level(api).await;
    let mut books = BTreeMap::new();

    for customer in customers {
        let path = format!("/customers/{customer}/orders");
        let orders = eventually(
            &format!("the books of customer {customer} balance"),
            async || {
                let orders = api
                    .walk(&path, &[("limit", "200")], "orders", "orderId")
                    .await;
                let shown = api.customer(customer).await.is(200).json;
                let used = cents(&shown["creditLimit"]) - cents(&shown["availableCredit"]);
                let at_rest = !orders
                    .iter()
                    .any(|order| in_state(order, &["PENDING", "CANCEL_PENDING"]));
                (at_rest && used == reserved_cents(&orders)).then_some(orders)
            },
        )
        .await;
        books.insert(customer.clone(), orders);
    }

    books
}

/// Asserts that an entity's history has every version once.
pub async fn history_is_contiguous(api: &Api, path: &str) {
    let history = api.get(path).await.is(200);
    let versions: Vec<u64> = history
        .items("events")
        .iter()
        .filter_map(|event| event["version"].as_u64())
        .collect();
    let expected: Vec<u64> = (1..).take(versions.len()).collect();
    assert_eq!(versions, expected, "{}", history.text);
}

/// Asserts that the auditor finds nothing: with the node running, and again with none.
pub async fn audit(mut node: Node) {
    node.cli().run(&["verify"]).await.succeeded();
    node.terminate().await;
    node.cli().run(&["verify"]).await.succeeded();
}
