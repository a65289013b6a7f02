//! What the contract refuses: invalid input naming the field, and requests that are no request of
//! it, always as a problem.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Api, Node, Shared, has_sagas};
use uuid::Uuid;

static NODE: Shared<Node> = Shared::new();

#[tokio::test]
async fn an_invalid_customer_is_refused_naming_the_field() {
    let node = NODE.get(Node::start).await;
    let api = node.api();

    let limit = || json!({"amount": "15.00"});
    let cases = [
        ("name", json!({"creditLimit": limit()})),
        ("name", json!({"name": "", "creditLimit": limit()})),
        ("name", json!({"name": " \t ", "creditLimit": limit()})),
        (
            "name",
            json!({"name": "x".repeat(201), "creditLimit": limit()}),
        ),
        ("creditLimit", json!({"name": "Ada"})),
        (
            "creditLimit",
            json!({"name": "Ada", "creditLimit": {"amount": "-0.01"}}),
        ),
        (
            "creditLimit",
            json!({"name": "Ada", "creditLimit": {"amount": -1}}),
        ),
        (
            "creditLimit",
            json!({"name": "Ada", "creditLimit": {"amount": "1.234"}}),
        ),
        (
            "creditLimit",
            json!({"name": "Ada", "creditLimit": {"amount": 1.234}}),
        ),
        (
            "creditLimit",
            json!({"name": "Ada", "creditLimit": {"amount": "much"}}),
        ),
        (
            "creditLimit",
            json!({"name": "Ada", "creditLimit": {"amount": ""}}),
        ),
        (
            "creditLimit",
            json!({"name": "Ada", "creditLimit": {"amount": "1e400"}}),
        ),
        (
            "creditLimit",
            json!({"name": "Ada", "creditLimit": {"amount": "99999999999999999999999"}}),
        ),
    ];

    for (field, body) in cases {
        api.post("/customers").json(body).await.is_invalid(field);
    }
}

#[tokio::test]
async fn an_invalid_order_is_refused_naming_the_field() {
    let node = NODE.get(Node::start).await;
    let api = node.api();

    let customer = api.create_customer("Ada Park", "500.00").await.id;
    let order = |change: Value| {
        let mut order = json!({"customerId": customer, "orderTotal": {"amount": "1.00"}});
        for (field, value) in change.as_object().expect("an object") {
            order[field] = value.clone();
        }
        order
    };

    let cases = [
        ("customerId", json!({"orderTotal": {"amount": "1.00"}})),
        ("customerId", order(json!({"customerId": "not-a-uuid"}))),
        ("orderTotal", json!({"customerId": customer})),
        ("orderTotal", order(json!({"orderTotal": {"amount": "0"}}))),
        (
            "orderTotal",
            order(json!({"orderTotal": {"amount": "0.00"}})),
        ),
        (
            "orderTotal",
            order(json!({"orderTotal": {"amount": "-1.00"}})),
        ),
        (
            "orderTotal",
            order(json!({"orderTotal": {"amount": "1.005"}})),
        ),
        (
            "note",
            json!({"customerId": customer, "lines": [line(json!({}))], "note": "x".repeat(2001)}),
        ),
    ];

    for (field, body) in cases {
        api.post("/orders").json(body).await.is_invalid(field);
    }
}

#[tokio::test]
async fn an_invalid_line_is_refused_naming_the_field() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada Park", "500.00").await.id;

    let cases = [
        ("lines", json!([])),
        ("lines", json!(vec![line(json!({})); 501])),
        ("quantity", json!([line(json!({"quantity": 0}))])),
        (
            "quantity",
            json!([line(json!({})), line(json!({"quantity": -1}))]),
        ),
        (
            "unitPrice",
            json!([line(json!({"unitPrice": {"amount": "-0.01"}}))]),
        ),
        (
            "unitPrice",
            json!([line(json!({"unitPrice": {"amount": "0.001"}}))]),
        ),
    ];

    for (field, lines) in cases {
        api.post("/orders")
            .json(json!({"customerId": customer, "lines": lines}))
            .await
            .is_invalid(field);
    }
}

#[tokio::test]
async fn a_total_too_large_to_count_is_refused_not_wrapped() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada Park", "500.00").await.id;
    let huge =
        line(json!({"quantity": 4_000_000_000_u32, "unitPrice": {"amount": "90000000000000.00"}}));

    api.post("/orders")
        .json(json!({"customerId": customer, "lines": vec![huge; 3]}))
        .await
        .is_problem(400);
}

#[tokio::test]
async fn an_unknown_field_is_refused() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada Park", "500.00").await.id;

    let cases = [
        (
            "/customers",
            json!({"name": "Ada", "creditLimit": {"amount": "1"}, "nick": "A"}),
        ),
        (
            "/customers",
            json!({"name": "Ada", "creditLimit": {"amount": "1", "currency": "EUR"}}),
        ),
        (
            "/orders",
            json!({"customerId": customer, "orderTotal": {"amount": "1"}, "colour": "red"}),
        ),
        (
            "/orders",
            json!({"customerId": customer, "lines": [line(json!({"weight": 3}))]}),
        ),
    ];

    for (path, body) in cases {
        api.post(path).json(body).await.is_problem(400);
    }
}

