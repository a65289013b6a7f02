//! The document says what the router does, and the other way round.

mod schemas;

use std::collections::BTreeSet;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use actors::CommandError;
use domain::OrderState;
use serde_json::Value;

use super::document;
use super::rules::meaning;
use crate::http::testing::{ID, Node, Response};
use crate::ports::ReadError;

/// The routes of the public contract, as far as this release has them.
const ROUTES: &[(&str, &str)] = &[
    ("get", "/actions"),
    ("get", "/cluster"),
    ("get", "/customers"),
    ("post", "/customers"),
    ("get", "/customers/count"),
    ("get", "/customers/{id}"),
    ("post", "/customers/{id}/credit-limit"),
    ("get", "/customers/{id}/history"),
    ("get", "/customers/{id}/orders"),
    ("get", "/health/live"),
    ("get", "/health/ready"),
    ("get", "/metrics"),
    ("get", "/orders"),
    ("post", "/orders"),
    ("get", "/orders/{id}"),
    ("post", "/orders/{id}/cancel"),
    ("get", "/orders/{id}/history"),
    ("post", "/orders/{id}/ship"),
    ("get", "/quarantine"),
    ("post", "/quarantine/bulk"),
    ("get", "/quarantine/causes"),
    ("delete", "/quarantine/{id}"),
    ("get", "/quarantine/{id}"),
    ("put", "/quarantine/{id}"),
    ("post", "/quarantine/{id}/replay"),
    ("get", "/sagas"),
    ("post", "/sagas/bulk"),
    ("get", "/sagas/{id}"),
    ("post", "/sagas/{id}/abandon"),
    ("post", "/sagas/{id}/cancel"),
    ("post", "/sagas/{id}/retry"),
    ("get", "/views"),
    ("get", "/views/quarantine"),
    ("post", "/views/quarantine/bulk"),
    ("post", "/views/{name}/heal/{id}"),
    ("get", "/views/{name}/quarantine/{id}"),
    ("post", "/views/{name}/rebuild"),
    ("post", "/views/{name}/revert"),
];

