//! The quarantine over HTTP.

use actix_web::test::TestRequest;

use crate::http::testing::{ID, Node};

#[actix_web::test]
async fn what_views_cannot_take_in_is_listed_beside_the_messages() {
    let node = Node::new();
    let nothing = node.get("/quarantine").await;
    assert_eq!(nothing.status, 200, "{}", nothing.text);
    assert!(nothing.json.get("views").is_none(), "{}", nothing.text);

    let found = node.get(&format!("/quarantine?entity={ID}")).await;
    let parked = &found.json["views"][0];
    assert_eq!(
        (&parked["view"], &parked["entityId"]),
        (&"documents".into(), &ID.into())
    );
    assert_eq!(
        (&parked["version"], &parked["entityType"]),
        (&2.into(), &"order".into())
    );
}

#[actix_web::test]
async fn a_reason_that_says_nothing_is_refused_wherever_it_is_given() {
    let node = Node::new();
    for path in [
        format!("/quarantine/{ID}/replay"),
        format!("/sagas/{ID}/retry"),
        format!("/sagas/{ID}/cancel"),
        format!("/sagas/{ID}/abandon"),
    ] {
        for reason in ["", "  "] {
            let body = format!(r#"{{"reason":"{reason}"}}"#);
            let answer = node.post(&path, &body, &[]).await;
            assert_eq!(answer.fields(), ["reason"], "{path} {body}");
        }
    }

    let path = format!("/quarantine/{ID}");
    let edit = TestRequest::put()
        .uri(&path)
        .insert_header(("content-type", "application/json"))
        .set_payload(r#"{"body":{},"reason":" "}"#);
    assert_eq!(node.call(edit).await.fields(), ["reason"]);
    let discard = TestRequest::delete().uri(&format!("{path}?reason=%20"));
    assert_eq!(node.call(discard).await.fields(), ["reason"]);
    for (query, body) in [
        ("", r#"{"reason":" "}"#),
        ("", r#"{"why":"no such field"}"#),
    ] {
        let discard = TestRequest::delete()
            .uri(&format!("{path}{query}"))
            .insert_header(("content-type", "application/json"))
            .set_payload(body);
        assert_eq!(node.call(discard).await.fields().len(), 1, "{query} {body}");
    }
    assert_eq!(node.double.asked(), 0, "something was done");
}

#[actix_web::test]
async fn a_text_that_no_database_takes_is_refused_in_every_filter() {
    let node = Node::new();
    for query in [
        "/sagas?cause=%00",
        "/quarantine?cause=a%00",
        "/quarantine?type=%00b",
    ] {
        let refused = node.get(query).await;
        assert_eq!(refused.fields().len(), 1, "{query}");
    }
}

#[actix_web::test]
async fn the_detail_of_a_refusal_tells_the_field_from_what_is_wrong_with_it() {
    let node = Node::new();
    let path = format!("/quarantine/{ID}/replay");
    let refused = node.post(&path, r#"{"reason":5}"#, &[]).await;
    let detail = refused.is_problem(400).json["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("reason: invalid type: integer"),
        "{detail}"
    );
}