#[tokio::test]
async fn an_unknown_query_parameter_is_refused() {
    let node = NODE.get(Node::start).await;
    let api = node.api();

    for path in ["/orders", "/customers", "/sagas", "/customers/count"] {
        api.get(path).query("colour", "red").await.is_problem(400);
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused() {
    let node = NODE.get(Node::start).await;
    let api = node.api();

    for body in [
        "",
        "{",
        "nonsense",
        "[]",
        "null",
        "\"text\"",
        "{\"name\": \"Ada\",}",
        "{} {}",
    ] {
        api.post("/customers")
            .text("application/json", body)
            .await
            .is_problem(400);
        api.post("/orders")
            .text("application/json", body)
            .await
            .is_problem(400);
    }
}

#[tokio::test]
async fn a_body_of_another_media_type_is_refused() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let body = json!({"name": "Ada", "creditLimit": {"amount": "1"}}).to_string();

    for media_type in [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
    ] {
        api.post("/customers")
            .text(media_type, &body)
            .await
            .is_problem(415);
    }
    api.post("/customers")
        .text("application/json; charset=utf-8", &body)
        .await
        .is(201);
}

#[tokio::test]
async fn a_body_above_64_kib_is_refused() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let body = json!({"name": "x".repeat(70 * 1024), "creditLimit": {"amount": "1"}});

    api.post("/customers").json(body).await.is_problem(413);

    // just below, the name alone is what is wrong
    let body = json!({"name": "x".repeat(60 * 1024), "creditLimit": {"amount": "1"}});
    api.post("/customers").json(body).await.is_invalid("name");
}

#[tokio::test]
async fn a_method_a_route_does_not_have_is_not_allowed() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let order = format!("/orders/{}", Uuid::now_v7());

    for (method, path) in [
        (Method::DELETE, "/orders".to_owned()),
        (Method::PUT, "/customers".to_owned()),
        (Method::PUT, order.clone()),
        (Method::GET, format!("{order}/ship")),
        (Method::POST, "/customers/count".to_owned()),
    ] {
        let refused = api.call(method, &path).await;
        refused.is_problem(405);
        assert!(
            !refused.header("allow").is_empty(),
            "{}: no Allow",
            refused.call
        );
    }
}

#[tokio::test]
async fn head_is_answered_as_get_without_the_body() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada Park", "1.00").await;

    for path in [
        &format!("/customers/{}", customer.id),
        "/health/ready",
        "/metrics",
        "/",
        "/docs/",
    ] {
        let ask = async |method| api.call(method, path).token(&customer.token).await.is(200);
        let (got, headed) = (ask(Method::GET).await, ask(Method::HEAD).await);
        assert_eq!(headed.text, "", "{path}");
        assert_eq!(
            headed.header("content-type"),
            got.header("content-type"),
            "{path}"
        );
        if path != "/metrics" {
            assert_eq!(
                headed.header("content-length"),
                got.text.len().to_string(),
                "{path}"
            );
        }
    }
    api.call(Method::HEAD, &format!("/orders/{}", Uuid::now_v7()))
        .await
        .is(404);
}

#[tokio::test]
async fn what_does_not_exist_is_a_problem_too() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let unknown = Uuid::now_v7();

    for path in [
        "/nothing/here".to_owned(),
        format!("/orders/{unknown}/colour"),
        format!("/customers/{unknown}"),
    ] {
        api.get(&path).await.is_problem(404);
    }
    api.order(&unknown.to_string()).await.is_problem(404);
}

#[tokio::test]
async fn an_id_that_is_no_id_leads_nowhere() {
    let node = NODE.get(Node::start).await;
    let api = node.api();

    for path in [
        "/orders/42",
        "/customers/not-a-uuid",
        "/orders/42/history",
        "/sagas/%20",
    ] {
        let refused = api.get(path).await;
        assert!(
            [400, 404].contains(&refused.status),
            "{path}: {}",
            refused.status
        );
        refused.is_problem(refused.status);
    }
}

#[tokio::test]
async fn a_refused_order_leaves_nothing_behind() {
    let node = Node::start().await;
    let api = node.api();
    let customer = api.create_customer("Ada Park", "500.00").await;

    refused_in_every_way(&api, &customer.id).await;

    let token = api.place(&customer.id, "1.00", "APPROVED").await.token;
    assert_eq!(
        api.get("/orders").token(&token).await.is(200).json["total"],
        1
    );
    let sagas = api.get("/sagas").await.is(200);
    assert_eq!(sagas.items("sagas").len(), usize::from(has_sagas()));
}

async fn refused_in_every_way(api: &Api, customer: &str) {
    let negative = json!({"customerId": customer, "orderTotal": {"amount": "-1.00"}});
    api.post("/orders").json(negative).await.is_problem(400);
    api.post("/orders")
        .text("text/plain", "{}")
        .await
        .is_problem(415);
    api.new_order(customer, "1.00")
        .key("not visible")
        .await
        .is_problem(400);
}

/// A valid line with some fields replaced.
fn line(change: Value) -> Value {
    let mut line =
        json!({"sku": "1", "name": "TUNA", "quantity": 1, "unitPrice": {"amount": "1.39"}});
    for (field, value) in change.as_object().expect("an object") {
        line[field] = value.clone();
    }
    line
}
