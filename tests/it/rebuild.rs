//! A view is built anew while it answers: nobody sees less than before, whatever is killed
//! meanwhile.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tests::{Api, Node, ViewStores, eventually_within};

use crate::books::views_are_level;

const BUILT: Duration = Duration::from_secs(60);

/// Customers and orders, so that a rebuild has something to do; the ids of the orders.
async fn trade(api: &Api, orders: usize) -> Vec<String> {
    let customer = api.new_customer("Ada Park", "1000000").await.is(201);
    let mut placed = Vec::new();
    for _ in 0..orders {
        let order = api
            .new_order(customer.str("customerId"), "1.00")
            .await
            .is(201);
        placed.push(order.str("orderId").to_owned());
    }
    placed
}

async fn view(api: &Api, name: &str) -> Value {
    let views = api.get("/views").await.is(200);
    views
        .items("views")
        .iter()
        .find(|view| view["name"] == name)
        .cloned()
        .expect("the view is listed")
}

async fn answers(api: &Api, name: &str, generation: u64) {
    eventually_within(BUILT, "the generation answers", async || {
        let view = view(api, name).await;
        (view["generation"] == generation && view["state"] == "LIVE").then_some(())
    })
    .await;
}

/// Writes, and reads what was written with its token, from both views, until it is told to stop.
async fn writes_and_reads(api: Api, stop: Arc<AtomicBool>, read: Arc<AtomicU64>) {
    let customer = api.new_customer("Grace Hill", "1000000").await.is(201);

    let id = customer.str("customerId").to_owned();
    // What it has seen by reading, too: each read shows at least what the last one has shown.
    let (mut seen, mut before) = (0, customer.token());

    while !stop.load(Ordering::Relaxed) {
        let order = api.new_order(&id, "1.00").await.is(201);
        let token = format!("{before},{}", order.token());
        api.order(order.str("orderId"))
            .token(&token)
            .wait(20)
            .await
            .is(200);
        let found = api
            .get("/orders")
            .query("customerId", &id)
            .token(&token)
            .wait(20)
            .await
            .is(200);
        before = found.token();
        let total = found.json["total"].as_u64().expect("a total");
        seen += 1;
        assert_eq!(total, seen, "an order is missing: {}", found.text);
        read.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn views_rebuilt_under_load_from_history_and_from_entities_never_show_less() {
    let node = Node::start().await;
    let api = node.api();
    trade(&api, 300).await;

    let (stop, read) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );

    let callers: Vec<_> = (0..4)
        .map(|_| {
            tokio::spawn(writes_and_reads(
                node.api(),
                Arc::clone(&stop),
                Arc::clone(&read),
            ))
        })
        .collect();

    for (generation, from) in [(2, "history"), (3, "entities")] {
        for name in ["documents", "search"] {
            let begun = api
                .post(&format!("/views/{name}/rebuild"))
                .query("from", from)
                .await
                .is(202);
            assert_eq!(
                (&begun.json["generation"], &begun.json["from"]),
                (&Value::from(generation), &Value::from(from))
            );
        }
        for name in ["documents", "search"] {
            answers(&api, name, generation).await;
        }
    }

    let before = read.load(Ordering::Relaxed);
    eventually_within(BUILT, "reads go on", async || {
        (read.load(Ordering::Relaxed) > before).then_some(())
    })
    .await;

    stop.store(true, Ordering::Relaxed);

    for caller in callers {
        caller.await.expect("no read was wrong");
    }

    views_are_level(&api).await;
    node.cli().run(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn a_rebuild_goes_on_after_a_kill_and_is_as_good() {
    for from in ["history", "entities"] {
        let mut node = Node::start().await;
        let orders = trade(&node.api(), 200).await;

        for name in ["documents", "search"] {
            node.api()
                .post(&format!("/views/{name}/rebuild"))
                .query("from", from)
                .await
                .is(202);
        }

        node.kill();

        node.restart().await;
        let api = node.api();
        for name in ["documents", "search"] {
            answers(&api, name, 2).await;
        }

        views_are_level(&api).await;

        for order in orders.iter().step_by(20) {
            api.order(order).await.is(200);
        }

        node.cli().run(&["verify"]).await.succeeded();
    }
}

#[tokio::test]
async fn one_command_goes_back_as_long_as_the_earlier_generation_is_kept() {
    let node = Node::start_with(&[("COUNTERFOIL_VIEW_KEEP", "1s")]).await;
    let api = node.api();
    trade(&api, 20).await;
    api.post("/views/documents/revert").await.is_problem(409);
    let url = ["--url", node.url()];
    let rebuild = [&["views", "rebuild", "documents", "--wait"], &url[..]].concat();

    let rebuilt = node.cli().run(&rebuild).await.succeeded();
    assert!(
        rebuilt.stdout.contains("generation 2 of documents answers"),
        "{}",
        rebuilt.stdout
    );

    assert_eq!(view(&api, "documents").await["kept"], 1);
    let written = trade(&api, 1).await;

    let back = node
        .cli()
        .run(&[&["views", "revert", "documents"], &url[..]].concat())
        .await
        .succeeded();
    assert!(back.stdout.contains("generation 1"), "{}", back.stdout);
    answers(&api, "documents", 1).await;

    eventually_within(BUILT, "what was written since is there", async || {
        (api.order(&written[0]).await.status == 200).then_some(())
    })
    .await;

    eventually_within(BUILT, "the other one is let go of", async || {
        view(&api, "documents").await["kept"]
            .is_null()
            .then_some(())
    })
    .await;

    api.post("/views/documents/revert").await.is_problem(409);
}

#[tokio::test]
async fn what_cannot_be_done_to_a_view_is_refused_in_words() {
    let node = Node::start().await;
    let api = node.api();
    api.post("/views/nothing/rebuild").await.is_problem(404);

    api.post("/views/documents/rebuild")
        .query("from", "memory")
        .await
        .is_invalid("from");

    api.post("/views/documents/heal/7").await.is_invalid("id");

    api.post("/views/documents/heal/0190a5c8-7e2b-7c3d-8f4e-123456789abc")
        .await
        .is_problem(404);

    let outcome = node
        .cli()
        .run(&["views", "rebuild", "nothing", "--wait", "--url", node.url()])
        .await;
    outcome.failed();
}

#[tokio::test]
async fn an_entity_is_healed_in_each_view_by_its_history() {
    let node = Node::start().await;
    let api = node.api();
    let order = trade(&api, 1).await.remove(0);

    for name in ["documents", "search"] {
        let healed = node
            .cli()
            .run(&["views", "heal", name, &order, "--url", node.url()])
            .await
            .succeeded();
        assert!(healed.stdout.contains("is healed"), "{}", healed.stdout);
    }

    views_are_level(&api).await;
    node.cli().run(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn a_view_whose_store_is_down_at_the_start_does_not_keep_commands_from_being_taken() {
    let mut node = Node::start_on(ViewStores::Embedded, &[]).await;

    trade(&node.api(), 3).await;
    node.terminate().await;
    // As another process on the same index would.
    let lock = node.folder().join("data/search-1/.tantivy-writer.lock");
    let lock = std::fs::File::open(&lock).expect("the lock of the search index");
    lock.lock().expect("a lock that nobody holds");
    node.restart().await;
    let api = node.api();
    let ready = api.get("/health/ready").await.is(200);
    assert!(ready.text.contains("search"), "{}", ready.text);
    assert_eq!(view(&api, "search").await["state"], "FAILED");
    trade(&api, 1).await;
    let refused = api.get("/orders").await;
    refused.is_problem(503);
    assert!(!refused.header("retry-after").is_empty());

    lock.unlock().expect("a lock that we hold");
    answers(&api, "search", 1).await;
    views_are_level(&api).await;
    assert_eq!(api.get("/orders").await.is(200).json["total"], 4);
}

#[tokio::test]
async fn views_whose_files_are_no_files_are_rebuilt_by_themselves_beside_the_commands() {
    let mut node = Node::start_on(ViewStores::Embedded, &[]).await;
    trade(&node.api(), 3).await;
    node.terminate().await;

    let data = node.folder().join("data");
    let instead = |name: &str| {
        let path = data.join(name);
        std::fs::remove_file(&path).expect("a file that can be removed");
        std::fs::create_dir(&path).expect("a folder in its place");
    };
    instead("search.json");
    instead("documents-1.db");

    node.restart().await;
    let api = node.api();
    trade(&api, 1).await;
    answers(&api, "search", 2).await;
    answers(&api, "documents", 2).await;
    views_are_level(&api).await;
    assert_eq!(api.get("/orders").await.is(200).json["total"], 4);
    let customers = api.get("/customers").await.is(200);
    assert_eq!(
        customers.json["customers"].as_array().map(Vec::len),
        Some(2)
    );
}

#[tokio::test]
async fn a_query_that_meets_damage_is_answered_by_the_generation_that_was_kept() {
    let node = Node::start_on(ViewStores::Embedded, &[]).await;
    let api = node.api();
    let orders = trade(&api, 3).await;
    views_are_level(&api).await;
    let rebuild = [
        "views",
        "rebuild",
        "documents",
        "--wait",
        "--url",
        node.url(),
    ];
    node.cli().run(&rebuild).await.succeeded();

    let file = node.folder().join("data/documents-2.db");
    {
        let connection = rusqlite::Connection::open(&file).expect("the file of the view");
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .expect("a checkpoint");
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .open(&file)
        .expect("a file to write");
    file.write_all(&[0xa5; 20_000]).expect("garbage in it");

    eventually_within(BUILT, "it is noticed", async || {
        for order in &orders {
            api.order(order).await.is(200);
        }
        (view(&api, "documents").await["generation"] != 2).then_some(())
    })
    .await;
    answers(&api, "documents", 3).await;
}
