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
mod tests;
