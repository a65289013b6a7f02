//! Problem responses (RFC 9457): the one form in which every error leaves.
//!
//! A `5xx` says what the caller can do, and nothing of the inside: the log has the causes.

mod causes;
mod kind;

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use self::kind::ProblemType;
use super::Api;
use crate::ports::Behind;

pub use self::kind::Kind;

/// After how many seconds a caller may try again when the node is overloaded or a store is down.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// One thing that is wrong with a field of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The path of the field, for example `lines[2].quantity`, or the name of a parameter or
    /// header.
    pub field: Cow<'static, str>,
    /// What is wrong with it, as the rest of a sentence that the field begins.
    pub message: String,
}

impl FieldError {
    /// Says what is wrong with a field.
    pub fn new(field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        FieldError {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// The body of an error.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Body {
    /// Names the kind of problem, for example `urn:counterfoil:problem:view-behind`.
    #[serde(rename = "type")]
    #[schema(value_type = ProblemType)]
    kind: String,
    title: &'static str,
    status: u16,
    detail: Cow<'static, str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// With `view-behind`: what the view had to reach and what it has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    behind: Vec<Behind>,
}

/// An error as the caller sees it. Boxed, because every result on the way of a request has room for
/// one.
#[derive(Clone, Debug)]
pub struct Problem(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    kind: Kind,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    behind: Vec<Behind>,
    /// The methods a `405` names.
    allow: Option<&'static str>,
    /// The rest of this request still comes in on the connection, so the server closes it.
    closes: bool,
}

impl Problem {
    fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Problem(Box::new(Parts {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            behind: Vec::new(),
            allow: None,
            closes: false,
        }))
    }
}

/// Answers a path that no route has.
pub async fn unknown_path(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let problem = Problem::not_found(&format!("path as {}", request.path()));
    api.meters.unrouted.refuse(&request, &problem)
}

/// Answers whatever is asked of a node that takes no requests.
pub async fn takes_no_requests(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    api.meters.unrouted.refuse(&request, &Problem::not_taken())
}

/// Answers a method that a resource does not have.
pub fn refuse_other_methods(allow: &'static str) -> actix_web::Route {
    actix_web::web::to(move |request: HttpRequest, api: Data<Api>| async move {
        let problem = Problem::method_not_allowed(allow);
        api.meters.unrouted.refuse(&request, &problem)
    })
}

impl Problem {
    /// Its type, without what all types begin with.
    pub fn kind(&self) -> &'static str {
        self.0.kind.name()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind.status(), self.0.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.kind.status()
    }

    fn error_response(&self) -> HttpResponse {
        let parts = &self.0;
        let status = parts.kind.status();
        let body = Body {
            kind: parts.kind.urn(),
            title: parts.kind.title(),
            status: status.as_u16(),
            detail: parts.detail.clone(),
            errors: parts.errors.clone(),
            behind: parts.behind.clone(),
        };

        let mut response = HttpResponse::build(status);
        response.insert_header((
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        ));

        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER));
        }

        if parts.closes {
            response.force_close();
        }

        if let Some(allow) = parts.allow {
            response.insert_header((header::ALLOW, HeaderValue::from_static(allow)));
        }
        // The body holds texts and numbers only, which always have a JSON form.
        response.body(serde_json::to_vec(&body).unwrap_or_default())
    }
}
