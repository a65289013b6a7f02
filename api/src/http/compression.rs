//! Compresses what is large, for callers that ask for it: JSON as it is answered, and fixed files
//! once.
//!
//! Small answers, nearly all, go out as they are: compressing them costs more than it saves.

use std::io::Write;

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ETag, EntityTag, HeaderMap, HeaderValue};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::conditional;

/// A smaller answer fits into a few packets anyway.
const WORTH_IT: usize = 8 * 1024;
/// A larger one would keep the other callers of its thread waiting while it is compressed.
const ON_ANOTHER_THREAD: usize = 128 * 1024;

const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const BY_ENCODING: HeaderValue = HeaderValue::from_static("accept-encoding");
/// A cache asks each time whether its copy is still the right one.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// Compresses an answer in JSON that is worth it, when the caller asks for that.
pub async fn large(request: &HttpRequest, response: HttpResponse) -> HttpResponse {
    if !is_worth_it(&response) || !is_asked(request) {
        return response;
    }

    let (mut response, body) = response.into_parts();
    let plain = match body.try_into_bytes() {
        Ok(plain) => plain,
        Err(body) => return response.set_body(body),
    };

    let compressed = if plain.len() < ON_ANOTHER_THREAD {
        gzip(&plain, Compression::fast())
    } else {
        let plain = plain.clone();
        let compressed = web::block(move || gzip(&plain, Compression::fast())).await;
        compressed.unwrap_or_default()
    };
    let Some(compressed) = compressed else {
        return response.set_body(plain).map_into_boxed_body();
    };

    let headers = response.headers_mut();
    headers.insert(header::CONTENT_ENCODING, GZIP);
    headers.append(header::VARY, BY_ENCODING);
    weaken(headers);
    response.set_body(compressed).map_into_boxed_body()
}

/// A strong tag names the bytes that go out; these are others now, of the same meaning.
fn weaken(headers: &mut HeaderMap) {
    let tag = headers.get(header::ETAG).map(HeaderValue::as_bytes);
    let weak = tag
        .filter(|tag| tag.starts_with(b"\""))
        .and_then(|tag| HeaderValue::from_bytes(&[b"W/", tag].concat()).ok());
    if let Some(weak) = weak {
        headers.insert(header::ETAG, weak);
    }
}

fn is_worth_it(response: &HttpResponse) -> bool {
    let is_json = |kind: &HeaderValue| kind.as_bytes().starts_with(b"application/json");
    let size = match response.body().size() {
        BodySize::Sized(size) => usize::try_from(size).unwrap_or(usize::MAX),
        BodySize::None | BodySize::Stream => 0,
    };
    size >= WORTH_IT
        && response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(is_json)
        && !response.headers().contains_key(header::CONTENT_ENCODING)
}

/// Whether the caller takes gzip: by its name or by `*`, and not with the weight 0.
fn is_asked(request: &HttpRequest) -> bool {
    let takes = |coding: &str| {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let refused = parts
            .filter_map(|part| part.strip_prefix("q="))
            .any(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0));
        (name.eq_ignore_ascii_case("gzip") || name == "*") && !refused
    };
    request
        .headers()
        .get_all(header::ACCEPT_ENCODING)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(takes)
}

/// Absent when it cannot be compressed, which memory alone can bring about.
fn gzip(plain: &[u8], level: Compression) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// A file that stays what it is while the node runs: compressed once, with a validator.
#[derive(Clone)]
pub struct Fixed {
    kind: String,
    plain: Bytes,
    compressed: Option<Bytes>,
    validator: EntityTag,
}

impl Fixed {
    /// A file of this media type.
    pub fn new(kind: String, plain: impl Into<Bytes>) -> Self {
        let plain = plain.into();
        let smaller = |compressed: &Bytes| compressed.len() < plain.len();
        Fixed {
            kind,
            compressed: gzip(&plain, Compression::default()).filter(smaller),
            // Weak: the same for both forms.
            validator: EntityTag::new_weak(conditional::digest(&plain)),
            plain,
        }
    }

    /// The file in the form that the caller takes, or that its copy is still the right one.
    pub fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let status = if conditional::has(request, &self.validator) {
            StatusCode::NOT_MODIFIED
        } else {
            StatusCode::OK
        };
        let mut response = HttpResponse::build(status);
        response
            .insert_header(ETag(self.validator.clone()))
            .insert_header((header::CACHE_CONTROL, ASK_AGAIN))
            .insert_header((header::VARY, BY_ENCODING));
        if status == StatusCode::NOT_MODIFIED {
            return response.finish();
        }

        response.content_type(self.kind.as_str());
        match &self.compressed {
            Some(compressed) if is_asked(request) => response
                .insert_header((header::CONTENT_ENCODING, GZIP))
                .body(compressed.clone()),
            _ => response.body(self.plain.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use actix_web::test::TestRequest;
    use flate2::read::GzDecoder;

    use super::*;

    fn asking(encodings: &str) -> HttpRequest {
        TestRequest::default()
            .insert_header((header::ACCEPT_ENCODING, encodings))
            .to_http_request()
    }

    async fn body(response: HttpResponse) -> (bool, Vec<u8>) {
        let compressed = response.headers().contains_key(header::CONTENT_ENCODING);
        let bytes = response.into_body().try_into_bytes().unwrap();
        if !compressed {
            return (false, bytes.to_vec());
        }
        let mut plain = Vec::new();
        GzDecoder::new(bytes.as_ref())
            .read_to_end(&mut plain)
            .unwrap();
        (true, plain)
    }

    #[actix_web::test]
    async fn only_what_is_large_is_compressed_and_only_for_those_who_ask() {
        let json = |size: usize| HttpResponse::Ok().json("a".repeat(size));
        for (size, encodings, compressed) in [
            (WORTH_IT, "gzip", true),
            (ON_ANOTHER_THREAD, "br;q=1.0, gzip;q=0.8", true),
            (WORTH_IT, "*", true),
            (10, "gzip", false),
            (WORTH_IT, "br", false),
            (WORTH_IT, "gzip;q=0", false),
        ] {
            let response = large(&asking(encodings), json(size)).await;
            let expected = format!("\"{}\"", "a".repeat(size)).into_bytes();
            assert_eq!(body(response).await, (compressed, expected), "{encodings}");
        }
    }

    #[actix_web::test]
    async fn what_was_compressed_has_another_tag_than_what_was_not() {
        let answer = || {
            HttpResponse::Ok()
                .insert_header((header::ETAG, "\"1\""))
                .json("a".repeat(WORTH_IT))
        };
        for (encodings, tag) in [("gzip", "W/\"1\""), ("br", "\"1\"")] {
            let response = large(&asking(encodings), answer()).await;
            assert_eq!(response.headers().get(header::ETAG).unwrap(), tag);
        }
    }

    #[actix_web::test]
    async fn a_copy_that_is_still_right_is_not_sent_again() {
        let file = Fixed::new("text/css".to_owned(), "a {}".repeat(100));
        let first = file.answer(&asking("gzip"));
        let validator = first.headers().get(header::ETAG).unwrap().clone();
        assert_eq!(body(first).await, (true, "a {}".repeat(100).into_bytes()));
        assert!(!body(file.answer(&asking("br"))).await.0);

        let again = TestRequest::default()
            .insert_header((header::IF_NONE_MATCH, validator))
            .to_http_request();
        assert_eq!(file.answer(&again).status(), StatusCode::NOT_MODIFIED);

        let other = Fixed::new("text/css".to_owned(), "b {}".repeat(100));
        assert_eq!(other.answer(&again).status(), StatusCode::OK);
    }
}