/// Method, path and operation object of all that is documented.
fn operations() -> Vec<(String, String, Value)> {
    let document = serde_json::to_value(document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().unwrap();
        methods
            .iter()
            .map(|(method, operation)| (method.clone(), path.clone(), operation.clone()))
            .collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

/// All responses, each with method, path and status.
fn responses() -> Vec<(String, Value)> {
    let of_operation = |(method, path, operation): (String, String, Value)| {
        let responses = operation["responses"].as_object().unwrap().clone();
        responses
            .into_iter()
            .map(move |(status, response)| (format!("{method} {path} {status}"), response))
    };
    operations().into_iter().flat_map(of_operation).collect()
}

#[test]
fn the_document_names_the_routes_of_the_contract_and_no_others() {
    let mut documented: Vec<(String, String)> = operations()
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect();
    documented.sort_by(|one, other| (&one.1, &one.0).cmp(&(&other.1, &other.0)));
    let routes: Vec<(String, String)> = ROUTES
        .iter()
        .map(|(method, path)| ((*method).to_owned(), (*path).to_owned()))
        .collect();
    assert_eq!(documented, routes);
}

#[test]
fn the_document_says_that_nobody_needs_credentials_and_what_each_parameter_is() {
    let document = serde_json::to_value(document()).unwrap();
    assert_eq!(document["security"], Value::Array(Vec::new()));

    for (method, path, operation) in operations() {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let described = parameter["description"].as_str();
            assert!(
                described.is_some_and(|text| !text.is_empty()),
                "{method} {path}: {parameter}"
            );
        }
    }
}

/// A request for an operation, with all headers that any of them reads, a query string and a body
/// of a media type.
fn request(method: &str, path: &str, query: &str, media_type: &str, body: String) -> TestRequest {
    let uri = path.replace("{id}", ID).replace("{name}", "orders") + query;
    let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();

    let headers = [
        ("content-type", media_type),
        ("consistency-token", "seen"),
        ("prefer", "wait=1, handling=lenient"),
    ];

    let request = TestRequest::default()
        .method(method)
        .uri(&uri)
        .set_payload(body);

    headers
        .into_iter()
        .fold(request, TestRequest::insert_header)
}

const HEADERS: [&str; 6] = [
    "Location",
    "ETag",
    "Consistency-Token",
    "Consistency",
    "Preference-Applied",
    "Retry-After",
];

fn valid_body(method: &str, path: &str) -> String {
    match path {
        _ if method == "delete" => String::new(),
        "/customers" => r#"{"name":"Ada Park","creditLimit":{"amount":5}}"#.to_owned(),
        "/customers/{id}/credit-limit" => r#"{"creditLimit":{"amount":5}}"#.to_owned(),
        "/orders" => format!(r#"{{"customerId":"{ID}","orderTotal":{{"amount":"5"}}}}"#),
        "/sagas/bulk" | "/quarantine/bulk" => {
            let action = if path.starts_with("/sagas") {
                "retry"
            } else {
                "replay"
            };
            format!(r#"{{"action":"{action}"}}"#)
        }
        "/views/quarantine/bulk" => r#"{"action":"heal"}"#.to_owned(),
        "/quarantine/{id}" => r#"{"body":{"amount":"1.00"}}"#.to_owned(),
        _ => String::new(),
    }
}

/// Asserts that an answer has a status, a media type and headers that the operation names, and
/// gives out what it says of it.
#[track_caller]
fn expect_documented<'a>(what: &str, operation: &'a Value, answer: &Response) -> &'a Value {
    let documented = &operation["responses"][answer.status.as_str()];
    assert!(
        documented.is_object(),
        "{what}: {} is not documented: {}",
        answer.status,
        answer.text
    );

    let media_type = answer.header("content-type").split(';').next().unwrap();
    assert!(
        media_type.is_empty() || documented["content"][media_type].is_object(),
        "{what}: {media_type}"
    );

    for name in HEADERS {
        assert!(
            answer.header(name).is_empty() || documented["headers"][name].is_object(),
            "{what}: {name}"
        );
    }

    documented
}

#[actix_web::test]
async fn every_documented_path_answers_as_documented() {
    let node = Node::new();
    for (method, path, operation) in operations() {
        let what = format!("{method} {path}");

        let answer = node
            .call(request(
                &method,
                &path,
                "",
                "application/json",
                valid_body(&method, &path),
            ))
            .await;
        // Nothing is parked at the double.
        assert!(
            answer.status.is_success() || path == "/quarantine/{id}",
            "{what}: {}",
            answer.text
        );
        let documented = expect_documented(&what, &operation, &answer);

        for name in HEADERS {
            assert!(
                documented["headers"][name].is_null() || !answer.header(name).is_empty(),
                "{what}: {name}"
            );
        }
    }
}

#[actix_web::test]
async fn every_refusal_is_documented() {
    let (node, broken, falling_back) = (Node::new(), Node::new(), Node::new());
    *broken.double.refusal.lock().unwrap() = Some(CommandError::Unavailable);
    *broken.double.read_error.lock().unwrap() = Some(ReadError::StoreUnavailable);

    broken
        .double
        .missing
        .lock()
        .unwrap()
        .push("a store".to_owned());

    *falling_back.double.outcome.lock().unwrap() = Some((OrderState::Approved, true));

    for (method, path, operation) in operations() {
        // Beyond what a new order may have, which is the largest.
        let large = " ".repeat(1024 * 1024 + 1);
        for (node, query, media_type, body) in [
            (
                &node,
                "?odd=1",
                "application/json",
                valid_body(&method, &path),
            ),
            (&node, "", "text/plain", "x".to_owned()),
            (&node, "", "application/json", large),
            (&broken, "", "application/json", valid_body(&method, &path)),
            (
                &falling_back,
                "",
                "application/json",
                valid_body(&method, &path),
            ),
        ] {
            let answer = node
                .call(request(&method, &path, query, media_type, body))
                .await;
            expect_documented(
                &format!("{method} {path}{query} {media_type}"),
                &operation,
                &answer,
            );
        }
    }
}

#[test]
fn every_response_is_described() {
    for (what, response) in responses() {
        let description = response["description"].as_str().unwrap_or_default();
        assert!(
            !description.is_empty() && description != meaning("unknown"),
            "{what}"
        );
    }
}

#[test]
fn every_problem_has_the_one_form() {
    for (what, response) in responses() {
        let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
        let status = what.rsplit(' ').next().unwrap();
        let is_problem = !status.starts_with(['2', '3']);
        assert_eq!(
            schema == "#/components/schemas/Problem",
            is_problem,
            "{what}"
        );
    }
}

#[test]
fn no_two_operations_have_the_same_id() {
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations() {
        assert!(
            ids.insert(operation["operationId"].as_str().unwrap().to_owned()),
            "{method} {path}"
        );
    }
    assert!(
        ids.contains("createOrder") && ids.contains("cancelOrder") && ids.contains("cancelSaga"),
        "{ids:?}"
    );
}

#[test]
fn a_503_says_when_to_try_again() {
    let unavailable: Vec<_> = responses()
        .into_iter()
        .filter(|(what, _)| what.ends_with(" 503"))
        .collect();
    assert!(unavailable.len() > 20);
    for (what, response) in unavailable {
        assert!(
            response["headers"]["Retry-After"]["schema"].is_object(),
            "{what}"
        );
    }
}

#[test]
fn a_new_order_has_its_address_its_version_and_a_token() {
    let (_, created) = responses()
        .into_iter()
        .find(|(what, _)| what == "post /orders 201")
        .unwrap();
    for name in ["Location", "ETag", "Consistency-Token"] {
        assert_eq!(
            created["headers"][name]["schema"]["type"], "string",
            "{name}"
        );
    }
}

#[actix_web::test]
async fn document_ui_and_first_page_are_served_from_the_binary_alone() {
    let node = Node::new();

    let document = node.get("/openapi.json").await;
    assert!(
        document.json["openapi"]
            .as_str()
            .unwrap()
            .starts_with("3.1"),
        "{}",
        document.json["openapi"]
    );

    assert_eq!(document.json["info"]["title"], "Counterfoil");

    let ui = node.get("/docs/").await;
    assert!(
        ui.header("content-type").starts_with("text/html")
            && ui.text.to_lowercase().contains("swagger")
    );

    assert_eq!(node.get("/docs/swagger-ui.css").await.status, 200);
    assert_eq!(node.get("/docs").await.header("location"), "/docs/");
    let page = node.get("/").await;
    assert!(page.header("content-type").starts_with("text/html"));

    assert!(
        page.text.contains("/docs/")
            && !page.text.contains("src=\"http")
            && !page.text.contains("href=\"http")
    );
}
