//! Searches for orders, and reads with consistency tokens.

use actix_web::test::TestRequest;
use domain::Money;

use super::total;
use crate::http::testing::{ID, Node, taken};
use crate::ports::{Behind, OrderSort, ReadError};

#[actix_web::test]
async fn a_search_is_passed_on_as_it_was_asked() {
    let node = Node::new();

    let uri = format!(
        "/orders?text=%22dark%20tuna%22&state=APPROVED&customerId={ID}&minTotal=1&maxTotal=2.5\
         &since=2026-01-01T01:00:00+01:00&until=2026-01-02T00:00:00Z&limit=7"
    );
    let first = node.get(&uri).await;
    assert_eq!(first.status, 200, "{}", first.text);

    let next = first.json["next"].as_str().unwrap();
    let answer = node.get(&format!("{uri}&cursor={next}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json["total"], 41);

    assert_eq!(answer.json["orders"][0]["orderTotal"]["amount"], "12.34");

    assert_eq!(answer.header("consistency-token"), "seen");
    let query = taken(&node.double.order_query);
    assert_eq!(
        (query.text.as_deref(), query.sort),
        (Some("\"dark tuna\""), OrderSort::Relevance)
    );

    assert_eq!(query.since.unwrap().to_string(), "2026-01-01T00:00:00Z");

    assert_eq!(
        (query.min_total, query.max_total),
        (Some(Money::from_cents(100)), Some(Money::from_cents(250)))
    );

    assert_eq!(
        (query.page.limit, query.page.cursor.as_deref()),
        (7, Some("more"))
    );

    node.get("/orders?until=9999-12-31T23:59:59Z").await;
    let query = taken(&node.double.order_query);
    assert!(query.until.is_some());
    assert_eq!((query.sort, query.page.limit), (OrderSort::Newest, 20));
}

#[actix_web::test]
async fn bad_parameters_are_refused_naming_them() {
    let node = Node::new();

    for (parameter, value) in [
        ("limit", "0"),
        ("limit", "201"),
        ("limit", "-1"),
        ("limit", "many"),
        ("state", "FINE"),
        ("sort", "price"),
        ("sort", "relevance"),
        ("customerId", "42"),
        ("minTotal", "much"),
        ("maxTotal", "1.234"),
        ("since", "yesterday"),
        ("until", "2026-13-01T00:00:00Z"),
        ("until", "2026-01-01T00:00:55,5Z"),
        ("colour", "red"),
        ("text", ""),
    ] {
        let answer = node.get(&format!("/orders?{parameter}={value}")).await;
        assert_eq!(answer.fields(), [parameter], "{value}");
    }

    assert_eq!(
        node.get("/orders?limit=1&limit=2&since=x").await.fields(),
        ["limit", "since"]
    );

    assert_eq!(
        node.get(&format!("/orders?text={}", "x".repeat(1001)))
            .await
            .fields(),
        ["text"]
    );

    assert_eq!(
        node.post("/orders?x=1", &total("1"), &[]).await.fields(),
        ["x"]
    );
}

#[actix_web::test]
async fn a_cursor_of_another_query_is_refused_by_every_list() {
    let node = Node::new();
    let of_customer = format!("/customers/{ID}/orders");
    let of_another = format!("/customers/{ID}/orders").replace('1', "2");

    for (path, ours, other) in [
        ("/orders", "text=tea&limit=1", "text=teas"),
        ("/orders", "text=tea", "text=tea&state=PENDING"),
        ("/orders", "", "minTotal=1"),
        ("/customers", "name=ada", "name=bea"),
        ("/customers", "", "orderState=PENDING"),
        (&of_customer, "state=PENDING", ""),
        ("/sagas", "state=STUCK", "state=RUNNING"),
    ] {
        let first = node.get(&format!("{path}?{ours}")).await;
        let next = first.json["next"].as_str().unwrap();

        let again = node.get(&format!("{path}?cursor={next}&{ours}")).await;
        assert_eq!(again.status, 200, "{path} {ours}");
        let refused = node.get(&format!("{path}?{other}&cursor={next}")).await;
        assert_eq!(refused.fields(), ["cursor"], "{path} {other}");
    }

    let first = node.get(&of_customer).await;
    let next = first.json["next"].as_str().unwrap();
    let refused = node.get(&format!("{of_another}?cursor={next}")).await;
    assert_eq!(refused.fields(), ["cursor"]);
}

#[actix_web::test]
async fn tokens_may_be_repeated_and_joined() {
    let node = Node::new();

    let request = TestRequest::get()
        .uri(&format!("/orders/{ID}"))
        .append_header(("consistency-token", "a, b"))
        .append_header(("consistency-token", "c"))
        .append_header(("prefer", "wait=2, handling=lenient"));
    let answer = node.call(request).await;
    let freshness = taken(&node.double.freshness);

    assert_eq!(
        (
            freshness.tokens,
            freshness.wait.as_secs(),
            freshness.lenient
        ),
        (["a", "b", "c"].map(String::from).to_vec(), 2, true)
    );

    assert_eq!(answer.header("consistency"), "stale");

    assert_eq!(
        answer.header("preference-applied"),
        "wait=2, handling=lenient"
    );

    node.get(&format!("/orders/{ID}")).await;
    assert_eq!(taken(&node.double.freshness).wait.as_secs(), 5);
}

#[actix_web::test]
async fn a_view_that_is_behind_says_what_it_lacks() {
    let node = Node::new();

    let behind = vec![Behind {
        what: format!("orders/{ID}"),
        required: 2,
        reached: 1,
    }];

    *node.double.read_error.lock().unwrap() = Some(ReadError::ViewBehind {
        view: "orders".to_owned(),
        behind,
    });

    let answer = node.get(&format!("/orders/{ID}")).await;
    answer.is_problem(503);
    assert_eq!(answer.json["type"], "urn:counterfoil:problem:view-behind");

    assert_eq!(
        (
            answer.json["behind"][0]["required"].as_u64(),
            answer.header("retry-after")
        ),
        (Some(2), "1")
    );

    for (error, status) in [
        (ReadError::NotFound("order"), 404),
        (ReadError::InvalidCursor, 400),
        (ReadError::InvalidToken, 400),
        (
            ReadError::InvalidQuery {
                field: "text",
                message: "has an open quote".to_owned(),
            },
            400,
        ),
        (
            ReadError::Unavailable {
                view: "orders".to_owned(),
            },
            503,
        ),
        (
            ReadError::TimedOut {
                view: "search".to_owned(),
            },
            503,
        ),
        (ReadError::StoreUnavailable, 503),
        (ReadError::Failed, 500),
    ] {
        *node.double.read_error.lock().unwrap() = Some(error);
        node.get(&format!("/orders/{ID}")).await.is_problem(status);
    }
}
