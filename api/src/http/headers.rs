//! The names of the headers that are ours.

use actix_web::http::header::HeaderName;

/// In answers: `stale` when a view that is behind has answered all the same.
pub const CONSISTENCY: HeaderName = HeaderName::from_static("consistency");
/// What an answer tells of; a query that sends it back never shows less.
pub const CONSISTENCY_TOKEN: HeaderName = HeaderName::from_static("consistency-token");
/// In commands: two requests with the same key are the same attempt.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// In answers: what of `Prefer` was honoured.
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// In requests the span of the caller, in answers that of the request (W3C Trace Context).
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// In requests and answers: the name of the request in logs; the node gives one if its caller has
/// not.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
