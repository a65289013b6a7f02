//! Every command goes the one way, whatever its resource; and what holds on that way.

use ::sagas::RequestKey;
use actix_web::http::Method;
use actix_web::test::TestRequest;
use futures_util::future::join_all;

use crate::http::document;
use crate::http::testing::{ID, Node, Response, taken};

/// Method and path of every route that the OpenAPI document has beside the queries.
fn commands() -> Vec<(Method, String)> {
    let document = serde_json::to_value(document()).unwrap();
    let mut found = Vec::new();

    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            if method != "get" {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                found.push((method, path.clone()));
            }
        }
    }

    assert!(found.len() >= 10, "{found:?}");
    found
}

fn body_of(method: &Method, path: &str) -> String {
    match path {
        _ if *method == Method::DELETE => String::new(),
        "/customers" => r#"{"name":"Ada Park","creditLimit":{"amount":5}}"#.to_owned(),
        "/customers/{id}/credit-limit" => r#"{"creditLimit":{"amount":5}}"#.to_owned(),
        "/orders" => order(),
        "/sagas/bulk" => r#"{"action":"retry"}"#.to_owned(),
        "/quarantine/bulk" => r#"{"action":"replay"}"#.to_owned(),
        "/views/quarantine/bulk" => r#"{"action":"heal"}"#.to_owned(),
        "/quarantine/{id}" => r#"{"body":{}}"#.to_owned(),
        _ => String::new(),
    }
}

