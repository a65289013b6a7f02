//! The kinds of problems: each with its status, its name and its title.

use actix_web::http::StatusCode;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! kinds {
    ($($kind:ident = $status:ident, $name:literal, $title:literal;)+) => {
        /// A kind of problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $(#[doc = $title] $kind,)+
        }

        impl Kind {
            /// Every kind there is.
            pub const ALL: &[Kind] = &[$(Kind::$kind),+];

            /// The status of its answers.
            pub const fn status(self) -> StatusCode {
                match self {
                    $(Kind::$kind => StatusCode::$status,)+
                }
            }

            /// What metrics call it; its type is a URN that ends in this.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name,)+
                }
            }

            /// What it is, in a few words.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Kind::$kind => $title,)+
                }
            }
        }
    };
}

kinds! {
    Malformed = BAD_REQUEST, "malformed", "The request cannot be read";
    Invalid = BAD_REQUEST, "invalid", "The request is not valid";
    HostNotAllowed = FORBIDDEN, "host-not-allowed", "The host is not allowed";
    OriginNotAllowed = FORBIDDEN, "origin-not-allowed", "The origin is not allowed";
    NotFound = NOT_FOUND, "not-found", "Not found";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed";
    Conflict = CONFLICT, "conflict", "The state does not allow it";
    PreconditionFailed = PRECONDITION_FAILED, "precondition-failed", "A condition does not hold";
    KeyReused = UNPROCESSABLE_ENTITY, "key-reused", "The Idempotency-Key was used before";
    TooLarge = PAYLOAD_TOO_LARGE, "too-large", "The body is too large";
    HeadTooLarge = REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large", "The head is too large";
    TooSlow = REQUEST_TIMEOUT, "too-slow", "The request takes too long";
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Not JSON";
    UnsupportedEncoding = UNSUPPORTED_MEDIA_TYPE, "unsupported-encoding", "Unknown content encoding";
    Overloaded = SERVICE_UNAVAILABLE, "overloaded", "Overloaded";
    TooManyWait = SERVICE_UNAVAILABLE, "too-many-wait", "Too many callers wait";
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "Not available";
    Internal = INTERNAL_SERVER_ERROR, "internal", "Internal error";
    QueryTimedOut = SERVICE_UNAVAILABLE, "query-timed-out", "The query takes too long";
    ForeignToken = BAD_REQUEST, "foreign-token", "A token of another deployment";
    ViewBehind = SERVICE_UNAVAILABLE, "view-behind", "The view is behind";
}

impl Kind {
    /// Its type, as problems name it.
    pub fn urn(self) -> String {
        format!("urn:counterfoil:problem:{}", self.name())
    }
}

/// The types of problems, for the OpenAPI document.
pub struct ProblemType;

impl PartialSchema for ProblemType {
    fn schema() -> RefOr<Schema> {
        let all = Kind::ALL.iter().map(|kind| kind.urn());
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(all))
            .into()
    }
}

impl ToSchema for ProblemType {}
