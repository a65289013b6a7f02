//! Sagas, quarantine and the node's own state over HTTP.

use std::time::Duration;

use actix_web::test::TestRequest;

use crate::http::testing::{ID, Node, taken};
use crate::shutdown::Phase;

#[actix_web::test]
async fn sagas_are_listed_shown_retried_and_cancelled() {
    let node = Node::new();
    let list = node
        .get("/sagas?type=create-order&state=STUCK&limit=200")
        .await;
    assert_eq!(list.json["sagas"][0]["type"], "create-order");

    assert_eq!(
        node.get(&format!("/sagas/{ID}")).await.json["steps"][0]["state"],
        "DONE"
    );

    for query in ["type=order", "state=DONE", "cursor="] {
        node.get(&format!("/sagas?{query}")).await.is_problem(400);
    }

    let retried = node.post(&format!("/sagas/{ID}/retry"), "", &[]).await;
    assert_eq!(
        (retried.status.as_u16(), retried.header("etag")),
        (202, "\"4\"")
    );

    let cancelled = node
        .post(
            &format!("/sagas/{ID}/cancel"),
            r#"{"reason":"asked for"}"#,
            &[],
        )
        .await;

    assert_eq!(
        (
            cancelled.status.as_u16(),
            taken(&node.double.operated).1.reason.as_deref()
        ),
        (202, Some("asked for"))
    );

    assert_eq!(
        node.post(&format!("/sagas/{ID}/cancel"), "", &[])
            .await
            .status,
        202
    );

    assert_eq!(
        node.post(&format!("/sagas/{ID}/cancel"), r#"{"reason":7}"#, &[])
            .await
            .fields(),
        ["reason"]
    );
}

#[actix_web::test]
async fn sagas_are_found_by_age_order_and_cause() {
    let node = Node::new();
    let answer = node
        .get(&format!(
            "/sagas?olderThan=10m&entity={ID}&cause=Timed%20out"
        ))
        .await;
    assert_eq!(answer.status, 200);

    let query = taken(&node.double.saga_query);
    assert_eq!(query.older_than, Some(Duration::from_secs(600)));
    assert_eq!(query.order.map(|order| order.to_string()), Some(ID.into()));
    assert_eq!(query.cause.as_deref(), Some("Timed out"));

    for (query, field) in [
        ("olderThan=10", "olderThan"),
        ("olderThan=-1m", "olderThan"),
        ("olderThan=1234567890s", "olderThan"),
        ("entity=order", "entity"),
        ("cause=%20", "cause"),
    ] {
        assert_eq!(node.get(&format!("/sagas?{query}")).await.fields(), [field]);
    }
}

#[actix_web::test]
async fn the_quarantine_is_listed_replayed_and_discarded() {
    let node = Node::new();
    assert_eq!(node.get("/quarantine").await.text, r#"{"quarantine":[]}"#);
    node.get(&format!("/quarantine/{ID}")).await.is_problem(404);
    assert_eq!(
        node.post(&format!("/quarantine/{ID}/replay"), "", &[])
            .await
            .status,
        202
    );
    let discard = TestRequest::delete().uri(&format!("/quarantine/{ID}"));
    assert_eq!(node.call(discard).await.status, 204);
}

#[actix_web::test]
async fn a_node_says_how_it_is() {
    let node = Node::new();
    assert_eq!(
        node.get("/views").await.text,
        r#"{"views":[{"name":"orders","backend":"sqlite","state":"LIVE","lag":0,"generation":1}]}"#
    );

    assert_eq!(node.get("/cluster").await.json["nodeId"], "node-1");
    assert_eq!(node.get("/health/live").await.status, 200);

    assert_eq!(
        node.get("/health/ready").await.json["degraded"][0],
        "search"
    );

    node.double
        .missing
        .lock()
        .unwrap()
        .push("the orders database".to_owned());

    let refused = node.get("/health/ready").await;
    refused.is_problem(503);

    assert!(
        refused.json["detail"]
            .as_str()
            .unwrap()
            .contains("the orders database")
    );

    node.double.missing.lock().unwrap().clear();
    node.shutdown.send_replace(Phase::Ending);
    node.get("/health/ready").await.is_problem(503);

    assert!(
        node.get("/metrics")
            .await
            .header("content-type")
            .starts_with("text/plain")
    );
}

#[actix_web::test]
async fn other_methods_and_paths_are_problems() {
    let node = Node::new();

    for (path, allow) in [
        ("/orders".to_owned(), "GET, HEAD, POST"),
        (format!("/orders/{ID}/ship"), "POST"),
        ("/customers/count".to_owned(), "GET, HEAD"),
        (format!("/quarantine/{ID}"), "DELETE, GET, HEAD, PUT"),
        ("/".to_owned(), "GET, HEAD"),
        ("/openapi.json".to_owned(), "GET, HEAD"),
        ("/docs".to_owned(), "GET, HEAD"),
        ("/docs/".to_owned(), "GET, HEAD"),
    ] {
        let answer = node.call(TestRequest::patch().uri(&path)).await;
        answer.is_problem(405);
        assert_eq!(answer.header("allow"), allow, "{path}");
    }

    for path in [
        "/nothing/here".to_owned(),
        format!("/orders/{ID}/colour"),
        "/orders/".to_owned(),
    ] {
        node.get(&path).await.is_problem(404);
    }

    assert_eq!(node.get("/sagas/%20").await.fields(), ["id"]);
}
