//! What the routes of views take, and how they answer.

use std::collections::BTreeSet;
use std::time::Duration;

use actors::Operator;

use super::super::testing::{ID, Node, id, taken};
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

#[actix_web::test]
async fn every_deed_takes_a_reason_which_its_key_is_bound_to() {
    let node = Node::new();
    for (path, deed) in [
        ("/views/orders/rebuild".to_owned(), "rebuild"),
        ("/views/orders/revert".to_owned(), "revert"),
        (format!("/views/orders/heal/{ID}"), "heal"),
    ] {
        let key = [("idempotency-key", "k")];
        let mut bound = Vec::new();
        for body in [
            "",
            r#"{"reason":" it looks odd "}"#,
            r#"{"reason":"other"}"#,
        ] {
            let answer = node.post(&path, body, &key).await;
            assert!(answer.status.is_success(), "{}", answer.text);
            bound.push(node.double.binding.lock().unwrap().unwrap());
        }
        let (asked, by) = taken(&node.double.operated);
        assert_eq!(asked, deed);
        assert_eq!(by, Operator::anonymous().because("other"));
        assert_eq!(bound[0].key, bound[1].key);
        let values: BTreeSet<_> = bound.iter().map(|bound| bound.fingerprint.0).collect();
        assert_eq!(values.len(), 3, "{deed}");

        let long = format!(r#"{{"reason":"{}"}}"#, "r".repeat(2_001));
        for wrong in [r#"{"reason":" "}"#, r#"{"reason":7}"#, long.as_str()] {
            assert_eq!(node.post(&path, wrong, &[]).await.fields(), ["reason"]);
        }
    }
}

#[actix_web::test]
async fn what_views_cannot_take_in_is_found_by_view_service_entity_cause_and_age() {
    let node = Node::new();
    let path = "/views/quarantine";
    let filter = format!("view=search&service=orders&entity={ID}&cause=odd&olderThan=10m");
    let answer = node.get(&format!("{path}?{filter}&limit=7")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json["quarantine"][0]["entityId"], ID);

    let asked = taken(&node.double.in_views_query);
    assert_eq!(
        (asked.view, asked.service),
        (Some("search"), Some(domain::ORDERS))
    );
    assert_eq!(
        (asked.entity, asked.cause.as_deref()),
        (Some(id()), Some("odd"))
    );
    assert_eq!(asked.older_than, Some(Duration::from_secs(600)));
    assert_eq!(asked.page.limit, 7);

    let next = answer.json["next"].as_str().unwrap();
    node.get(&format!("{path}?{filter}&cursor={next}")).await;
    let asked = taken(&node.double.in_views_query);
    assert_eq!(asked.page.cursor.as_deref(), Some("more"));
    let other = node.get(&format!("{path}?cursor={next}")).await;
    assert_eq!(other.fields(), ["cursor"]);

    for (query, field) in [("view=orders", "view"), ("type=order.created", "type")] {
        assert_eq!(node.get(&format!("{path}?{query}")).await.fields(), [field]);
    }
}

#[actix_web::test]
async fn one_entity_is_shown_with_the_event_that_stops_it_and_what_was_done() {
    let node = Node::new();
    let path = format!("/views/documents/quarantine/{ID}");
    let shown = node.get(&path).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    assert_eq!(shown.json["event"]["messageType"], "order.approved");
    assert_eq!(
        (&shown.json["version"], &shown.json["sequence"]),
        (&2.into(), &41.into())
    );
    assert_eq!(shown.json["actions"][0]["by"], "anonymous");
    assert_eq!(
        node.get("/views/documents/quarantine/7").await.fields(),
        ["id"]
    );

    let missing = Some(ReadError::NotFound("entity in the quarantine of the view"));
    *node.double.read_error.lock().unwrap() = missing;
    node.get(&path).await.is_problem(404);
}
