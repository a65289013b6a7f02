//! The span of a request, for whoever follows it through several services (W3C Trace Context).
//!
//! It continues the trace that the caller's `traceparent` names, or begins one, and the answer's
//! `traceparent` names it. A request that is given up half-way ends its span without a status.

use actix_web::http::header::{HeaderMap, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Span, SpanKind, Status, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, Span as SdkSpan};

use super::headers::{REQUEST_ID, TRACEPARENT};
use super::meter::UNROUTED;
use crate::telemetry::below::{self, Concerns};

/// A request that is worked on, in a trace.
pub struct RequestSpan(SdkSpan);

impl RequestSpan {
    /// Begins the span of a request to a route, such as `GET /orders/{id}`.
    pub fn begin(tracer: &SdkTracer, route: &'static str, request: &HttpRequest) -> Self {
        let caller = TraceContextPropagator::new()
            .extract_with_context(&Context::new(), &Received(request.headers()));

        let method = request.method().to_string();
        let mut attributes = vec![
            KeyValue::new("http.request.method", method.clone()),
            KeyValue::new("url.path", request.path().to_owned()),
            KeyValue::new("url.scheme", "http"),
        ];
        if let Some((_, path)) = route.split_once(' ') {
            attributes.push(KeyValue::new("http.route", path));
        }

        // What no route takes may have any path, which must not become a name.
        let builder = if route == UNROUTED {
            tracer.span_builder(method)
        } else {
            tracer.span_builder(route)
        };
        let builder = builder
            .with_kind(SpanKind::Server)
            .with_attributes(attributes);
        RequestSpan(builder.start_with_context(tracer, &caller))
    }

    /// Tells the caller which span its request is.
    pub fn tell(&self, response: &mut HttpResponse) {
        let span = self.0.span_context();
        let traceparent = format!(
            "00-{}-{}-{:02x}",
            span.trace_id(),
            span.span_id(),
            span.trace_flags().to_u8()
        );
        if let Ok(value) = HeaderValue::try_from(traceparent) {
            response.headers_mut().insert(TRACEPARENT, value);
        }
    }

    /// Ends the span with the answer, which has its request id by now if it gets one.
    pub fn end(mut self, response: &HttpResponse) {
        let concerns = response.extensions().get::<Concerns>().copied();
        if let Some(concerns) = concerns {
            below::claim(concerns, self.0.span_context());
        }

        let status = response.status();
        self.0.set_attribute(KeyValue::new(
            "http.response.status_code",
            i64::from(status.as_u16()),
        ));
        if let Some(id) = response.headers().get(REQUEST_ID) {
            let id = id.to_str().unwrap_or_default().to_owned();
            self.0.set_attribute(KeyValue::new("http.request_id", id));
        }
        // A refusal is the caller's error, not this span's.
        if status.is_server_error() {
            self.0
                .set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
            self.0.set_status(Status::error(""));
        }
        self.0.end();
    }
}

/// Whether the parts of a `traceparent` are as long as they must be, and nothing but digits.
fn is_whole(traceparent: &str) -> bool {
    let mut parts = traceparent.split('-');
    [2, 32, 16, 2].into_iter().all(|length| {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
        parts
            .next()
            .is_some_and(|part| part.len() == length && digits(part))
    })
}

/// The headers of a request, as the propagator asks for them.
struct Received<'a>(&'a HeaderMap);

impl Extractor for Received<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.get(key)?.to_str().ok()?;
        // The propagator takes numbers of any length, with a sign.
        (TRACEPARENT != key || is_whole(value)).then_some(value)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_has_all_its_digits_and_may_have_more_parts_one_day() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        for whole in [
            format!("00-{trace}-{span}-01"),
            format!("cc-{trace}-{span}-01-what-the-future"),
        ] {
            assert!(is_whole(&whole), "{whole}");
        }
        for cut in [
            "",
            "00-1-2-3",
            &format!("00-{trace}-{span}"),
            &format!("00-{trace}-{span}-1"),
            &format!("00-{trace}-+{}-01", &span[1..]),
            &format!("00-{trace}-{}-01", &span[1..]),
        ] {
            assert!(!is_whole(cut), "{cut}");
        }
    }
}
