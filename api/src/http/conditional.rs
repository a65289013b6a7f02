//! Conditional requests (RFC 9110): `ETag`, `If-None-Match` and `If-Match`.
//!
//! The tag of an answer to a query is a digest of its body, so it changes when what is shown does:
//! a customer's version, say, does not count its orders. A command takes no condition. It decides
//! by the entity's state, in one step with its effect; a comparison ahead of that would promise
//! what it cannot keep.

use std::hash::{DefaultHasher, Hasher};

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ContentType, ETAG, EntityTag, Header, IF_MATCH, IF_NONE_MATCH, IfMatch, IfNoneMatch,
    TryIntoHeaderValue,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde::Serialize;

use super::Problem;

/// Answers with a body, or, where the caller has it already, with `304` and the headers alone.
///
/// # Errors
/// An `If-Match` that names another body.
pub fn answer(
    request: &HttpRequest,
    mut response: HttpResponseBuilder,
    body: &impl Serialize,
) -> Result<HttpResponse, Problem> {
    let bytes = serde_json::to_vec(body).map_err(|_| Problem::internal())?;
    let tag = EntityTag::new_strong(digest(&bytes));

    if request.headers().contains_key(IF_MATCH) && !matches(request, &tag) {
        return Err(Problem::precondition_failed());
    }

    if let Ok(value) = tag.clone().try_into_value() {
        response.insert_header((ETAG, value));
    }
    if has(request, &tag) {
        return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
    }
    Ok(response.insert_header(ContentType::json()).body(bytes))
}

/// Refuses the conditions of a command.
///
/// # Errors
/// The header that states one.
pub fn none(request: &HttpRequest) -> Result<(), Problem> {
    for (header, name) in [(IF_MATCH, "If-Match"), (IF_NONE_MATCH, "If-None-Match")] {
        if request.headers().contains_key(header) {
            return Err(Problem::invalid_field(
                name,
                "cannot be given with a command, which decides by the state it finds",
            ));
        }
    }
    Ok(())
}

/// The hash differs between releases at most, which costs a caller one more body.
pub fn digest(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("{:016x}", hasher.finish())
}

/// Whether `If-Match` names this body. A header that cannot be read names none.
fn matches(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfMatch::parse(request) {
        Ok(IfMatch::Any) => true,
        Ok(IfMatch::Items(tags)) => tags.iter().any(|given| given.strong_eq(tag)),
        Err(_) => false,
    }
}

/// Whether `If-None-Match` names this body. A header that is not there or cannot be read names
/// none.
pub fn has(request: &HttpRequest, tag: &EntityTag) -> bool {
    request.headers().contains_key(IF_NONE_MATCH)
        && match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|given| given.weak_eq(tag)),
            Err(_) => false,
        }
}

#[cfg(test)]
mod tests {
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
}
