//! The names of the headers that are ours.

use actix_web::http::header::HeaderName;

pub const CONSISTENCY: HeaderName = HeaderName::from_static("consistency");
pub const CONSISTENCY_TOKEN: HeaderName = HeaderName::from_static("consistency-token");
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
