//! Customers over HTTP.

use domain::{Money, OrderState};

use crate::http::testing::{ID, Node, taken};

#[actix_web::test]
async fn a_created_customer_is_answered_with_place_version_and_token() {
    let node = Node::new();
    let answer = node
        .post(
            "/customers",
            r#"{"name":"  Ada Park ","creditLimit":{"amount":15.5}}"#,
            &[],
        )
        .await;

    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (201, format!("/customers/{ID}").as_str())
    );

    assert_eq!(
        (answer.header("etag"), answer.header("consistency-token")),
        ("\"1\"", "customers.1")
    );

    assert_eq!(
        answer.text,
        format!(r#"{{"customerId":"{ID}","version":1}}"#)
    );

    let customer = taken(&node.double.customer);
    assert_eq!(
        (customer.name.as_str(), customer.credit_limit),
        ("Ada Park", Money::from_cents(1550))
    );
}

#[actix_web::test]
async fn an_invalid_customer_is_refused_naming_the_field() {
    let node = Node::new();
    let name = |name: &str| format!(r#"{{"name":"{name}","creditLimit":{{"amount":"1"}}}}"#);
    let limit = |limit: &str| format!(r#"{{"name":"Ada","creditLimit":{limit}}}"#);

    for (fields, body) in [
        (&["name", "creditLimit"][..], "{}".to_owned()),
        (&["name"], name("")),
        (&["name"], name(" \\t ")),
        (&["name"], name(&"é".repeat(201))),
        (&["creditLimit"], limit("null")),
        (&["creditLimit"], limit("7")),
        (&["creditLimit"], limit(r#"["1"]"#)),
        (&["creditLimit"], limit(r#"{"amount":"-0.01"}"#)),
        (
            &["creditLimit"],
            limit(r#"{"amount":"1","currency":"EUR"}"#),
        ),
        (
            &["creditLimit"],
            limit(r#"{"amount":"99999999999999999999999"}"#),
        ),
        (
            &["nick"],
            r#"{"name":"Ada","creditLimit":{"amount":"0"},"nick":"A"}"#.to_owned(),
        ),
    ] {
        assert_eq!(
            node.post("/customers", &body, &[]).await.fields(),
            fields,
            "{body}"
        );
    }

    assert_eq!(
        node.post("/customers", &name(&"é".repeat(200)), &[])
            .await
            .status,
        201
    );
}

#[actix_web::test]
async fn a_customer_is_shown_with_its_orders_by_id_but_listed_without() {
    let node = Node::new();
    let shown = node.get(&format!("/customers/{ID}")).await;
    assert_eq!(shown.json["availableCredit"]["amount"], "2.66");
    assert_eq!(shown.json["orders"][ID]["state"], "APPROVED");
    assert_eq!(shown.json["creationTime"], "2026-01-01T00:00:00Z");
    let then = node.get(&format!("/customers/{ID}?asOfVersion=2")).await;
    assert_eq!((then.status.as_u16(), then.json.get("orders")), (200, None));

    let listed = node
        .get("/customers?name=Ada%20&minOrderTotal=50&orderState=APPROVED")
        .await;

    assert_eq!(
        (
            listed.json["next"].is_string(),
            listed.json["customers"][0].get("orders")
        ),
        (true, None)
    );

    let query = taken(&node.double.customer_query);
    assert_eq!(
        (query.name.as_deref(), query.order_state),
        (Some("Ada"), Some(OrderState::Approved))
    );

    assert_eq!(query.min_order_total, Some(Money::from_cents(5000)));
}

#[actix_web::test]
async fn count_is_no_id() {
    let node = Node::new();
    assert_eq!(node.get("/customers/count").await.text, r#"{"count":5}"#);

    node.get("/customers/count?colour=red")
        .await
        .is_problem(400);

    assert_eq!(node.get("/customers/not-a-uuid").await.fields(), ["id"]);

    node.get(&format!("/customers/{ID}/orders?state=FINE"))
        .await
        .is_problem(400);

    assert_eq!(
        node.get(&format!("/customers/{ID}/orders?state=SHIPPED"))
            .await
            .json["orders"][0]["orderId"],
        ID
    );

    assert_eq!(
        node.get(&format!("/customers/{ID}/history"))
            .await
            .header("consistency-token"),
        "customers.3"
    );
}

#[actix_web::test]
async fn a_parameter_that_is_escaped_wrongly_or_no_text_is_refused_naming_it() {
    let node = Node::new();

    for value in ["%zz", "%ff", "%", "%4", "a%C3", "%+1", "%C3%28"] {
        assert_eq!(
            node.get(&format!("/customers?name={value}")).await.fields(),
            ["name"],
            "{value}"
        );
    }

    assert_eq!(
        node.get("/customers?name=%zz&limit=0&%zz=1").await.fields(),
        ["%zz", "name", "limit"]
    );

    for (value, name) in [
        ("Zo%C3%AB+Park", "Zoë Park"),
        ("a%2Bb%26c=d%25", "a+b&c=d%"),
        ("%5a", "Z"),
    ] {
        assert_eq!(
            node.get(&format!("/customers?&name={value}&")).await.status,
            200,
            "{value}"
        );
        assert_eq!(
            taken(&node.double.customer_query).name.as_deref(),
            Some(name)
        );
    }

    assert_eq!(node.get("/customers?name").await.fields(), ["name"]);
}

#[actix_web::test]
async fn a_corrected_limit_is_answered_with_version_and_token_and_says_who_and_why() {
    let node = Node::new();
    let path = format!("/customers/{ID}/credit-limit");
    let body = r#"{"creditLimit":{"amount":"500"},"reason":"a zero too many"}"#;
    let answer = node.post(&path, body, &[]).await;

    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    assert_eq!(
        (answer.header("etag"), answer.header("consistency-token")),
        ("\"2\"", "customers.2")
    );
    assert_eq!(answer.json["creditLimit"]["amount"], "500.00");
    assert_eq!(answer.json["version"], 2);

    let (action, by) = taken(&node.double.operated);
    assert_eq!(action, "correct-limit");
    assert_eq!(by.name, "anonymous");
    assert_eq!(by.reason.as_deref(), Some("a zero too many"));
}

#[actix_web::test]
async fn an_invalid_limit_is_refused_naming_the_field() {
    let node = Node::new();
    let path = format!("/customers/{ID}/credit-limit");
    for (fields, body) in [
        (&["creditLimit"][..], "{}"),
        (&["creditLimit"], r#"{"creditLimit":5}"#),
        (&["creditLimit"], r#"{"creditLimit":{"amount":"-1"}}"#),
        (&["reason"], r#"{"creditLimit":{"amount":"1"},"reason":7}"#),
        (&["name"], r#"{"creditLimit":{"amount":"1"},"name":"Ada"}"#),
    ] {
        assert_eq!(node.post(&path, body, &[]).await.fields(), fields, "{body}");
    }
}
