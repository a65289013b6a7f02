//! Puts answers together: status, body and the headers of the contract.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use sagas::SagaId;
use serde::Serialize;
use uuid::Uuid;

use super::Problem;
use super::conditional;
use super::headers::{CONSISTENCY, CONSISTENCY_TOKEN, PREFERENCE_APPLIED};
use super::prefer::Prefer;
use crate::ports::ViewAnswer;
use crate::telemetry::below::{self, Concerns};

const STALE: HeaderValue = HeaderValue::from_static("stale");

/// The headers that every answer to a command carries.
pub struct CommandHeaders {
    /// The entity's version after the command; it becomes the `ETag`.
    pub version: u64,
    /// A consistency token that covers that version.
    pub token: String,
    /// The preferences that were honoured.
    pub applied: Prefer,
    /// The path of what was created, if anything was.
    pub location: Option<String>,
    /// The saga that the command has begun or joined.
    pub saga: Option<SagaId>,
    /// The entity that it was for. Without a saga, what has happened is part of this.
    pub entity: Uuid,
}

impl CommandHeaders {
    /// The answer to a command.
    pub fn answer(self, status: StatusCode, body: &impl Serialize) -> HttpResponse {
        self.put_on(HttpResponse::build(status).json(body))
    }

    /// Puts the headers on an answer. Leaves out a text that is no header value (ours always are).
    pub fn put_on(self, mut response: HttpResponse) -> HttpResponse {
        let headers = response.headers_mut();

        let texts = [
            (header::ETAG, Some(format!("\"{}\"", self.version))),
            (
                CONSISTENCY_TOKEN,
                Some(self.token).filter(|token| !token.is_empty()),
            ),
            (header::LOCATION, self.location),
            (PREFERENCE_APPLIED, self.applied.applied()),
        ];

        for (name, text) in texts {
            if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
                headers.insert(name, value);
            }
        }

        if below::is_followed() {
            let concerns = self.saga.map_or(self.entity, |saga| saga.0);
            response.extensions_mut().insert(Concerns(concerns));
        }
        response
    }
}

/// The answer to a query. `applied` are the preferences that were honoured.
///
/// # Errors
/// A condition of the caller that does not hold.
pub fn query<T, B: Serialize>(
    request: &HttpRequest,
    answer: ViewAnswer<T>,
    applied: Prefer,
    body: impl FnOnce(T) -> B,
) -> Result<HttpResponse, Problem> {
    let mut response = HttpResponse::Ok();
    response.insert_header((CONSISTENCY_TOKEN, answer.token));

    if answer.stale {
        response.insert_header((CONSISTENCY, STALE));
    }

    if let Some(applied) = applied.applied() {
        response.insert_header((PREFERENCE_APPLIED, applied));
    }

    conditional::answer(request, response, &body(answer.data))
}
