//! What an operator sees of a running node: health, metrics, documentation, the state of views and
//! shards, an orderly end.

use std::collections::BTreeSet;

use tests::{Node, Shared, eventually};

static NODE: Shared<Node> = Shared::new();

/// Every route of the contract but the documentation's own, with parameters as `{}`.
const ROUTES: [(&str, &str); 27] = [
    ("post", "/customers"),
    ("post", "/orders"),
    ("post", "/orders/{}/cancel"),
    ("post", "/orders/{}/ship"),
    ("get", "/customers/{}"),
    ("get", "/customers"),
    ("get", "/customers/count"),
    ("get", "/customers/{}/orders"),
    ("get", "/customers/{}/history"),
    ("get", "/orders/{}"),
    ("get", "/orders"),
    ("get", "/orders/{}/history"),
    ("get", "/sagas"),
    ("get", "/sagas/{}"),
    ("post", "/sagas/{}/retry"),
    ("post", "/sagas/{}/cancel"),
    ("get", "/quarantine"),
    ("get", "/quarantine/{}"),
    ("post", "/quarantine/{}/replay"),
    ("delete", "/quarantine/{}"),
    ("get", "/views"),
    ("get", "/cluster"),
    ("get", "/health/live"),
    ("get", "/health/ready"),
    ("get", "/metrics"),
    ("get", "/"),
    ("get", "/openapi.json"),
];

#[tokio::test]
async fn a_node_says_that_it_lives_and_is_ready() {
    let node = NODE.get(Node::start).await;
    let api = node.api();

    api.get("/health/live").await.is(200);
    api.get("/health/ready").await.is(200);
}

#[tokio::test]
async fn a_supervisor_learns_the_health_of_a_node_from_an_exit_code() {
    let mut node = Node::start().await;
    let health = node.cli().env("COUNTERFOIL_URL", node.url());

    let ready = health.run(&["health"]).await.succeeded();
    assert!(ready.stdout.starts_with("ready"), "{}", ready.stdout);
    node.kill();
    let gone = health.run(&["health"]).await.failed();
    assert!(gone.only_line().contains(node.url()), "{}", gone.stderr);
}

#[tokio::test]
async fn the_first_page_links_to_the_rest() {
    let node = NODE.get(Node::start).await;

    let page = node.api().get("/").await.is(200);

    assert!(
        page.header("content-type").starts_with("text/html"),
        "{}",
        page.header("content-type")
    );
    for word in ["Counterfoil", "/docs"] {
        assert!(page.text.contains(word), "no {word} in {}", page.text);
    }
}

#[tokio::test]
async fn metrics_are_prometheus_text_and_tell_of_the_work() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "15.00").await;
    api.place(&customer.id, "12.34", "APPROVED").await;

    let metrics = api.get("/metrics").await.is(200);

    assert!(
        metrics.header("content-type").starts_with("text/plain"),
        "{}",
        metrics.header("content-type")
    );
    assert!(metrics.text.contains("# TYPE "), "{}", metrics.text);
    let ours = ["counterfoil", "journal", "outbox", "saga"];
    assert!(
        ours.iter().any(|word| metrics.text.contains(word)),
        "{}",
        metrics.text
    );
}

#[tokio::test]
async fn the_openapi_document_names_every_route() {
    let node = NODE.get(Node::start).await;

    let document = node.api().get("/openapi.json").await.is(200);

    assert!(
        document.str("openapi").starts_with("3.1"),
        "{}",
        document.str("openapi")
    );
    let paths = document.json["paths"].as_object().expect("paths");
    let described: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, methods)| {
            let path = without_parameter_names(path);
            methods
                .as_object()
                .into_iter()
                .flat_map(|methods| methods.keys().cloned())
                .map(move |method| (method, path.clone()))
        })
        .collect();
    // the document and the first page need not describe themselves
    for (method, path) in ROUTES
        .iter()
        .filter(|(_, path)| !["/", "/openapi.json"].contains(path))
    {
        assert!(
            described.contains(&((*method).to_owned(), (*path).to_owned())),
            "{method} {path} is not described"
        );
    }
}

