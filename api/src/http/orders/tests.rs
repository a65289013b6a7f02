//! Orders over HTTP: what is accepted and refused, with which status and headers.

mod bodies;
mod queries;

use std::time::Duration;

use actors::CommandError;
use domain::{CustomerId, Money, OrderState};

use crate::http::testing::{ID, Node, id, taken};

fn total(amount: &str) -> String {
    format!(r#"{{"customerId":"{ID}","orderTotal":{{"amount":{amount}}}}}"#)
}

fn lines(lines: &str) -> String {
    format!(r#"{{"customerId":"{ID}","lines":{lines}}}"#)
}

const LINE: &str = r#"{"sku":" 1 ","name":"TUNA","quantity":2,"unitPrice":{"amount":"1.39"}}"#;

#[actix_web::test]
async fn a_created_order_is_answered_with_place_version_and_token() {
    let node = Node::new();
    let answer = node.post("/orders", &total("\"12.34\""), &[]).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("location"), format!("/orders/{ID}"));
    assert_eq!(answer.header("etag"), "\"7\"");
    assert_eq!(answer.header("consistency-token"), "orders.7-customers.3");
    assert_eq!(answer.header("preference-applied"), "");

    assert_eq!(
        answer.text,
        format!(r#"{{"orderId":"{ID}","state":"PENDING","version":7,"sagaId":"{ID}"}}"#)
    );

    let order = taken(&node.double.order);
    assert_eq!(
        (order.customer_id, order.total),
        (CustomerId(id()), Money::from_cents(1234))
    );
}

#[actix_web::test]
async fn a_wait_is_capped_and_confirmed_and_one_of_no_time_is_none() {
    let node = Node::new();
    let answer = node
        .post("/orders", &total("1"), &[("prefer", "wait=99")])
        .await;
    assert_eq!(answer.header("preference-applied"), "wait=30");
    assert!(taken(&node.double.follows));
    node.post("/orders", &total("1"), &[("prefer", "wait=0")])
        .await;
    assert!(!taken(&node.double.follows));

    let not_understood = node
        .post("/orders", &total("1"), &[("prefer", "wait=soon")])
        .await;
    assert_eq!(not_understood.status, 201);
    assert_eq!(not_understood.header("preference-applied"), "");
}

#[actix_web::test]
async fn a_key_is_bound_to_the_value_of_the_request_not_to_its_spelling() {
    let node = Node::new();
    let key: &[(&str, &str)] = &[("idempotency-key", "k1")];
    let mut bindings = Vec::new();

    for body in [
        total("\"12.30\""),
        total("12.3"),
        format!(
            r#"{{"orderTotal": {{"amount":"12.3"}}, "note":null, "customerId":"{}"}}"#,
            ID.to_uppercase()
        ),
        total("12.31"),
    ] {
        assert_eq!(node.post("/orders", &body, key).await.status, 201);
        bindings.push(taken(&node.double.binding));
    }

    assert!(bindings[0] == bindings[1] && bindings[0] == bindings[2]);

    assert!(
        bindings[0].key == bindings[3].key && bindings[0].fingerprint != bindings[3].fingerprint
    );

    node.post("/orders", &total("1"), &[]).await;
    assert_eq!(*node.double.binding.lock().unwrap(), None);
}

#[actix_web::test]
async fn the_key_of_a_cancel_is_scoped_to_its_order() {
    let node = Node::new();
    let mut keys = Vec::new();
    for path in [
        format!("/orders/{ID}/cancel"),
        format!("/orders/{}/cancel", uuid::Uuid::nil()),
        format!("/orders/{ID}/ship"),
    ] {
        node.post(&path, "", &[("idempotency-key", "k1")]).await;
        keys.push(taken(&node.double.binding).key);
    }
    assert!(keys[0] != keys[1] && keys[0] != keys[2]);
}

#[actix_web::test]
async fn a_key_that_is_not_visible_ascii_is_refused() {
    let node = Node::new();
    for key in ["", "with space", "é", &"x".repeat(256)] {
        let answer = node
            .post("/orders", &total("1"), &[("idempotency-key", key)])
            .await;
        assert_eq!(answer.fields(), ["Idempotency-Key"], "{key}");
    }

    let twice = node
        .post(
            "/orders",
            &total("1"),
            &[("idempotency-key", "a"), ("idempotency-key", "b")],
        )
        .await;
    assert_eq!(twice.fields(), ["Idempotency-Key"]);
}

#[actix_web::test]
async fn the_status_of_a_cancel_follows_from_state_saga_and_wait() {
    let node = Node::new();
    let path = format!("/orders/{ID}/cancel");
    let wait: &[(&str, &str)] = &[("prefer", "wait=5")];

    for (outcome, repeated, headers, status) in [
        ((OrderState::CancelPending, false), false, &[][..], 202),
        ((OrderState::CancelPending, false), false, wait, 202),
        ((OrderState::CancelPending, false), true, &[], 202),
        ((OrderState::Cancelled, true), false, wait, 200),
        // cancelled before, by another request
        ((OrderState::Cancelled, true), false, &[], 200),
        // a repeat of the request that was answered 202
        ((OrderState::Cancelled, true), true, &[], 202),
        ((OrderState::Approved, true), true, &[], 202),
        ((OrderState::Cancelled, true), true, wait, 200),
    ] {
        *node.double.outcome.lock().unwrap() = Some(outcome);
        *node.double.repeated.lock().unwrap() = repeated;
        let answer = node.post(&path, "", headers).await;
        assert_eq!(answer.status, status, "{outcome:?} {headers:?}");
        assert_eq!(answer.json["state"], outcome.0.name());
        assert_eq!(answer.json["sagaId"], ID);
    }

    // Repeats of requests that were answered with the end.
    *node.double.end_told.lock().unwrap() = true;
    *node.double.outcome.lock().unwrap() = Some((OrderState::Cancelled, true));
    assert_eq!(node.post(&path, "", &[]).await.status, 200);
    *node.double.outcome.lock().unwrap() = Some((OrderState::Approved, true));
    node.post(&path, "", &[]).await.is_problem(409);
    *node.double.end_told.lock().unwrap() = false;

    *node.double.outcome.lock().unwrap() = Some((OrderState::Approved, true));
    let fell_back = node.post(&path, "", wait).await;
    fell_back.is_problem(409);

    assert_eq!(
        (
            fell_back.header("etag"),
            fell_back.header("consistency-token")
        ),
        ("\"7\"", "orders.7-customers.3")
    );
}

#[actix_web::test]
async fn an_order_is_shipped_with_an_empty_body_or_an_empty_object() {
    let node = Node::new();
    *node.double.outcome.lock().unwrap() = Some((OrderState::Shipped, false));

    let path = format!("/orders/{ID}/ship");
    for body in ["", " ", "{}", "null"] {
        let answer = node.post(&path, body, &[]).await;
        assert_eq!(
            answer.text,
            format!(r#"{{"orderId":"{ID}","state":"SHIPPED","version":7}}"#)
        );
    }

    assert_eq!(
        node.post(&path, r#"{"fast":true}"#, &[]).await.fields(),
        ["fast"]
    );

    assert_eq!(node.post("/orders/42/ship", "", &[]).await.fields(), ["id"]);
}

#[actix_web::test]
async fn the_actors_refusals_keep_their_statuses() {
    let node = Node::new();
    for (error, status) in [
        (CommandError::not_found("order"), 404),
        (
            CommandError::Conflict("the order is PENDING".to_owned()),
            409,
        ),
        (CommandError::KeyReused, 422),
        (CommandError::Failed, 500),
        (CommandError::Overloaded, 503),
        (CommandError::Unavailable, 503),
    ] {
        *node.double.refusal.lock().unwrap() = Some(error);
        let answer = node.post(&format!("/orders/{ID}/ship"), "", &[]).await;
        answer.is_problem(status);

        assert_eq!(
            answer.header("retry-after"),
            if status == 503 { "1" } else { "" }
        );
    }
}

#[actix_web::test]
async fn what_is_beyond_the_bound_is_answered_503_at_once() {
    let node = Node::with(&["--max-in-flight", "1"]);
    *node.double.hangs.lock().unwrap() = true;
    let body = total("1");
    let hanging = node.post("/orders", &body, &[]);

    let refused = async {
        actix_rt::task::yield_now().await;
        node.post("/orders", &body, &[]).await
    };

    let answer = tokio::select! {
        _ = hanging => panic!("it hangs"),
        answer = refused => answer,
    };
    answer.is_problem(503);
    assert_eq!(answer.header("retry-after"), "1");
}

#[actix_web::test]
async fn a_caller_that_waits_for_a_saga_keeps_nobody_from_working() {
    let node = Node::with(&["--max-in-flight", "1"]);
    *node.double.goes_on.lock().unwrap() = true;
    let body = total("1");
    let waiting = node.post("/orders", &body, &[("prefer", "wait=30")]);

    let others = async {
        while node.double.followed.lock().unwrap().is_empty() {
            actix_rt::task::yield_now().await;
        }
        assert_eq!(node.post("/orders", &body, &[]).await.status, 201);
        // The saga ends.
        node.double.followed.lock().unwrap().clear();
    };

    let (waited, ()) = futures_util::future::join(waiting, others).await;
    assert_eq!(waited.status, 201, "{}", waited.text);
}

#[actix_web::test]
async fn a_key_says_how_long_its_caller_waits() {
    let node = Node::new();
    let path = format!("/orders/{ID}/cancel");
    let key = ("idempotency-key", "k1");
    for (headers, wait) in [
        (vec![key], 0),
        (vec![key, ("prefer", "wait=0")], 0),
        (vec![key, ("prefer", "wait=5")], 5),
        (vec![key, ("prefer", "wait=99")], 30),
    ] {
        node.post(&path, "", &headers).await;
        let bound = taken(&node.double.binding);
        assert_eq!(bound.wait, Duration::from_secs(wait), "{headers:?}");
    }
    // There is nothing to wait for.
    let path = format!("/orders/{ID}/ship");
    node.post(&path, "", &[key, ("prefer", "wait=5")]).await;
    assert_eq!(taken(&node.double.binding).wait, Duration::ZERO);
}
