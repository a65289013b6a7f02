//! Which nodes there are, as any of them tells, and which one feeds the views of all.

use serde_json::Value;
use tests::{Api, Cluster, eventually_within};

use super::callers::GOES_ON_WITHIN;

/// The states of the nodes that one of them knows of, with their names.
fn states(nodes: &[Value]) -> Vec<(&str, &str)> {
    let states = nodes
        .iter()
        .map(|node| (text(&node["nodeId"]), text(&node["state"])));
    states.collect()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

async fn shows(api: &Api, expected: &[(&str, &str)]) -> Vec<Value> {
    eventually_within(GOES_ON_WITHIN, "the nodes are shown", async || {
        let nodes = Cluster::nodes(api).await;
        (states(&nodes) == expected).then_some(nodes)
    })
    .await
}

/// The place of the node that feeds the views.
async fn feeding(api: &Api, except: Option<usize>) -> usize {
    eventually_within(GOES_ON_WITHIN, "a node feeds the views", async || {
        let nodes = Cluster::nodes(api).await;
        let mut feeding = nodes.iter().filter(|node| node["feedsViews"] == true);
        let name = feeding.next()?["nodeId"].as_str()?;
        let number: usize = name.trim_start_matches("node-").parse().ok()?;
        let place = number - 1;
        (feeding.next().is_none() && except != Some(place)).then_some(place)
    })
    .await
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka"]
async fn any_node_tells_of_all_nodes_and_of_one_that_is_gone_for_a_while() {
    let mut cluster = Cluster::start(3).await;
    let all = ["node-1", "node-2", "node-3"];

    for api in cluster.apis() {
        let nodes = shows(&api, &all.map(|name| (name, "PRESENT"))).await;
        for (node, name) in nodes.iter().zip(all) {
            assert_eq!(node["roles"].as_array().map(Vec::len), Some(3), "{node}");
            assert!(node["release"].is_string() && node["lastSeenAt"].is_string());
            let number: usize = name.trim_start_matches("node-").parse().expect("a number");
            let url = cluster[number - 1].url();
            let address = node["address"].as_str().expect("it is known");
            assert_eq!(format!("http://{address}"), url);
        }
        let shards = nodes
            .iter()
            .map(|node| node["shards"].as_u64().expect("a number"));
        assert_eq!(shards.sum::<u64>(), 32, "{nodes:?}");
    }

    // Who is killed falls silent; who ends says so.
    cluster[1].kill();
    cluster[2].terminate().await;
    let api = cluster[0].api();
    shows(&api, &[("node-1", "PRESENT"), ("node-2", "ABSENT")]).await;
    cluster[1].restart().await;
    cluster[2].restart().await;
    for api in cluster.apis() {
        shows(&api, &all.map(|name| (name, "PRESENT"))).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL, Kafka, MongoDB and Elasticsearch"]
async fn a_node_that_alone_does_not_reach_a_view_leaves_it_to_another_one() {
    let (cluster, wires) = Cluster::with_wires(2).await;
    let apis = cluster.apis();
    let customer = apis[0].create_customer("Ada Park", "100.00").await;
    let feeds = feeding(&apis[0], None).await;

    wires[feeds].cut();
    let other = feeding(&apis[1 - feeds], Some(feeds)).await;
    let order = apis[feeds].new_order(&customer.id, "1.00").wait(30);
    let order = order.await.is(201);
    let found = || {
        let query = apis[other].get("/orders").query("text", "Ada");
        query.token(&order.token()).wait(5)
    };
    eventually_within(GOES_ON_WITHIN, "the view is fed", async || {
        let found = found().answer().await.ok()?;
        (found.status == 200 && !found.items("orders").is_empty()).then_some(())
    })
    .await;

    // Whoever reaches nothing leaves nothing to anybody, who would be no better off.
    wires[feeds].mend();
    eventually_within(GOES_ON_WITHIN, "it answers again", async || {
        let found = apis[feeds].get("/orders").query("text", "Ada");
        let found = found.token(&order.token()).wait(5).answer().await.ok()?;
        (found.status == 200).then_some(())
    })
    .await;
    assert_eq!(feeding(&apis[feeds], None).await, other);
    cluster[other].cli().run(&["verify"]).await.succeeded();
}

/// The generation of the document view that answers, as a node shows it.
async fn generation(api: &Api) -> Option<u64> {
    let views = api.get("/views").await.is(200);
    let mut views = views.items("views").iter();
    views.find(|view| view["name"] == "documents")?["generation"].as_u64()
}

async fn answers_everywhere(cluster: &Cluster, number: u64) {
    for api in cluster.apis() {
        eventually_within(GOES_ON_WITHIN, "the generation answers", async || {
            (generation(&api).await == Some(number)).then_some(())
        })
        .await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL, Kafka, MongoDB and Elasticsearch"]
async fn a_view_is_rebuilt_and_gone_back_from_at_whichever_node_it_is_asked_for() {
    let roles = ["api,actors", "api,actors,projections", "api,projections"];
    let cluster = Cluster::with_roles(&roles).await;
    let customer = cluster.any().create_customer("Ada Park", "100.00").await;
    let feeds = feeding(&cluster[0].api(), None).await;
    let before = generation(&cluster[feeds].api()).await.expect("it answers");

    // One rebuild, however often and wherever it is asked for under one key.
    for api in cluster.apis() {
        let begun = api.post("/views/documents/rebuild").key("again").await;
        let begun = begun.is(202);
        assert_eq!(begun.json["generation"], before + 1, "{}", begun.text);
    }
    answers_everywhere(&cluster, before + 1).await;
    let other = api_beside(&cluster, feeds);
    let conflict = other.post("/views/documents/rebuild").key("again");
    let conflict = conflict.query("from", "entities").await;
    conflict.is_problem(422);

    let heal = format!("/views/documents/heal/{}", customer.id);
    assert_eq!(other.post(&heal).await.is(200).json["version"], 1);
    let unknown = format!("/views/documents/heal/{}", uuid::Uuid::now_v7());
    other.post(&unknown).await.is_problem(404);

    let reverted = other.post("/views/documents/revert").await;
    assert!([200, 202].contains(&reverted.status), "{}", reverted.text);
    answers_everywhere(&cluster, before).await;
    cluster[feeds].cli().run(&["verify"]).await.succeeded();
}

fn api_beside(cluster: &Cluster, feeds: usize) -> Api {
    let other = if feeds == 1 { 2 } else { 1 };
    cluster[other].api()
}
