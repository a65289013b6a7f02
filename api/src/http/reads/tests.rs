//! No read hangs, whatever its store does, and readers who wait have a bound of their own.

use futures_util::future::join_all;

use crate::http::document;
use crate::http::testing::{ID, Node};

/// The path of every read that the OpenAPI document has, but for those that ask no store.
fn reads() -> Vec<String> {
    let document = serde_json::to_value(document()).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let found: Vec<_> = paths
        .filter(|(path, methods)| {
            methods["get"].is_object() && !path.starts_with("/health/") && *path != "/metrics"
        })
        .map(|(path, _)| path.replace("{id}", ID))
        // The double has no quarantined message, and says so.
        .filter(|path| !path.starts_with("/quarantine/"))
        .collect();

    assert!(found.len() >= 12, "{found:?}");
    found
}

#[actix_web::test]
async fn a_read_that_hangs_is_answered_all_the_same_whatever_it_is() {
    let node = Node::new();
    *node.double.hangs.lock().unwrap() = true;
    let paths = reads();
    let in_the_past = ["/orders", "/customers"].map(|path| format!("{path}/{ID}?asOfVersion=1"));

    // All at once, because each takes as long as the bound.
    let all = paths.iter().chain(&in_the_past).map(async |path| {
        let answer = node.get(path).await;
        (path, answer)
    });

    for (path, answer) in join_all(all).await {
        answer.is_problem(503);
        assert_eq!(answer.header("retry-after"), "1", "{path}");
    }
}

#[actix_web::test]
async fn beyond_the_places_to_wait_a_reader_that_would_wait_is_refused_and_others_are_served() {
    let node = Node::with(&["--max-waiting", "1"]);
    let path = format!("/orders/{ID}");
    let read = |token: &'static str| {
        let request = actix_web::test::TestRequest::get()
            .uri(&path)
            .insert_header(("prefer", "wait=25"));
        node.call(match token {
            "" => request,
            token => request.insert_header(("consistency-token", token)),
        })
    };

    *node.double.hangs.lock().unwrap() = true;
    let waiting = read("seen");

    let others = async {
        while node.api.waiting_reads.count() == 0 {
            actix_rt::task::yield_now().await;
        }
        let refused = read("seen").await;
        refused.is_problem(503);
        assert_eq!(
            refused.json["type"],
            "urn:counterfoil:problem:too-many-wait"
        );
        assert_eq!(refused.header("retry-after"), "1");

        // Who need not wait takes no place.
        *node.double.hangs.lock().unwrap() = false;
        assert_eq!(read("").await.status, 200);
        assert_eq!(read("seen").await.status, 200);
    };

    tokio::select! {
        _ = waiting => panic!("the view never gets there"),
        () = others => {}
    }
    assert_eq!(node.api.waiting_reads.count(), 0);
}
