//! Histories and time travel: what an entity was, from the service's own database.

use serde_json::Value;
use tests::{Node, Placed, Shared, cents, time};
use uuid::Uuid;

static SHOP: Shared<Shop> = Shared::new();

/// A customer with a cancelled order and an approved one.
struct Shop {
    node: Node,
    customer: String,
    cancelled: Placed,
    approved: Placed,
}

impl Shop {
    async fn open() -> Self {
        let node = Node::start().await;
        let api = node.api();
        let customer = api.create_customer("Ada Park", "500.00").await.id;
        let cancelled = api.place(&customer, "100.00", "APPROVED").await;
        api.cancel(&cancelled.id).wait(30).await.is(200);
        let approved = api.place(&customer, "30.00", "APPROVED").await;
        Self {
            node,
            customer,
            cancelled,
            approved,
        }
    }

    async fn events(&self, path: &str) -> Vec<Value> {
        self.node
            .api()
            .get(path)
            .await
            .is(200)
            .items("events")
            .to_vec()
    }
}

#[tokio::test]
async fn a_history_is_complete_and_its_times_never_go_back() {
    let shop = SHOP.get(Shop::open).await;

    let events = shop
        .events(&format!("/orders/{}/history", shop.cancelled.id))
        .await;

    let versions: Vec<u64> = events
        .iter()
        .filter_map(|event| event["version"].as_u64())
        .collect();
    assert_eq!(versions, [1, 2, 3, 4]);
    assert_eq!(events[0]["type"], "order.created");
    assert!(events.is_sorted_by(|earlier, later| time(&earlier["time"]) <= time(&later["time"])));
    for event in &events {
        assert!(
            event["type"].is_string() && event["data"].is_object(),
            "{event}"
        );
        assert!(
            event["messageId"].is_string() && event["correlationId"].is_string(),
            "{event}"
        );
    }
    // created, reserved, released, reserved
    assert_eq!(
        shop.events(&format!("/customers/{}/history", shop.customer))
            .await
            .len(),
        4
    );
}

#[tokio::test]
async fn no_two_events_share_a_message_id() {
    let shop = SHOP.get(Shop::open).await;
    let mut events = Vec::new();
    for path in [
        format!("/orders/{}/history", shop.cancelled.id),
        format!("/orders/{}/history", shop.approved.id),
        format!("/customers/{}/history", shop.customer),
    ] {
        events.extend(shop.events(&path).await);
    }

    let ids: std::collections::BTreeSet<String> = events
        .iter()
        .map(|event| event["messageId"].to_string())
        .collect();

    assert_eq!(ids.len(), events.len());
}

#[tokio::test]
async fn a_history_is_paged_without_loss_or_repeat() {
    let shop = SHOP.get(Shop::open).await;
    let api = shop.node.api();
    let path = format!("/customers/{}/history", shop.customer);

    let mut versions = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut call = api.get(&path).query("limit", "3");
        if let Some(cursor) = &cursor {
            call = call.query("cursor", cursor);
        }
        let page = call.await.is(200);
        versions.extend(
            page.items("events")
                .iter()
                .filter_map(|event| event["version"].as_u64()),
        );
        cursor = page.next().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }

    assert_eq!(versions, [1, 2, 3, 4]);
    for (name, value) in [
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "x"),
        ("cursor", "nonsense"),
        ("colour", "red"),
    ] {
        api.get(&path).query(name, value).await.is_problem(400);
    }
    api.get(&path).query("limit", "1000").await.is(200);
}

#[tokio::test]
async fn an_order_is_shown_as_of_each_of_its_versions() {
    let shop = SHOP.get(Shop::open).await;
    let api = shop.node.api();

    for (version, state) in [
        ("1", "PENDING"),
        ("2", "APPROVED"),
        ("3", "CANCEL_PENDING"),
        ("4", "CANCELLED"),
    ] {
        let then = api
            .order(&shop.cancelled.id)
            .query("asOfVersion", version)
            .await
            .is(200);
        assert_eq!(then.str("state"), state);
        assert_eq!(then.json["version"].to_string(), version);
        assert_eq!(then.str("customerId"), shop.customer);
        assert_eq!(cents(&then.json["orderTotal"]), 10000);
    }
    api.order(&shop.cancelled.id)
        .query("asOfVersion", "5")
        .await
        .is_problem(404);
    api.order(&shop.cancelled.id)
        .query("asOfVersion", "first")
        .await
        .is_problem(400);
}

#[tokio::test]
async fn a_customer_is_shown_as_of_each_of_its_versions_without_orders() {
    let shop = SHOP.get(Shop::open).await;
    let api = shop.node.api();

    for (version, available) in [("1", 50000), ("2", 40000), ("3", 50000), ("4", 47000)] {
        let then = api
            .customer(&shop.customer)
            .query("asOfVersion", version)
            .await
            .is(200);
        assert_eq!(
            cents(&then.json["availableCredit"]),
            available,
            "{}",
            then.text
        );
        assert_eq!(cents(&then.json["creditLimit"]), 50000);
        assert_eq!(then.str("name"), "Ada Park");
        assert!(then.json.get("orders").is_none(), "{}", then.text);
    }
    api.customer(&shop.customer)
        .query("asOfVersion", "5")
        .await
        .is_problem(404);
}

#[tokio::test]
async fn an_order_is_shown_as_of_a_time() {
    let shop = SHOP.get(Shop::open).await;
    let api = shop.node.api();
    let events = shop
        .events(&format!("/orders/{}/history", shop.cancelled.id))
        .await;

    for event in &events {
        let time = event["time"].as_str().expect("a time");
        let then = api
            .order(&shop.cancelled.id)
            .query("asOf", time)
            .await
            .is(200);
        // two events may share a microsecond
        assert!(
            then.json["version"].as_u64() >= event["version"].as_u64(),
            "{}",
            then.text
        );
    }
    api.order(&shop.cancelled.id)
        .query("asOf", "2001-01-01T00:00:00Z")
        .await
        .is_problem(404);
    api.order(&shop.cancelled.id)
        .query("asOf", "yesterday")
        .await
        .is_problem(400);
    api.customer(&shop.customer)
        .query("asOf", "2001-01-01T00:00:00Z")
        .await
        .is_problem(404);
}

#[tokio::test]
async fn what_never_existed_has_no_past() {
    let shop = SHOP.get(Shop::open).await;
    let api = shop.node.api();
    let unknown = Uuid::now_v7().to_string();

    api.order(&unknown)
        .query("asOfVersion", "1")
        .await
        .is_problem(404);
    api.customer(&unknown)
        .query("asOfVersion", "1")
        .await
        .is_problem(404);
}

#[tokio::test]
async fn the_past_survives_kill_9() {
    let mut node = Node::start().await;
    let api = node.api();
    let customer = api.create_customer("Ada Park", "500.00").await.id;
    let order = api.place(&customer, "100.00", "APPROVED").await;
    let path = format!("/orders/{}/history", order.id);
    let before = api.get(&path).await.is(200).json;

    node.kill();
    node.restart().await;

    assert_eq!(node.api().get(&path).await.is(200).json, before);
}
