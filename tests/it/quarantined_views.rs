//! An event that a view cannot take in stops its entity in that view, and nothing else.

use std::fs;

use rusqlite::Connection;
use serde_json::Value;
use tests::{Api, Node, ViewStores, eventually};
use uuid::Uuid;

/// The customer's name in the approval of its order, and what stands there when that is damaged.
const WHOLE: &str = r#""customerName":"Damaged""#;
const DAMAGED: &str = r#""customerName":7"#;

/// Writes something else into the events of an order, while its node is down.
fn replace(node: &Node, order: &str, what: &str, with: &str) {
    let database = Connection::open(node.data().join("orders.db")).expect("a database");
    let id: Uuid = order.parse().expect("an id");
    let sql = "UPDATE outbox SET events = replace(events, ?1, ?2) \
               WHERE entity_id = ?3 AND instr(events, ?1) > 0";
    let changed = database.execute(sql, (what, with, id.as_bytes().as_slice()));
    assert_eq!(changed.expect("an update"), 1);
}

/// What views cannot take in, when each of them has told it.
async fn listed(api: &Api, views: usize) -> Vec<Value> {
    eventually("it is listed", async || {
        let listed = api.get("/quarantine").await.is(200);
        let found = listed.json["views"].as_array().cloned().unwrap_or_default();
        (found.len() == views).then_some(found)
    })
    .await
}

#[tokio::test]
async fn an_event_that_views_cannot_take_in_stops_one_order_until_it_is_healed() {
    let mut node = Node::start_on(ViewStores::Embedded, &[]).await;
    let api = node.api();
    let customer = api.create_customer("Damaged", "50.00").await;
    let bad = api.place(&customer.id, "1.00", "APPROVED").await;
    let good = api.place(&customer.id, "2.00", "APPROVED").await;
    node.terminate().await;

    replace(&node, &bad.id, WHOLE, DAMAGED);
    for entry in fs::read_dir(node.data()).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        if name.starts_with("documents") || name.starts_with("search") {
            fs::remove_dir_all(&path)
                .or_else(|_| fs::remove_file(&path))
                .expect("to remove it");
        }
    }
    node.restart().await;

    let api = node.api();
    for entity in listed(&api, 2).await {
        assert_eq!(entity["entityId"], bad.id.as_str());
        assert_eq!(
            (&entity["version"], &entity["entityType"]),
            (&2.into(), &"order".into())
        );
        assert!(
            entity["cause"]
                .as_str()
                .is_some_and(|cause| !cause.is_empty())
        );
    }
    let causes = api.get("/quarantine/causes").await.is(200);
    assert_eq!(causes.items("causes").len(), 2, "{}", causes.text);

    // Whoever has seen the version that is missing is not shown less; all else goes on.
    eventually("the view that is built anew answers", async || {
        let shown = api.order(&good.id).token(&good.token).await;
        (shown.status == 200).then_some(())
    })
    .await;
    assert_eq!(api.order(&bad.id).await.is(200).str("state"), "PENDING");
    let behind = api.order(&bad.id).token(&bad.token).wait(1).await;
    behind.is_problem(503);
    assert!(behind.text.contains("view-behind"), "{}", behind.text);
    let later = api.place(&customer.id, "3.00", "APPROVED").await;
    api.order(&later.id).token(&later.token).await.is(200);

    let heal = format!("/views/documents/heal/{}", bad.id);
    api.post(&heal).await.is_problem(409);
    node.terminate().await;
    replace(&node, &bad.id, DAMAGED, WHOLE);
    node.restart().await;

    let api = node.api();
    listed(&api, 2).await;
    for view in ["documents", "search"] {
        api.post(&format!("/views/{view}/heal/{}", bad.id))
            .await
            .is(200);
    }
    listed(&api, 0).await;
    let shown = api.order(&bad.id).token(&bad.token).await.is(200);
    assert_eq!(shown.str("state"), "APPROVED");
    node.cli().run(&["verify"]).await.succeeded();
}
