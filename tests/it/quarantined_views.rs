//! An event that a view cannot take in stops its entity in that view, and nothing else.

use std::fs;

use rusqlite::Connection;
use serde_json::{Value, json};
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

/// Deletes the views of a node that is down, so that it builds them from its events.
fn forget_views(node: &Node) {
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
    forget_views(&node);
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

/// A node that runs, and orders of its whose approvals views cannot take in.
struct Damaged {
    node: Node,
    orders: Vec<String>,
}

impl Damaged {
    async fn with_orders(number: usize) -> Self {
        let mut node = Node::start_on(ViewStores::Embedded, &[]).await;
        let api = node.api();
        let customer = api.create_customer("Damaged", "50.00").await;
        let mut orders = Vec::new();
        for _ in 0..number {
            orders.push(api.place(&customer.id, "1.00", "APPROVED").await.id);
        }
        node.terminate().await;
        for order in &orders {
            replace(&node, order, WHOLE, DAMAGED);
        }
        forget_views(&node);
        node.restart().await;
        listed(&node.api(), 2 * number).await;
        Damaged { node, orders }
    }

    /// The event of this order can be read again; the views are not told.
    async fn mend(&mut self, order: &str) {
        self.node.terminate().await;
        replace(&self.node, order, DAMAGED, WHOLE);
        self.node.restart().await;
        listed(&self.node.api(), 2 * self.orders.len()).await;
    }
}

/// The entities, each with its view, of a page of the views' quarantine.
fn entries(page: &Value) -> Vec<(&str, &str)> {
    let all = page["quarantine"].as_array().into_iter().flatten();
    all.map(|one| {
        let part = |name: &str| one[name].as_str().unwrap_or_default();
        (part("view"), part("entityId"))
    })
    .collect()
}

#[tokio::test]
async fn what_a_view_cannot_take_in_is_found_shown_and_healed_for_a_reason() {
    let mut damaged = Damaged::with_orders(2).await;
    let (first, second) = (damaged.orders[0].clone(), damaged.orders[1].clone());
    let api = damaged.node.api();
    let found = async |query: &[(&str, &str)]| {
        let call = api.get("/views/quarantine");
        let call = query
            .iter()
            .fold(call, |call, (name, value)| call.query(name, value));
        call.await.is(200).json
    };

    assert_eq!(entries(&found(&[]).await).len(), 4);
    eventually("readiness tells of them", async || {
        let ready = api.get("/health/ready").await.is(200);
        let told = ready.json["degraded"].to_string();
        told.contains("4 entities wait in the quarantine of a view")
            .then_some(())
    })
    .await;
    let of_first = found(&[
        ("view", "search"),
        ("entity", &first),
        ("service", "orders"),
    ])
    .await;
    assert_eq!(entries(&of_first), [("search", first.as_str())]);
    for none in [
        ("service", "customers"),
        ("cause", "no such text"),
        ("olderThan", "1h"),
    ] {
        assert_eq!(entries(&found(&[none]).await), [], "{none:?}");
    }

    // Page by page, each entry once, whatever is in two views.
    let mut pages = vec![found(&[("limit", "1")]).await];
    while let Some(next) = pages.last().and_then(|page| page["next"].as_str()) {
        let next = next.to_owned();
        pages.push(found(&[("limit", "1"), ("cursor", &next)]).await);
    }
    let mut paged: Vec<_> = pages.iter().flat_map(entries).collect();
    paged.sort_unstable();
    paged.dedup();
    assert_eq!((pages.len(), paged.len()), (4, 4));

    let path = format!("/views/documents/quarantine/{first}");
    let shown = api.get(&path).await.is(200);
    let entry = &shown.json;
    assert_eq!(
        (&entry["version"], &entry["service"]),
        (&json!(2), &json!("orders"))
    );
    assert!(entry["sequence"].as_u64() > Some(0), "{}", shown.text);
    assert!(
        entry["cause"]
            .as_str()
            .is_some_and(|cause| !cause.is_empty())
    );
    assert!(
        entry["time"].as_str() < entry["since"].as_str(),
        "{}",
        shown.text
    );
    assert_eq!(entry["event"]["messageType"], "order.approved");
    assert_eq!(entry["event"]["body"]["customerName"], 7, "{}", shown.text);

    // It cannot be healed yet, and nothing is kept of that.
    let heal = format!("/views/documents/heal/{first}");
    api.post(&heal).await.is_problem(409);
    assert!(api.get(&path).await.is(200).json.get("actions").is_none());

    damaged.mend(&first).await;
    let api = damaged.node.api();
    let reason = json!({"reason": "its event was mended"});
    let healed = async || {
        api.post(&heal)
            .key("heal")
            .json(reason.clone())
            .await
            .is(200)
    };
    let healed_first = healed().await;
    assert_eq!(healed().await.json, healed_first.json);
    api.get(&path).await.is_problem(404);

    let kept = api.get("/actions").query("about", &first).await.is(200);
    assert_eq!(kept.items("actions").len(), 1, "{}", kept.text);
    let action = &kept.items("actions")[0];
    assert_eq!(
        (&action["action"], &action["view"], &action["reason"]),
        (
            &json!("view.healed"),
            &json!("documents"),
            &json!("its event was mended")
        )
    );
    let before = &action["detail"]["before"]["quarantined"];
    assert_eq!(
        (&before["version"], &before["service"]),
        (&json!(2), &json!("orders"))
    );
    assert_eq!(action["detail"]["after"]["version"], 2);

    // The same by the command line.
    let cli = damaged.node.cli();
    let url = damaged.node.url();
    let list = [
        "views",
        "quarantine",
        "list",
        "--view",
        "documents",
        "--url",
        url,
    ];
    let told = cli.run(&list).await.succeeded().stdout;
    assert!(told.contains(&second) && !told.contains(&first), "{told}");
    let show = [
        "views",
        "quarantine",
        "show",
        "search",
        &first,
        "--url",
        url,
    ];
    let told = cli.run(&show).await.succeeded().stdout;
    for part in ["order.approved", "customerName", "since", &first] {
        assert!(told.contains(part), "{part} in\n{told}");
    }
}

#[tokio::test]
async fn all_that_a_filter_finds_is_healed_at_once_and_a_repeat_gets_the_same_answer() {
    let mut damaged = Damaged::with_orders(3).await;
    let mended = damaged.orders[0].clone();
    damaged.mend(&mended).await;
    let api = damaged.node.api();
    let bulk = async |api: &Api, key: &str, body: &Value| {
        let call = api
            .post("/views/quarantine/bulk")
            .key(key)
            .json(body.clone());
        call.await
    };

    let look = json!({"action": "heal", "filter": {"service": "orders"}, "dryRun": true});
    let looked = bulk(&api, "look", &look).await.is(200);
    assert_eq!(
        (&looked.json["matched"], &looked.json["done"]),
        (&json!(6), &json!(0))
    );
    listed(&api, 6).await;

    // Of one view, in parts; what cannot be healed yet is refused and told.
    let heal = json!({"action": "heal", "filter": {"view": "documents"}, "limit": 2,
        "reason": "one is mended"});
    let first = bulk(&api, "part", &heal).await.is(200);
    assert_eq!(first.json["matched"], 2, "{}", first.text);
    let mut rest = heal.clone();
    rest["cursor"] = first.json["next"].clone();
    let rest = bulk(&api, "rest", &rest).await.is(200);
    assert!(rest.json.get("next").is_none(), "{}", rest.text);
    let sum = |field: &str| {
        [&first, &rest]
            .map(|part| part.json[field].as_u64())
            .into_iter()
            .flatten()
            .sum::<u64>()
    };
    assert_eq!(
        (sum("done"), sum("refused")),
        (1, 2),
        "{}{}",
        first.text,
        rest.text
    );
    let refusals = [&first, &rest]
        .map(|part| part.json["refusals"].to_string())
        .concat();
    assert!(refusals.contains("documents: "), "{refusals}");
    listed(&api, 5).await;
    let kept = api.get("/actions").query("view", "documents").await.is(200);
    assert_eq!(
        kept.each("actions", "action"),
        ["view.healed"],
        "{}",
        kept.text
    );
    assert_eq!(kept.each("actions", "reason"), ["one is mended"]);

    // Under its key it is the same request, also after the node has died and all is mended.
    let other = json!({"action": "heal", "filter": {"view": "search"}});
    bulk(&api, "part", &other).await.is_problem(422);
    damaged.node.kill();
    for order in &damaged.orders[1..] {
        replace(&damaged.node, order, DAMAGED, WHOLE);
    }
    damaged.node.restart().await;
    let api = damaged.node.api();
    listed(&api, 5).await;
    assert_eq!(bulk(&api, "part", &heal).await.is(200).json, first.json);
    listed(&api, 5).await;

    let url = damaged.node.url();
    let line = [
        "views",
        "quarantine",
        "bulk",
        "heal",
        "--reason",
        "all are",
        "--url",
        url,
    ];
    let told = damaged.node.cli().run(&line).await.succeeded().stdout;
    assert!(
        told.contains("5 entities matched, 5 done, 0 refused"),
        "{told}"
    );
    listed(&api, 0).await;
    let kept = api.get("/actions").query("limit", "100").await.is(200);
    assert_eq!(kept.items("actions").len(), 6, "{}", kept.text);
    damaged.node.cli().run(&["verify"]).await.succeeded();
}
