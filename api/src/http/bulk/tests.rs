//! Actions on many sagas or parked messages over HTTP.

use std::time::Duration;

use actors::SagaAction;
use domain::saga::SagaState;

use crate::http::testing::{ID, Node, id, taken};

#[actix_web::test]
async fn a_filter_says_which_sagas_are_meant_and_a_cursor_goes_on_with_it() {
    let node = Node::new();
    let body = |cursor: &str| {
        format!(
            r#"{{"action":"retry","filter":{{"type":"create-order","olderThan":"10m",
            "cause":"TIMED_OUT"}},"reason":"it is up again","limit":7{cursor}}}"#
        )
    };
    let answer = node.post("/sagas/bulk", &body(""), &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(
        (&answer.json["matched"], &answer.json["done"]),
        (&2.into(), &1.into())
    );

    let asked = taken(&node.double.bulk);
    assert_eq!(asked.action, SagaAction::Retry);
    assert_eq!(asked.which.state, Some(SagaState::Stuck));
    assert_eq!(asked.which.older_than, Some(Duration::from_secs(600)));
    assert_eq!((asked.which.page.limit, asked.dry_run), (7, false));
    assert_eq!(asked.by.reason.as_deref(), Some("it is up again"));
    assert_eq!(asked.by.name, "anonymous");

    let next = answer.json["next"].as_str().unwrap();
    let cursor = format!(r#","cursor":"{next}""#);
    node.post("/sagas/bulk", &body(&cursor), &[]).await;
    let asked = taken(&node.double.bulk);
    assert_eq!(asked.which.page.cursor.as_deref(), Some("more"));

    let other = format!(r#"{{"action":"retry","cursor":"{next}"}}"#);
    let refused = node.post("/sagas/bulk", &other, &[]).await;
    assert_eq!(refused.fields(), ["cursor"]);
}

#[actix_web::test]
async fn what_is_wrong_with_a_request_about_many_is_told_at_once() {
    let node = Node::new();
    for (body, fields) in [
        ("{}", &["action"][..]),
        (r#"{"action":"cancel"}"#, &["filter"]),
        (
            r#"{"action":"retry","filter":{"state":"RUNNING"}}"#,
            &["filter.state"],
        ),
        (
            r#"{"action":"cancel","filter":{"state":"COMPLETED"}}"#,
            &["filter.state"],
        ),
        (r#"{"action":"retry","reason":"  "}"#, &["reason"]),
        (
            r#"{"action":"retry","filter":7,"limit":0}"#,
            &["filter", "limit"],
        ),
        (
            r#"{"action":"stop","filter":{"age":"1h","entity":"x"},"all":true}"#,
            &["action", "filter.entity", "filter.age", "all"],
        ),
    ] {
        let answer = node.post("/sagas/bulk", body, &[]).await;
        assert_eq!(answer.fields(), fields, "{body}");
    }
    for (body, fields) in [
        (r#"{"action":"discard"}"#, &["filter"][..]),
        (r#"{"action":"edit"}"#, &["action"]),
        (
            r#"{"action":"replay","filter":{"service":"stock"}}"#,
            &["filter.service"],
        ),
    ] {
        let answer = node.post("/quarantine/bulk", body, &[]).await;
        assert_eq!(answer.fields(), fields, "{body}");
    }
    for (body, fields) in [
        ("{}", &["action"][..]),
        (r#"{"action":"replay"}"#, &["action"]),
        (
            r#"{"action":"heal","filter":{"view":"orders","type":"order.created"}}"#,
            &["filter.view", "filter.type"],
        ),
    ] {
        let answer = node.post("/views/quarantine/bulk", body, &[]).await;
        assert_eq!(answer.fields(), fields, "{body}");
    }
    assert_eq!(node.double.asked(), 0, "something was done");
}

#[actix_web::test]
async fn a_filter_says_which_entities_in_views_are_meant_and_a_cursor_goes_on_with_it() {
    let node = Node::new();
    let body = |more: &str| {
        format!(
            r#"{{"action":"heal","filter":{{"view":"search","service":"orders","entity":"{ID}",
            "cause":"{{id}} is odd","olderThan":"10m"}},"reason":"it is mended","limit":7{more}}}"#
        )
    };
    let path = "/views/quarantine/bulk";
    let answer = node.post(path, &body(""), &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);

    let asked = taken(&node.double.in_views_bulk);
    assert_eq!(asked.which.view, Some("search"));
    assert_eq!(asked.which.service, Some(domain::ORDERS));
    assert_eq!(asked.which.entity, Some(id()));
    assert_eq!(asked.which.cause.as_deref(), Some("{id} is odd"));
    assert_eq!(asked.which.older_than, Some(Duration::from_secs(600)));
    assert_eq!((asked.which.page.limit, asked.dry_run), (7, false));
    assert_eq!(asked.by.reason.as_deref(), Some("it is mended"));

    let next = answer.json["next"].as_str().unwrap();
    let more = format!(r#","cursor":"{next}","dryRun":true"#);
    let answer = node.post(path, &body(&more), &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let asked = taken(&node.double.in_views_bulk);
    assert!(asked.dry_run);
    assert_eq!(asked.which.page.cursor.as_deref(), Some("more"));

    let other = format!(r#"{{"action":"heal","cursor":"{next}"}}"#);
    assert_eq!(node.post(path, &other, &[]).await.fields(), ["cursor"]);
}

#[actix_web::test]
async fn a_filter_says_which_parked_messages_are_meant() {
    let node = Node::new();
    let body = format!(
        r#"{{"action":"discard","dryRun":true,
        "filter":{{"service":"customers","entity":"{ID}","cause":"there is no saga {{id}}"}}}}"#
    );
    let answer = node.post("/quarantine/bulk", &body, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);

    let asked = taken(&node.double.parked_bulk);
    assert!(asked.dry_run);
    assert_eq!(asked.which.service, Some(domain::CUSTOMERS));
    assert_eq!(asked.which.cause.as_deref(), Some("there is no saga {id}"));
}

#[actix_web::test]
async fn sagas_in_every_state_that_can_be_cancelled_are_cancelled() {
    let node = Node::new();
    for state in [
        SagaState::Running,
        SagaState::Compensating,
        SagaState::Stuck,
    ] {
        let name = state.name();
        let body = format!(r#"{{"action":"cancel","filter":{{"state":"{name}"}}}}"#);
        let answer = node.post("/sagas/bulk", &body, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(taken(&node.double.bulk).which.state, Some(state));
    }
}
