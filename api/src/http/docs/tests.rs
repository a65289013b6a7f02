//! The document says what the router does, and the other way round.

use actix_web::http::Method;
use actix_web::test::TestRequest;

use super::document;
use crate::http::testing::{ID, Node};

/// The routes of the public contract, as far as this release has them.
const ROUTES: &[(&str, &str)] = &[
    ("get", "/cluster"),
    ("get", "/customers"),
    ("post", "/customers"),
    ("get", "/customers/count"),
    ("get", "/customers/{id}"),
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
    ("delete", "/quarantine/{id}"),
    ("get", "/quarantine/{id}"),
    ("post", "/quarantine/{id}/replay"),
    ("get", "/sagas"),
    ("get", "/sagas/{id}"),
    ("post", "/sagas/{id}/cancel"),
    ("post", "/sagas/{id}/retry"),
    ("get", "/views"),
    ("post", "/views/{name}/heal/{id}"),
    ("post", "/views/{name}/rebuild"),
    ("post", "/views/{name}/revert"),
];

fn documented() -> Vec<(String, String)> {
    let document = serde_json::to_value(document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| (method.clone(), path.clone()))
        })
        .collect()
}

#[test]
fn the_document_names_the_routes_of_the_contract_and_no_others() {
    let mut documented = documented();
    documented.sort_by(|one, other| (&one.1, &one.0).cmp(&(&other.1, &other.0)));
    let routes: Vec<(String, String)> =
        ROUTES.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(documented, routes);
}

#[actix_web::test]
async fn every_documented_path_is_served() {
    let node = Node::new();
    for (method, path) in documented() {
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let request =
            TestRequest::default().method(method.clone()).uri(&path.replace("{id}", ID).replace("{name}", "orders"));
        let answer = node.call(request).await;
        let unknown = answer.json["detail"].as_str().is_some_and(|detail| detail.contains("no such path"));
        assert!(!unknown && answer.status != 405, "{method} {path}: {}", answer.text);
    }
}

#[test]
fn every_schema_that_is_referred_to_is_there() {
    let text = serde_json::to_string(&document()).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
    }
    assert_eq!(document["components"]["schemas"]["OrderState"]["enum"].as_array().unwrap().len(), 6);
}

#[actix_web::test]
async fn document_ui_and_first_page_are_served_from_the_binary_alone() {
    let node = Node::new();
    let document = node.get("/openapi.json").await;
    assert!(document.json["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document.json["openapi"]);
    assert_eq!(document.json["info"]["title"], "Counterfoil");
    let ui = node.get("/docs/").await;
    assert!(ui.header("content-type").starts_with("text/html") && ui.text.to_lowercase().contains("swagger"));
    assert_eq!(node.get("/docs/swagger-ui.css").await.status, 200);
    assert_eq!(node.get("/docs").await.header("location"), "/docs/");
    let page = node.get("/").await;
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text.contains("/docs/") && !page.text.contains("src=\"http") && !page.text.contains("href=\"http"));
}
