//! `Idempotency-Key`: what binds a request to its effect.
//!
//! The key is scoped to method and path, and bound to the *value* of the request: the fingerprint
//! covers the validated request, so spelling, order of fields and defaults do not matter.

use actix_web::HttpRequest;
use actors::RequestBinding;
use serde::Serialize;

use super::Problem;
use super::headers::IDEMPOTENCY_KEY;

const MAX_KEY_BYTES: usize = 255;

/// The caller's key, when there is one.
///
/// # Errors
/// A key that is not 1 to 255 visible ASCII characters, or several.
pub fn key(request: &HttpRequest) -> Result<Option<&str>, Problem> {
    let mut values = request.headers().get_all(IDEMPOTENCY_KEY);
    let Some(value) = values.next() else {
        return Ok(None);
    };

    if values.next().is_some() {
        return Err(Problem::invalid_field(
            "Idempotency-Key",
            "must be given once",
        ));
    }

    let bytes = value.as_bytes();

    let fits = (1..=MAX_KEY_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(text) if fits => Ok(Some(text)),
        _ => Err(Problem::invalid_field(
            "Idempotency-Key",
            "must be 1 to 255 visible ASCII characters",
        )),
    }
}

/// Binds a key to its scope, for example `POST /orders`, and to the request's value.
///
/// # Errors
/// Never in practice: a validated request has a JSON form.
pub fn bind(key: &str, scope: &str, request: &impl Serialize) -> Result<RequestBinding, Problem> {
    let canonical = serde_json::to_vec(request)
        .map_err(|_| Problem::malformed("the request has no JSON form"))?;

    Ok(RequestBinding::new(scope, key, &canonical))
}
