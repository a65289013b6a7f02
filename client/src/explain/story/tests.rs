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
        quarantined: vec![
            Obstacle {
                entry: json!({"id": "q1", "messageType": "customer.reserve-credit",
                    "entityType": "customer", "entityId": "c1", "cause": "unknown type"}),
                is_own: false,
            },
            Obstacle {
                entry: json!({"id": "q2", "messageType": "credit-reserved", "entityType": "saga",
                    "entityId": "s1", "cause": "cannot be read"}),
                is_own: true,
            },
            Obstacle {
                entry: json!({"view": "search", "version": 2, "entityType": "order",
                    "entityId": "o1", "cause": "too long"}),
                is_own: true,
            },
        ],
        actions: vec![
            json!({"id": "a1", "action": "message.replayed", "subjectId": "q2", "by": "ada",
            "reason": "the release is out", "time": "2026-01-01T00:00:05Z"}),
        ],
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
            Place::Orders,
            Place::Operator
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
            "customer c1 processes nothing until message q1 (customer.reserve-credit) is out of \
             quarantine, and what is sent to it waits: unknown type",
            "in quarantine: message q2 (credit-reserved) to saga s1: cannot be read",
            "view search cannot take in version 2 of order o1: too long",
        ]
    );
}

#[test]
fn what_operators_have_done_is_told_with_who_and_why() {
    let story = tell(found(2, "COMPLETED"));
    let last = story.timeline.last().unwrap();
    assert_eq!(last.place, Place::Operator);
    assert_eq!(last.what, "message.replayed by ada: the release is out");
    assert_eq!(last.detail.as_deref(), Some("q2"));

    let mut healed = found(2, "COMPLETED");
    healed.actions = vec![
        json!({"id": "a2", "action": "view.healed", "view": "search", "entityId": "o1", "by": "bea",
        "time": "2026-01-01T00:00:05Z"}),
    ];
    let story = tell(healed);
    let last = story.timeline.last().unwrap();
    assert_eq!(
        (last.what.as_str(), last.detail.as_deref()),
        ("view.healed by bea", Some("search"))
    );
}
