//! `explain` and the paged lists against a node that gives fixed answers: which questions they ask,
//! and what they make of the answers.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

use super::{gather, story};
use crate::ClientError;
use crate::args::ListArgs;
use crate::http::Node;
use crate::output::Reader;
use crate::pages::{self, Rest};

fn event(version: u64, kind: &str, millis: u32, correlation: &str, data: &Value) -> Value {
    json!({"version": version, "type": kind,
        "time": format!("2026-01-01T00:00:00.{millis:03}Z"), "data": data,
        "messageId": format!("{correlation}-{version}"), "correlationId": correlation})
}

/// Answers by path and query; everything else is not there.
fn answer(path: &str, query: &str) -> Option<Value> {
    Some(match (path, query) {
        ("/orders/o1/history", "") => {
            let created = event(1, "order.created", 1, "s1", &json!({"customerId": "c1"}));
            json!({"next": "p2", "events": [created]})
        }
        ("/orders/o1/history", "cursor=p2") => {
            json!({"events": [event(2, "order.approved", 5, "s1", &Value::Null)]})
        }
        ("/customers/c1/history", "") => json!({"events": [
            event(1, "customer.created", 0, "x", &Value::Null),
            event(2, "customer.credit-reserved", 3, "s1", &Value::Null),
            event(3, "customer.credit-reserved", 4, "y", &json!({"orderId": "other"})),
        ]}),
        ("/orders/o1", "") => {
            json!({"orderId": "o1", "customerId": "c1", "state": "APPROVED", "version": 2})
        }
        ("/customers/c1", "") => json!({"customerId": "c1", "name": "Ada Park", "version": 3}),
        ("/sagas/s1", "") => {
            json!({"sagaId": "s1", "type": "create-order", "state": "COMPLETED", "orderId": "o1",
            "startedAt": "2026-01-01T00:00:00.001Z", "endedAt": "2026-01-01T00:00:00.005Z",
            "attempts": 0, "steps": []})
        }
        ("/views", "") => {
            json!({"views": [{"name": "orders", "backend": "sqlite", "state": "LIVE", "lag": 0}]})
        }
        // An order that waits for its customer, who cannot process what another order has asked.
        ("/orders/o2/history", "") => json!({"events": [
            event(1, "order.created", 1, "s2", &json!({"customerId": "c2"})),
        ]}),
        ("/customers/c2/history", "") => json!({"events": []}),
        ("/sagas/s2", "") => json!({"sagaId": "s2", "type": "create-order", "state": "RUNNING",
            "orderId": "o2", "startedAt": "2026-01-01T00:00:00.001Z", "attempts": 1, "steps": []}),
        ("/quarantine", query) if query.contains("entity=c2") => json!({"quarantine": [
            {"id": "q1", "entityType": "customer", "entityId": "c2", "cause": "a bug",
                "messageType": "customer.reserve-credit"},
            {"id": "q2", "entityType": "customer", "entityId": "c2", "cause": "a bug",
                "messageType": "customer.reserve-credit"}]}),
        ("/quarantine/q1", "") => json!({"id": "q1", "message": {"sagaId": "s2"}}),
        ("/quarantine/q2", "") => json!({"id": "q2", "message": {"sagaId": "another"}}),
        ("/actions", query) if query.contains("about=c2") => json!({"actions": [
            {"id": "a1", "action": "message.replayed", "subjectId": "q1", "entityId": "c2",
                "by": "ada", "reason": "the release is out", "time": "2026-01-01T00:00:05Z"},
            {"id": "a2", "action": "message.replayed", "subjectId": "other", "entityId": "c2",
                "by": "ada", "time": "2026-01-01T00:00:06Z"}]}),
        ("/quarantine", _) => json!({"quarantine": []}),
        ("/sagas", query) if query.contains("cursor=b") => json!({"sagas": [{"sagaId": "3"}]}),
        ("/sagas", _) => json!({"sagas": [{"sagaId": "1"}, {"sagaId": "2"}], "next": "b"}),
        _ => return None,
    })
}

fn node() -> Node {
    let respond = |request: HttpRequest| async move {
        answer(request.path(), request.query_string()).map_or_else(
            || HttpResponse::NotFound().json(json!({"status": 404, "title": "Not Found"})),
            |body| HttpResponse::Ok().json(body),
        )
    };

    let server = HttpServer::new(move || App::new().default_service(web::to(respond)))
        .workers(1)
        .bind("127.0.0.1:0")
        .unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    actix_web::rt::spawn(server.run());

    Node::new(&url).unwrap()
}

#[actix_web::test]
async fn an_order_and_its_saga_tell_the_same_story() {
    let node = node();
    for id in ["o1", "s1"] {
        let found = gather::gather(&node, id).await.unwrap();
        assert_eq!(found.order_events.len(), 2, "both pages");

        assert_eq!(
            found
                .customer_events
                .iter()
                .map(|event| event.version)
                .collect::<Vec<_>>(),
            [2],
            "only what belongs to the order"
        );

        let text = story::tell(found).to_text();
        assert!(
            text.contains("nothing is in flight")
                && text.contains("create-order s1 ended: COMPLETED"),
            "{text}"
        );
    }
}

#[actix_web::test]
async fn an_order_that_waits_is_told_with_what_stops_its_customer_and_what_was_done() {
    let found = gather::gather(&node(), "o2").await.unwrap();
    let text = story::tell(found).to_text();

    for part in [
        "open: in quarantine: message q1 (customer.reserve-credit) to customer c2: a bug",
        "open: customer c2 processes nothing until message q2",
        "message.replayed by ada: the release is out",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert_eq!(text.matches("message.replayed").count(), 1, "{text}");
}

#[actix_web::test]
async fn a_customer_has_a_story_of_its_own_and_an_unknown_id_none() {
    let node = node();
    let found = gather::gather(&node, "c1").await.unwrap();
    assert_eq!(
        (found.kind, found.customer_events.len()),
        (gather::Kind::Customer, 3)
    );
    assert!(matches!(
        gather::gather(&node, "nobody").await,
        Err(ClientError::UnknownId(id)) if id == "nobody"
    ));
}

#[actix_web::test]
async fn a_list_follows_its_cursor_as_far_as_wanted() {
    let node = node();
    for (limit, all, shown, expected) in [
        (2, false, 2, Rest::More),
        (3, false, 3, Rest::None),
        (20, true, 3, Rest::None),
    ] {
        let mut rows = 0;

        let list = ListArgs { limit, all };
        let rest = pages::each(&node, &["sagas"], &[], &list, |page| {
            rows += pages::rows(page).len();
            Ok(Reader::Listening)
        });
        assert_eq!((rest.await.unwrap(), rows), (expected, shown));
    }
}
