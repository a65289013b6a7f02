//! The access log: one line per request, with an id by which the caller finds it again.
//!
//! It is off unless `COUNTERFOIL_ACCESS_LOG` says otherwise: at thousands of requests in a second
//! it costs more than many of them. An id that the caller sends comes back in either case.

use std::time::Duration;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use uuid::Uuid;

use super::headers::{REQUEST_ID, TRACEPARENT};

/// Its target, for `RUST_LOG`.
pub const TARGET: &str = "access";
/// A longer id is not repeated: it would be somebody's payload.
const LONGEST_ID: usize = 128;

/// Logs a request that is answered, and gives the answer its id.
pub fn answered(request: &HttpRequest, response: &mut HttpResponse, took: Duration) {
    let logs = tracing::enabled!(target: TARGET, tracing::Level::INFO);
    let Some(id) = sent(request).or_else(|| logs.then(new_id).flatten()) else {
        return;
    };

    if logs {
        let address = request.peer_addr().map(tracing::field::display);
        let span = response.headers().get(TRACEPARENT);
        tracing::info!(
            target: TARGET,
            {
                http.request_id = id.to_str().unwrap_or_default(),
                http.method = %request.method(),
                http.path = request.path(),
                http.status = response.status().as_u16(),
                http.seconds = took.as_secs_f64(),
                client.address = address,
                traceparent = span.and_then(|span| span.to_str().ok())
            },
            "a request is answered"
        );
    }
    response.headers_mut().insert(REQUEST_ID, id);
}

/// A header of a request, if it is text.
pub fn text(request: &HttpRequest, name: HeaderName) -> Option<&str> {
    request
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
}

/// The id that the caller has sent, if it is one.
fn sent(request: &HttpRequest) -> Option<HeaderValue> {
    let value = request.headers().get(REQUEST_ID)?;
    let is_visible = |byte: &u8| byte.is_ascii_graphic();
    let bytes = value.as_bytes();
    let fits = (1..=LONGEST_ID).contains(&bytes.len()) && bytes.iter().all(is_visible);
    fits.then(|| value.clone())
}

fn new_id() -> Option<HeaderValue> {
    HeaderValue::try_from(Uuid::now_v7().to_string()).ok()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn echoed(id: &str) -> Option<String> {
        let request = TestRequest::default()
            .insert_header((REQUEST_ID, id))
            .to_http_request();
        let mut response = HttpResponse::Ok().finish();
        answered(&request, &mut response, Duration::ZERO);
        let id = response.headers().get(REQUEST_ID)?;
        Some(id.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_caller_gets_its_id_back_and_nothing_that_is_no_id() {
        assert_eq!(echoed("shop-17"), Some("shop-17".to_owned()));
        assert_eq!(echoed("two words"), None);
        assert_eq!(echoed(&"a".repeat(129)), None);
    }
}