/// `/orders/{id}` → `/orders/{}`.
fn without_parameter_names(path: &str) -> String {
    path.split('/')
        .map(|part| if part.starts_with('{') { "{}" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

#[tokio::test]
async fn every_get_route_of_the_contract_is_served() {
    let node = NODE.get(Node::start).await;
    let api = node.api();

    for (_, path) in ROUTES
        .iter()
        .filter(|(method, path)| *method == "get" && !path.contains("{}"))
    {
        api.get(path).await.is(200);
    }
}

#[tokio::test]
async fn the_documentation_is_served_without_the_network() {
    let node = NODE.get(Node::start).await;

    let page = node.api().get("/docs/").await.is(200);

    assert!(
        page.header("content-type").starts_with("text/html"),
        "{}",
        page.header("content-type")
    );
    assert!(
        page.text.to_lowercase().contains("swagger"),
        "{}",
        page.text
    );
    assert!(
        !page.text.contains("cdn."),
        "assets from elsewhere: {}",
        page.text
    );
}

#[tokio::test]
async fn the_views_are_shown_live() {
    let node = NODE.get(Node::start).await;

    let answer = node.api().get("/views").await.is(200);

    assert!(!answer.items("views").is_empty());
    for view in answer.items("views") {
        assert!(
            view["name"].is_string() && view["backend"].is_string(),
            "{view}"
        );
        assert_eq!(view["state"], "LIVE", "{view}");
        assert!(view.get("lag").is_some(), "{view}");
    }
}

#[tokio::test]
async fn the_cluster_shows_its_node_and_shards() {
    let node = NODE.get(Node::start).await;

    let answer = node.api().get("/cluster").await.is(200);

    for word in ["node", "shard", "outbox", "inbox"] {
        assert!(
            answer.text.to_lowercase().contains(word),
            "no {word} in {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn nothing_is_in_quarantine_when_nothing_went_wrong() {
    let node = NODE.get(Node::start).await;
    let api = node.api();

    assert!(crate::quarantine::entries(&api).await.is_empty());
    let unknown = uuid::Uuid::now_v7();
    let refused = api.get(&format!("/quarantine/{unknown}")).await;
    assert!([400, 404].contains(&refused.status), "{}", refused.text);
    refused.is_problem(refused.status);
}

#[tokio::test]
async fn a_waiting_caller_is_answered_when_the_node_is_asked_to_end() {
    let mut node = Node::start().await;
    let customer = node.api().create_customer("Stuck", "15.00").await.id;
    node.terminate().await;
    node.restart_with(&[("COUNTERFOIL_FAULTS", "panic-customer=Stuck")])
        .await;
    let api = node.api();
    let waiting = tokio::spawn(api.new_order(&customer, "12.34").wait(30).answer());
    eventually("the order is there, so its caller waits", async || {
        let orders = api
            .get("/orders")
            .query("customerId", &customer)
            .await
            .is(200);
        (orders.json["total"] == 1).then_some(())
    })
    .await;

    node.terminate().await;

    let answer = waiting
        .await
        .expect("the task ends")
        .expect("an answer")
        .is(201);
    assert_eq!(answer.str("state"), "PENDING");
    node.restart_with(&[]).await;
    let order = node
        .api()
        .order(answer.str("orderId"))
        .query("asOfVersion", "1")
        .await;
    order.is(200);
}

#[tokio::test]
async fn a_node_that_ends_in_order_loses_nothing() {
    let mut node = Node::start().await;
    let api = node.api();
    let customer = api.create_customer("Ada", "100.00").await;
    let mut orders = Vec::new();
    for _ in 0..10 {
        orders.push(
            api.new_order(&customer.id, "1.00")
                .await
                .is(201)
                .str("orderId")
                .to_owned(),
        );
    }

    node.terminate().await;
    node.cli().run(&["verify"]).await.succeeded();
    node.restart().await;

    for order in &orders {
        crate::quarantine::order_reaches(&node.api(), order, "APPROVED").await;
    }
}

#[tokio::test]
async fn one_id_is_explained_from_the_request_to_the_views() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "15.00").await;
    let order = api.place(&customer.id, "12.34", "APPROVED").await;

    let explained = node
        .cli()
        .run(&["explain", &order.id, "--url", node.url()])
        .await
        .succeeded();

    assert!(
        explained.stdout.contains(&order.saga),
        "{}",
        explained.stdout
    );
    assert!(
        explained.stdout.contains("order.created"),
        "{}",
        explained.stdout
    );
}
