//! Histories over HTTP: pages, cursors, and points in the past.

use crate::http::testing::{ID, Node};

#[actix_web::test]
async fn the_past_is_shown_by_version_or_time_but_not_by_both() {
    let node = Node::new();

    let answer = node.get(&format!("/orders/{ID}?asOfVersion=2")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("consistency-token")),
        (200, "orders.2")
    );

    for time in [
        "2026-01-01T00:00:00Z",
        "2026-01-01T01:00:00+01:00",
        "9999-12-31T23:59:59Z",
    ] {
        assert_eq!(
            node.get(&format!("/orders/{ID}?asOf={time}")).await.status,
            200,
            "{time}"
        );
    }

    node.get(&format!("/orders/{ID}?asOfVersion=0"))
        .await
        .is_problem(404);

    for query in [
        "asOfVersion=first",
        "asOf=yesterday",
        "asOf=2026-01-01T00:00:00Z&asOfVersion=1",
        "limit=1",
    ] {
        node.get(&format!("/orders/{ID}?{query}"))
            .await
            .is_problem(400);
    }
}

#[actix_web::test]
async fn a_history_is_read_page_by_page() {
    let node = Node::new();
    let path = format!("/orders/{ID}/history");
    let all = node.get(&path).await;

    assert_eq!(
        (
            all.json["events"].as_array().unwrap().len(),
            all.json.get("next")
        ),
        (3, None)
    );

    assert_eq!(all.json["events"][0]["data"]["a"], 1);
    let first = node.get(&format!("{path}?limit=2")).await;
    let next = first.json["next"].as_str().unwrap();
    assert_eq!(first.header("consistency-token"), "orders.2");
    let second = node.get(&format!("{path}?limit=2&cursor={next}")).await;

    assert_eq!(
        (
            second.json["events"][0]["version"].as_u64(),
            second.json.get("next")
        ),
        (Some(3), None)
    );

    for query in [
        "limit=0",
        "limit=1001",
        "cursor=nonsense",
        "cursor=0",
        "state=APPROVED",
    ] {
        node.get(&format!("{path}?{query}")).await.is_problem(400);
    }
}

#[actix_web::test]
async fn a_cursor_beyond_the_end_is_refused_and_gives_no_token_for_what_does_not_exist() {
    let node = Node::new();
    for entity in ["orders", "customers"] {
        let path = format!("/{entity}/{ID}/history");
        // Three events there are.
        let after_the_last = node.get(&format!("{path}?cursor=4")).await;

        assert_eq!(
            after_the_last.header("consistency-token"),
            format!("{entity}.3")
        );

        assert_eq!(
            (
                after_the_last.json["events"].as_array().unwrap().len(),
                after_the_last.json.get("next")
            ),
            (0, None)
        );

        for cursor in [
            "5",
            "100",
            "18446744073709551615",
            "18446744073709551616",
            "02",
            "%2B2",
            "1",
            "-2",
        ] {
            let refused = node.get(&format!("{path}?cursor={cursor}")).await;
            assert_eq!(
                (refused.fields(), refused.header("consistency-token")),
                (vec!["cursor"], ""),
                "{cursor}"
            );
        }
    }
}
