//! Nodes that do one thing each: take requests, own shards, feed views.

use tests::{Cluster, Node, Response, ViewStores, eventually_within, has_sagas};

use super::callers::{Callers, GOES_ON_WITHIN};

/// By their places in the cluster.
const API: usize = 0;
const ACTORS: [usize; 2] = [1, 2];
const PROJECTIONS: usize = 3;
const ROLES: [&str; 4] = ["api", "actors", "actors", "projections"];

/// The answer of a node that does not do what it is asked for.
fn is_not_done(answer: &Response, because: &str) {
    answer.is_problem(503);
    assert!(answer.text.contains(because), "{}", answer.text);
}

#[tokio::test]
#[ignore = "needs PostgreSQL, Kafka, MongoDB and Elasticsearch"]
async fn a_node_that_owns_nothing_takes_commands_and_answers_what_any_would() {
    let cluster = Cluster::with_roles(&ROLES).await;
    let api = cluster[API].api();
    let customer = api.create_customer("Ada Park", "100.00").await;

    let order = api.new_order(&customer.id, "40.00").key("one").wait(30);
    let order = order.await.is(201);
    assert_eq!(order.str("state"), "APPROVED", "{}", order.text);
    let id = order.str("orderId");
    // Without a key, its shard is whosever it happens to be.
    let refused = api.new_order(&customer.id, "60.01").wait(30).await.is(201);
    assert_eq!(refused.str("state"), "REJECTED", "{}", refused.text);
    let repeated = api.new_order(&customer.id, "40.00").key("one").wait(30);
    assert_eq!(repeated.await.is(201).str("orderId"), id);

    let shown = api.order(id).token(&order.token()).wait(30).await.is(200);
    assert_eq!(shown.str("state"), "APPROVED", "{}", shown.text);
    let found = api.get("/orders").query("text", "Ada");
    let found = found.token(&order.token()).wait(30).await.is(200);
    assert!(found.each("orders", "orderId").contains(&id.to_owned()));
    let history = api.get(&format!("/orders/{id}/history")).await.is(200);
    assert_eq!(history.items("events").len(), 2, "{}", history.text);
    let before = api.order(id).query("asOfVersion", "1").await.is(200);
    assert_eq!(before.str("state"), "PENDING", "{}", before.text);
    if has_sagas() {
        api.saga(order.str("sagaId")).await.is(200);
    }

    let owners = Cluster::owners(&api).await;
    assert!(
        owners
            .iter()
            .all(|owner| owner == "node-2" || owner == "node-3")
    );
    cluster[API].cli().run(&["verify"]).await.succeeded();
}

#[tokio::test]
#[ignore = "needs PostgreSQL, Kafka, MongoDB and Elasticsearch"]
async fn a_node_that_takes_no_requests_says_so_and_tells_how_it_is() {
    let cluster = Cluster::with_roles(&ROLES).await;

    for node in [ACTORS[0], PROJECTIONS] {
        let api = cluster[node].api();
        for path in ["/", "/orders", "/customers/count", "/sagas", "/quarantine"] {
            let answer = api.get(path).answer().await.expect("an answer");
            is_not_done(&answer, "COUNTERFOIL_ROLES");
        }
        let order = api.post("/orders");
        let order = order.json(serde_json::json!({})).answer().await;
        is_not_done(&order.expect("an answer"), "COUNTERFOIL_ROLES");
        for path in ["/health/live", "/health/ready", "/cluster", "/metrics"] {
            api.get(path).await.is(200);
        }
    }
    // Whoever feeds a view is the one that rebuilds it.
    let rebuilt = cluster[PROJECTIONS].api().post("/views/documents/rebuild");
    rebuilt.await.is(202);
}

#[tokio::test]
#[ignore = "needs PostgreSQL, Kafka, MongoDB and Elasticsearch"]
async fn whichever_of_them_is_killed_the_others_go_on_and_the_books_balance() {
    let mut cluster = Cluster::with_roles(&ROLES).await;
    let callers = Callers::begin(&cluster).await;
    callers.go_on().await;

    cluster[ACTORS[0]].kill();
    callers.go_on().await;
    cluster[ACTORS[0]].restart().await;
    cluster.has_shards(ACTORS[0]).await;

    // Commands do not need views; who reads what he has written waits for one.
    cluster[PROJECTIONS].kill();
    callers.go_on().await;
    let api = cluster[API].api();
    let customer = api.create_customer("Kim Park", "1.00").await;
    let read = || api.customer(&customer.id).token(&customer.token).wait(1);
    let behind = read().answer().await.expect("an answer");
    is_not_done(&behind, "view-behind");
    cluster[PROJECTIONS].restart().await;
    eventually_within(GOES_ON_WITHIN, "the view goes on", async || {
        let shown = read().answer().await.ok()?;
        (shown.status == 200).then_some(())
    })
    .await;

    cluster[API].kill();
    cluster[API].restart().await;
    callers.ask_at(&cluster);
    callers.go_on().await;
    callers.end(&cluster).await;
}

#[tokio::test]
async fn a_node_that_shows_no_views_says_so_and_feeds_them_when_it_is_told_to() {
    let roles = [("COUNTERFOIL_ROLES", "api,actors")];
    let mut node = Node::start_on(ViewStores::Embedded, &roles).await;
    let api = node.api();
    let customer = api.create_customer("Ada Park", "100.00").await;
    let order = api.new_order(&customer.id, "1.00").wait(30).await.is(201);
    assert_eq!(order.str("state"), "APPROVED", "{}", order.text);

    for path in ["/orders", "/customers", "/customers/count"] {
        let answer = api.get(path).answer().await.expect("an answer");
        is_not_done(&answer, "projections");
    }
    let rebuilt = api.post("/views/documents/rebuild").answer().await;
    is_not_done(&rebuilt.expect("an answer"), "projections");
    let id = order.str("orderId");
    api.get(&format!("/orders/{id}/history")).await.is(200);
    let views = api.get("/views").await.is(200);
    assert!(views.items("views").is_empty(), "{}", views.text);

    node.terminate().await;
    node.restart_with(&[]).await;
    let shown = node.api().order(id).token(&order.token()).wait(30);
    assert_eq!(shown.await.is(200).str("state"), "APPROVED");
    node.cli().run(&["verify"]).await.succeeded();
}
