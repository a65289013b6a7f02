//! What the routes of views take, and how they answer.

use super::super::testing::{ID, Node};
use crate::ports::ReadError;

#[actix_web::test]
async fn a_rebuild_is_accepted_with_what_it_is_built_from() {
    let node = Node::new();
    let answer = node.post("/views/orders/rebuild", "", &[]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.text.as_str()),
        (202, r#"{"name":"orders","generation":2,"from":"history"}"#)
    );
    let answer = node
        .post("/views/orders/rebuild?from=entities", "", &[])
        .await;
    assert_eq!(answer.json["from"], "entities");
}

#[actix_web::test]
async fn a_rebuild_from_elsewhere_or_with_more_is_refused_and_told_what_is_allowed() {
    let node = Node::new();
    let answer = node
        .post("/views/orders/rebuild?from=memory", "", &[])
        .await;
    assert_eq!(answer.fields(), ["from"]);
    assert!(answer.text.contains("history, entities"), "{}", answer.text);

    assert_eq!(
        node.post("/views/orders/rebuild?speed=9", "", &[])
            .await
            .fields(),
        ["speed"]
    );

    assert_eq!(
        node.post("/views/orders/rebuild", r#"{"from":"history"}"#, &[])
            .await
            .fields(),
        ["from"]
    );
}

#[actix_web::test]
async fn what_does_not_fit_how_the_view_stands_is_a_conflict() {
    let node = Node::new();
    *node.double.read_error.lock().unwrap() =
        Some(ReadError::Conflict("a rebuild is under way".to_owned()));

    node.post("/views/orders/rebuild", "", &[])
        .await
        .is_problem(409);

    node.post("/views/orders/revert", "", &[])
        .await
        .is_problem(409);

    node.post(&format!("/views/orders/heal/{ID}"), "", &[])
        .await
        .is_problem(409);

    *node.double.read_error.lock().unwrap() = Some(ReadError::Unavailable {
        view: "orders".to_owned(),
    });

    let answer = node.post("/views/orders/rebuild", "", &[]).await;
    assert_eq!(answer.is_problem(503).header("retry-after"), "1");
}

#[actix_web::test]
async fn going_back_is_done_or_under_way() {
    let node = Node::new();
    assert_eq!(node.post("/views/orders/revert", "", &[]).await.status, 200);
    *node.double.repeated.lock().unwrap() = true;
    assert_eq!(node.post("/views/orders/revert", "", &[]).await.status, 202);
}

#[actix_web::test]
async fn an_entity_is_healed_by_its_id() {
    let node = Node::new();
    let answer = node
        .post(&format!("/views/orders/heal/{ID}"), "", &[])
        .await;

    assert_eq!(
        (
            answer.json["entityId"].as_str(),
            answer.json["version"].as_u64()
        ),
        (Some(ID), Some(3))
    );

    assert_eq!(
        node.post("/views/orders/heal/7", "", &[]).await.fields(),
        ["id"]
    );
}
