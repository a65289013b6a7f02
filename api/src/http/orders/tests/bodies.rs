//! What a new order may look like, and how it is told what is wrong with one.

use actix_web::test::TestRequest;
use domain::Money;

use super::{LINE, lines, total};
use crate::http::testing::{ID, Node, taken};

#[actix_web::test]
async fn the_total_of_lines_is_their_sum() {
    let node = Node::new();
    assert_eq!(
        node.post("/orders", &lines(&format!("[{LINE},{LINE}]")), &[])
            .await
            .status,
        201
    );

    let order = taken(&node.double.order);
    assert_eq!(
        (order.total, order.lines.len()),
        (Money::from_cents(556), 2)
    );

    assert_eq!(order.lines[0].sku, "1");
}

#[actix_web::test]
async fn a_field_that_is_null_counts_as_not_given() {
    let node = Node::new();
    for body in [
        format!(r#"{{"customerId":"{ID}","lines":null,"note":null,"orderTotal":{{"amount":5}}}}"#),
        format!(r#"{{"customerId":"{ID}","lines":[{LINE}],"orderTotal":null}}"#),
    ] {
        assert_eq!(node.post("/orders", &body, &[]).await.status, 201, "{body}");
    }

    let neither = format!(r#"{{"customerId":"{ID}","lines":null}}"#);
    assert_eq!(
        node.post("/orders", &neither, &[]).await.fields(),
        ["orderTotal"]
    );
}

#[actix_web::test]
async fn all_that_is_wrong_with_an_order_is_told_at_once() {
    let node = Node::new();
    let body = concat!(
        r#"{"customerId":"x","lines":["#,
        r#"{"sku":"","name":"n","quantity":0,"unitPrice":{"amount":"-1"}},7],"a":1}"#
    );
    let answer = node.post("/orders", body, &[]).await;

    let fields = [
        "customerId",
        "lines[0].sku",
        "lines[0].quantity",
        "lines[0].unitPrice",
        "lines[1]",
        "a",
    ];
    assert_eq!(answer.fields(), fields);
}

#[actix_web::test]
async fn a_whole_number_of_pieces_may_have_zeros_behind_the_point() {
    let node = Node::new();
    for written in ["2", "2.0", "2.000000000000000000000"] {
        let body = lines(&format!("[{}]", LINE.replace("2", written)));
        let answer = node.post("/orders", &body, &[]).await;
        assert_eq!(answer.status, 201, "{written}: {}", answer.text);
        assert_eq!(taken(&node.double.order).lines[0].quantity, 2);
    }
}

#[actix_web::test]
async fn an_order_that_breaks_a_rule_is_refused_naming_the_field() {
    let node = Node::new();
    let line = |change: (&str, &str)| lines(&format!("[{}]", LINE.replace(change.0, change.1)));

    let long_note = format!(
        r#"{{"customerId":"{ID}","lines":[{LINE}],"note":"{}"}}"#,
        "x".repeat(2001)
    );

    for (field, body) in [
        ("customerId", r#"{"orderTotal":{"amount":"1"}}"#.to_owned()),
        ("orderTotal", format!(r#"{{"customerId":"{ID}"}}"#)),
        ("orderTotal", total("\"0.00\"")),
        ("orderTotal", total("\"-1.00\"")),
        ("orderTotal", total("1.005")),
        ("orderTotal", total("4.350000000000000000001")),
        ("orderTotal", total("9999999999999.9999")),
        ("orderTotal", total("1e400")),
        (
            "orderTotal",
            format!(r#"{{"customerId":"{ID}","lines":[{LINE}],"orderTotal":{{"amount":"2.79"}}}}"#),
        ),
        ("lines", lines("[]")),
        ("lines", lines("7")),
        ("lines", lines(&format!("[{}]", vec!["{}"; 501].join(",")))),
        ("lines", line(("1.39", "0"))),
        (
            "lines",
            line((
                "\"quantity\":2,\"unitPrice\":{\"amount\":\"1.39\"}",
                "\"quantity\":4000000000,\"unitPrice\":{\"amount\":\"9000000000000\"}",
            )),
        ),
        ("lines[0].quantity", line(("2", "-1"))),
        ("lines[0].quantity", line(("2", "1.5"))),
        ("lines[0].quantity", line(("2", "4294967296"))),
        ("lines[0].quantity", line(("2", "4294967296.0"))),
        ("lines[0].quantity", line(("2", "0.0"))),
        ("lines[0].quantity", line(("2", "2.01"))),
        ("lines[0].quantity", line(("2", "\"2\""))),
        ("lines[0].unitPrice", line(("1.39", "0.001"))),
        ("lines[0].colour", line(("\"sku\"", "\"colour\":1,\"sku\""))),
        ("lines[0].sku", line((" 1 ", "\\u0000"))),
        ("note", long_note),
    ] {
        assert_eq!(
            node.post("/orders", &body, &[]).await.fields(),
            [field],
            "{body}"
        );
    }
}

#[actix_web::test]
async fn a_body_that_cannot_be_read_is_refused_by_what_is_wrong() {
    let node = Node::new();
    node.post("/orders", "{", &[]).await.is_problem(400);
    node.post("/orders", "[]", &[]).await.is_problem(400);

    node.post("/orders", "", &[("content-type", "application/json")])
        .await
        .is_problem(400);

    node.call(TestRequest::post().uri("/orders").set_payload("{}"))
        .await
        .is_problem(415);

    let plain = TestRequest::post()
        .uri("/orders")
        .insert_header(("content-type", "text/plain"))
        .set_payload("{}");
    node.call(plain).await.is_problem(415);
    let large = total("1") + &" ".repeat(1024 * 1024);
    node.post("/orders", &large, &[]).await.is_problem(413);

    node.post("/orders", &total("1"), &[("content-encoding", "br")])
        .await
        .is_problem(415);
    node.post("/orders", &total("1"), &[("content-encoding", "gzip")])
        .await
        .is_problem(400);

    let charset = TestRequest::post()
        .uri("/orders")
        .insert_header(("content-type", "Application/JSON; charset=utf-8"));
    assert_eq!(node.call(charset.set_payload(total("1"))).await.status, 201);
}

#[actix_web::test]
async fn an_order_as_large_as_the_rules_allow_fits_into_a_body() {
    let node = Node::new();
    // Four bytes each, the most that a character has.
    let text = |length| "\u{10348}".repeat(length);
    let line = format!(
        r#"{{"sku":"{0}","name":"{0}","quantity":4294967295,"unitPrice":{{"amount":"0.01"}}}}"#,
        text(200)
    );

    let body = format!(
        r#"{{"customerId":"{ID}","lines":[{}],"note":"{}"}}"#,
        vec![line; 500].join(","),
        text(2_000)
    );
    assert_eq!(node.post("/orders", &body, &[]).await.status, 201);
    assert_eq!(taken(&node.double.order).lines.len(), 500);
}
