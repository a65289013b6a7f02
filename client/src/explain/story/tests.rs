//! Given what was found, then the story: what happened in which order, and what is still open.

use serde_json::json;

use super::*;

fn event(version: u64, kind: &str, time: &str) -> Event {
    let event = json!({
        "version": version, "type": kind, "time": time, "data": {"orderId": "o1"},
        "messageId": format!("m{version}"), "correlationId": "s1",
    });
    serde_json::from_value(event).unwrap()
}

fn found(document_version: u64, saga_state: &str) -> Found {
    let saga = json!({
        "sagaId": "s1", "type": "create-order", "state": saga_state, "orderId": "o1",
        "startedAt": "2026-01-01T00:00:00.001Z",
        "steps": [{"name": "reserve credit", "kind": "command", "state": "DONE",
                   "at": "2026-01-01T00:00:00.003Z"},
                  {"name": "approve order", "kind": "local", "state": "REMAINING"}]});
    Found {
        id: "o1".into(),
        kind: Kind::Order,
        order_id: Some("o1".into()),
        document: Some(
            json!({"orderId": "o1", "state": "PENDING", "version": document_version,
                "orderTotal": {"amount": "12.34"}}),
        ),
        order_events: vec![
            event(1, "order.created", "2026-01-01T00:00:00.001Z"),
            event(2, "order.approved", "2026-01-01T00:00:00.004Z"),
        ],
        customer_events: vec![event(
            7,
            "customer.credit-reserved",
            "2026-01-01T00:00:00.002Z",
        )],
        earlier_events: 0,
        sagas: vec![serde_json::from_value(saga).unwrap()],
        views: json!({"views": [
            {"name": "search", "backend": "tantivy", "state": "LIVE", "lag": 3},
        ]}),
        quarantined: vec![json!({"id": "q1", "cause": "unknown type"})],
    }
}

#[test]
fn the_way_of_an_order_is_told_from_request_to_saga() {
    let story = tell(found(2, "COMPLETED"));

    let places: Vec<Place> = story.timeline.iter().map(|moment| moment.place).collect();
    assert_eq!(
        places,
        [
            Place::Http,
            Place::Orders,
            Place::Saga,
            Place::Customers,
            Place::Saga,
            Place::Orders
        ]
    );

    let text = story.to_text();

    for part in [
        "order    o1",
        "12.34",
        "order.approved (version 2)",
        "message m7",
        "step reserve credit (command): DONE",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn what_lags_or_has_not_ended_is_named() {
    let story = tell(found(1, "RUNNING"));
    assert_eq!(
        story.open,
        [
            "saga s1 is RUNNING, remaining: approve order",
            "the document view shows version 1 of 2",
            "view search is LIVE, lag 3",
            "in quarantine: q1 (unknown type)"
        ]
    );
}
