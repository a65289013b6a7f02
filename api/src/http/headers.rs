//! The names of the headers that are ours.

use actix_web::http::header::HeaderName;

/// In answers: `stale` when a view that is behind has answered all the same.
pub const CONSISTENCY: HeaderName = HeaderName::from_static("consistency");
/// Stands for what an answer has shown or done. A query that sends it back waits until its view
/// shows at least that, unless it prefers `handling=lenient`.
pub const CONSISTENCY_TOKEN: HeaderName = HeaderName::from_static("consistency-token");
/// In commands: a repeat with the same key, method and path has no further effect; with another
/// content it is refused.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// In answers: what of `Prefer` was honoured.
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// In requests the span of the caller, in answers that of the request (W3C Trace Context).
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// In requests and answers: the id of the request in logs. An answer repeats the caller's; without
/// one the node makes one only where the access log is on.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
