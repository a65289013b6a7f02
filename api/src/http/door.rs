//! The layer around all routes: what holds of every request and every answer.
//!
//! A request must come from an allowed place (`places`), or no route sees it. An answer tells
//! browsers what they must not do with it.

mod places;
#[cfg(test)]
mod tests;

use std::future::{Future, ready};
use std::rc::Rc;

use actix_http::ConnectionType;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Data;
use actix_web::{Error, HttpRequest, HttpResponse};
use futures_util::future::Either;

pub use self::places::Places;
use super::server::Under;
use super::{Api, Problem};

/// What a page from here may do: run the scripts and show the styles that come from here, and ask
/// the node. Swagger UI sets styles of its own, and has its pictures in them.
const PAGES: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; font-src 'self' data:; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'",
);
/// An answer is no page.
const ANSWERS: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// What pages from allowed origins may send and read, besides what any page may.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE");
const SENT: HeaderValue = HeaderValue::from_static(
    "content-type, consistency-token, idempotency-key, if-match, if-none-match, prefer, \
     traceparent, tracestate, x-request-id",
);
const READ: HeaderValue = HeaderValue::from_static(
    "consistency, consistency-token, etag, location, preference-applied, retry-after, traceparent, \
     x-request-id",
);
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("600");

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Lets a request through to its route, and its answer out.
pub fn pass<S>(
    request: ServiceRequest,
    routes: &S,
) -> impl Future<Output = Result<ServiceResponse, Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let under = request.conn_data::<Rc<Under>>().cloned();
    if let Some(under) = &under {
        under.works();
    }

    let visitor = Visitor::of(&request);
    let answered = match visitor.answer_at_once(&request) {
        Some(answer) => Either::Left(ready(Ok(request.into_response(answer)))),
        None => Either::Right(routes.call(request)),
    };

    async move {
        let mut answered = answered.await;
        if let Ok(answer) = &mut answered {
            let page = is_page(answer.request().path());
            let headers = answer.headers_mut();
            tell_browsers(headers, page);
            visitor.tell(headers);
        }
        if let Some(under) = under {
            let ends = answered.as_ref().is_ok_and(|answer| ends(answer.request()));
            leave(&under, ends, answered.as_mut().ok());
        }
        answered
    }
}

/// Where a request comes from.
struct Visitor {
    refused: Option<Problem>,
    /// Whether answers depend on the page that asks.
    origins_matter: bool,
    /// The page from elsewhere that asks, when it may.
    origin: Option<HeaderValue>,
}

impl Visitor {
    fn of(request: &ServiceRequest) -> Self {
        let Some(api) = request.app_data::<Data<Api>>() else {
            return Visitor {
                refused: None,
                origins_matter: false,
                origin: None,
            };
        };

        let places = &api.places;
        let origin = request.headers().get(header::ORIGIN);
        Visitor {
            refused: places.check(request).err(),
            origins_matter: places.knows_origins(),
            origin: origin
                .filter(|origin| places.allows_origin(origin))
                .cloned(),
        }
    }

    /// The answer to a request that no route sees: one that is refused, and the question of a
    /// browser whether a page from elsewhere may send one. Refusals are counted like those of paths
    /// that no route has.
    fn answer_at_once(&self, request: &ServiceRequest) -> Option<HttpResponse> {
        let api = request.app_data::<Data<Api>>()?;
        let refuse = |problem| api.meters.unrouted.refuse(request.request(), problem);
        if let Some(refused) = &self.refused {
            return Some(refuse(refused));
        }

        let asks = request.method() == Method::OPTIONS
            && request
                .headers()
                .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !asks {
            return None;
        }
        if self.origin.is_none() {
            return Some(refuse(&Problem::origin_not_allowed()));
        }

        let mut answer = HttpResponse::NoContent();
        answer
            .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
            .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, SENT))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS));
        Some(answer.finish())
    }

    /// Lets the page from elsewhere read the answer.
    fn tell(self, headers: &mut HeaderMap) {
        if self.origins_matter {
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = self.origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, READ);
        }
    }
}

fn is_page(path: &str) -> bool {
    path == "/" || path == "/docs" || path.starts_with("/docs/")
}

/// What browsers must not do with an answer: guess what it is, keep it, show it inside another
/// page.
fn tell_browsers(headers: &mut HeaderMap, page: bool) {
    let (policy, cache) = if page {
        (PAGES, None)
    } else {
        (ANSWERS, Some(HeaderValue::from_static("no-store")))
    };

    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));

    if let Some(cache) = cache
        && !headers.contains_key(header::CACHE_CONTROL)
    {
        headers.insert(header::CACHE_CONTROL, cache);
    }
}

/// Whether the node is on its way to its end. Then each answer is the last of its connection, so
/// that its client goes elsewhere, and no request comes when nobody takes it any more.
fn ends(request: &HttpRequest) -> bool {
    let api = request.app_data::<Data<Api>>();
    api.is_some_and(|api| api.is_leaving())
}

/// Tells the connection that its request is answered, and whether another may follow.
fn leave(under: &Under, ends: bool, answer: Option<&mut ServiceResponse>) {
    let head = answer.map(|answer| answer.response_mut().head_mut());
    let last = head.is_some_and(|head| {
        if ends || under.crowded() {
            head.set_connection_type(ConnectionType::Close);
        }
        !head.keep_alive()
    });
    under.answered(last);
}
