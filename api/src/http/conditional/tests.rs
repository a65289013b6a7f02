use actix_web::test::TestRequest;

use crate::http::testing::{ID, Node, Response};

async fn get(node: &Node, uri: &str, header: &'static str, value: &str) -> Response {
    let request = TestRequest::get().uri(uri).insert_header((header, value));
    node.call(request).await
}

fn queries() -> Vec<String> {
    let mut queries: Vec<String> = ["/orders", "/customers", "/customers/count"]
        .map(str::to_owned)
        .into();
    for of_one in ["", "?asOfVersion=1", "/history"] {
        queries.push(format!("/orders/{ID}{of_one}"));
        queries.push(format!("/customers/{ID}{of_one}"));
    }
    queries.push(format!("/customers/{ID}/orders"));
    queries
}

#[actix_web::test]
async fn a_caller_that_has_the_body_already_gets_the_headers_alone() {
    let node = Node::new();
    for uri in queries() {
        let first = node.get(&uri).await;
        let tag = first.header("etag");
        assert!(tag.starts_with('"'), "{uri}: {tag}");

        for known in [tag.to_owned(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            let again = get(&node, &uri, "if-none-match", &known).await;
            assert_eq!(
                (again.status.as_u16(), again.text.as_str()),
                (304, ""),
                "{uri}"
            );
            assert_eq!(again.header("etag"), tag);
            assert_eq!(
                again.header("consistency-token"),
                first.header("consistency-token")
            );
        }

        for unknown in ["\"x\"", "x"] {
            let again = get(&node, &uri, "if-none-match", unknown).await;
            assert_eq!(
                (again.status.as_u16(), again.text),
                (200, first.text.clone())
            );
        }
    }
}

#[actix_web::test]
async fn another_body_has_another_tag() {
    let node = Node::new();
    let page = node.get("/orders?text=a").await;
    let another = node.get("/orders?text=b").await;
    assert_ne!(page.text, another.text);
    assert_ne!(page.header("etag"), another.header("etag"));
}

#[actix_web::test]
async fn a_query_for_what_is_no_longer_shown_is_refused() {
    let node = Node::new();
    for uri in queries() {
        let tag = node.get(&uri).await.header("etag").to_owned();
        for (condition, status) in [
            (tag.clone(), 200),
            ("*".to_owned(), 200),
            ("\"x\"".to_owned(), 412),
            (format!("W/{tag}"), 412),
            ("x".to_owned(), 412),
        ] {
            let answer = get(&node, &uri, "if-match", &condition).await;
            assert_eq!(answer.status, status, "{uri} {condition}");
        }
    }
}

#[actix_web::test]
async fn a_command_with_a_condition_is_refused_before_anything_happens() {
    let node = Node::new();
    for (header, name) in [("if-match", "If-Match"), ("if-none-match", "If-None-Match")] {
        for path in ["cancel", "ship"] {
            let path = format!("/orders/{ID}/{path}");
            let refused = node.post(&path, "", &[(header, "\"1\"")]).await;
            assert_eq!(refused.fields(), [name]);
        }
    }
    assert!(node.double.follows.lock().unwrap().is_none());
}