fn order() -> String {
    format!(r#"{{"customerId":"{ID}","orderTotal":{{"amount":"5"}}}}"#)
}

fn request(method: &Method, path: &str, query: &str) -> TestRequest {
    let uri = path.replace("{id}", ID).replace("{name}", "orders") + query;
    TestRequest::default()
        .method(method.clone())
        .uri(&uri)
        .insert_header(("content-type", "application/json"))
        .set_payload(body_of(method, path))
}

/// Sends each command while the node is as busy as it may be.
async fn ask_a_busy_node_for_each() -> Vec<(String, Response)> {
    let node = Node::with(&["--max-in-flight", "1"]);
    *node.double.hangs.lock().unwrap() = true;
    let body = order();
    let hanging = node.post("/orders", &body, &[]);

    let others = async {
        while node.double.asked() == 0 {
            actix_rt::task::yield_now().await;
        }
        let mut answers = Vec::new();
        for (method, path) in commands() {
            let answer = node.call(request(&method, &path, "")).await;
            answers.push((format!("{method} {path}"), answer));
        }
        assert_eq!(node.double.asked(), 1, "a port was called past the bound");
        answers
    };

    tokio::select! {
        _ = hanging => panic!("it hangs"),
        answers = others => answers,
    }
}

#[actix_web::test]
async fn no_command_passes_the_bound_on_work_in_flight() {
    for (what, answer) in ask_a_busy_node_for_each().await {
        answer.is_problem(503);
        assert_eq!(
            answer.json["type"], "urn:counterfoil:problem:overloaded",
            "{what}"
        );
        assert_eq!(answer.header("retry-after"), "1", "{what}");
    }
}

#[actix_web::test]
async fn no_command_is_carried_out_whose_parameters_conditions_path_or_key_are_wrong() {
    let node = Node::new();

    for (method, path) in commands() {
        let what = format!("{method} {path}");

        let odd = node.call(request(&method, &path, "?odd=1")).await;
        assert_eq!(odd.fields(), ["odd"], "{what}");

        let condition = request(&method, &path, "").insert_header(("if-match", "\"1\""));
        assert_eq!(node.call(condition).await.fields(), ["If-Match"], "{what}");

        let two_keys = request(&method, &path, "")
            .append_header(("idempotency-key", "one"))
            .append_header(("idempotency-key", "two"));
        let answer = node.call(two_keys).await;
        assert_eq!(answer.fields(), ["Idempotency-Key"], "{what}");

        if path.contains("{id}") {
            let no_id = path.replace("{id}", "42");
            let answer = node.call(request(&method, &no_id, "")).await;
            assert_eq!(answer.fields(), ["id"], "{what}");
        }
    }

    assert_eq!(node.double.asked(), 0, "a port was called");
}

#[actix_web::test]
async fn a_command_that_hangs_is_answered_all_the_same_whatever_it_is() {
    let node = Node::new();
    *node.double.hangs.lock().unwrap() = true;

    // All at once, because each takes as long as the bound.
    let all = commands().into_iter().map(async |(method, path)| {
        let answer = node.call(request(&method, &path, "")).await;
        (format!("{method} {path}"), answer)
    });

    for (what, answer) in join_all(all).await {
        answer.is_problem(503);
        assert_eq!(answer.header("retry-after"), "1", "{what}");
    }
}

#[actix_web::test]
async fn the_scope_of_a_key_stays_what_it_was() {
    let node = Node::new();
    let key = [("idempotency-key", "k")];
    let id_in_another_spelling = ID.to_uppercase();

    // A release must find what an earlier one has bound, for ever.
    for (path, body, scope) in [
        (
            "/customers",
            body_of(&Method::POST, "/customers"),
            "POST /customers".to_owned(),
        ),
        ("/orders", order(), "POST /orders".to_owned()),
        (
            &format!("/orders/{id_in_another_spelling}/cancel"),
            String::new(),
            format!("POST /orders/{ID}/cancel"),
        ),
        (
            &format!("/orders/{ID}/ship"),
            String::new(),
            format!("POST /orders/{ID}/ship"),
        ),
        (
            &format!("/customers/{ID}/credit-limit"),
            body_of(&Method::POST, "/customers/{id}/credit-limit"),
            format!("POST /customers/{ID}/credit-limit"),
        ),
        (
            &format!("/sagas/{ID}/retry"),
            String::new(),
            format!("POST /sagas/{ID}/retry"),
        ),
        (
            &format!("/sagas/{ID}/cancel"),
            String::new(),
            format!("POST /sagas/{ID}/cancel"),
        ),
        (
            "/views/orders/rebuild",
            String::new(),
            "POST /views/orders/rebuild".to_owned(),
        ),
        (
            "/views/orders/revert",
            String::new(),
            "POST /views/orders/revert".to_owned(),
        ),
    ] {
        let answer = node.post(path, &body, &key).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
        assert_eq!(
            taken(&node.double.binding).key,
            RequestKey::new(&scope, "k"),
            "{path}"
        );
    }
}

#[actix_web::test]
async fn beyond_the_places_to_wait_a_command_that_would_wait_is_refused_before_it_does_anything() {
    let node = Node::with(&["--max-waiting", "1"]);
    *node.double.goes_on.lock().unwrap() = true;
    let body = order();
    let wait = [("prefer", "wait=30")];
    let waiting = node.post("/orders", &body, &wait);

    let others = async {
        while node.double.followed.lock().unwrap().is_empty() {
            actix_rt::task::yield_now().await;
        }

        let refused = node.post("/orders", &body, &wait).await;
        refused.is_problem(503);
        assert_eq!(
            refused.json["type"],
            "urn:counterfoil:problem:too-many-wait"
        );
        assert_eq!(refused.header("retry-after"), "1");
        assert_eq!(node.double.asked(), 1);

        // A caller who does not wait gets an answer.
        assert_eq!(node.post("/orders", &body, &[]).await.status, 201);
        assert!(!taken(&node.double.follows));

        // The saga ends, and with it the wait.
        node.double.followed.lock().unwrap().clear();
    };

    let (waited, ()) = futures_util::future::join(waiting, others).await;
    assert_eq!(waited.status, 201, "{}", waited.text);
    assert_eq!(node.api.gate.waiting(), 0);
}

#[actix_web::test]
async fn a_new_order_may_be_larger_than_other_bodies() {
    let node = Node::new();
    let name = "n".repeat(200);
    let line =
        format!(r#"{{"sku":"{name}","name":"{name}","quantity":1,"unitPrice":{{"amount":"1"}}}}"#);
    let lines = vec![line; 500].join(",");
    let body = format!(r#"{{"customerId":"{ID}","lines":[{lines}]}}"#);
    assert!(body.len() > 200_000);
    let answer = node.post("/orders", &body, &[]).await;
    assert_eq!(answer.status, 201, "{}", answer.text);

    let too_large = " ".repeat(1024 * 1024 + 1);
    node.post("/orders", &too_large, &[]).await.is_problem(413);
    node.post("/customers", &body, &[]).await.is_problem(413);
    let sagas = format!("/sagas/{ID}/cancel");
    node.post(&sagas, &body, &[]).await.is_problem(413);
}
