//! An entity's past: its events page by page, and the point in time a caller asks for.

#[cfg(test)]
mod tests;

use actix_web::{HttpRequest, HttpResponse};
use actors::Seen;
use domain::Service;
use serde::Serialize;
use uuid::Uuid;

use super::documents::Events;
use super::headers::CONSISTENCY_TOKEN;
use super::params::{Params, path_id};
use super::{Api, Problem, conditional, reads};
use crate::ports::{AsOf, ReadError};

/// One answer has at most this many events, which is also the default.
const MAX_EVENTS: usize = 1_000;

/// The point in the past that the query string asks for.
///
/// # Errors
/// Unknown or wrong parameters, or both points at once; not found before the first version.
pub fn as_of(request: &HttpRequest, what: &'static str) -> Result<Option<AsOf>, Problem> {
    let mut params = Params::of(request, &["asOfVersion", "asOf"]);
    let version = params.number("asOfVersion");
    let time = params.time("asOf");
    if version.is_some() && time.is_some() {
        params.add_error("asOf", "must not be given together with asOfVersion");
    }
    params.finish()?;
    match (version, time) {
        (Some(0), _) => Err(Problem::not_found(what)),
        (Some(version), _) => Ok(Some(AsOf::Version(version))),
        (None, time) => Ok(time.map(AsOf::Time)),
    }
}

/// The answer with an entity as it was at a version.
///
/// # Errors
/// A condition of the caller that does not hold.
pub fn answer(
    (request, api): (&HttpRequest, &Api),
    service: Service,
    entity: Uuid,
    version: u64,
    body: &impl Serialize,
) -> Result<HttpResponse, Problem> {
    let token = api.ports.queries.token_of(&[Seen {
        service,
        entity,
        version,
    }]);

    let mut response = HttpResponse::Ok();
    response.insert_header((CONSISTENCY_TOKEN, token));
    conditional::answer(request, response, body)
}

/// The events of the entity in the path, oldest first. The cursor is the version that comes next,
/// which the service only gives out for a version whose predecessor exists.
///
/// # Errors
/// Wrong parameters; a cursor that the service has not given out; an entity without events.
pub async fn events(
    request: &HttpRequest,
    api: &Api,
    service: Service,
) -> Result<HttpResponse, Problem> {
    let id = path_id(request)?;
    let mut params = Params::of(request, &["limit", "cursor"]);
    let limit = params.limit(MAX_EVENTS).unwrap_or(MAX_EVENTS);
    let cursor = params.cursor();
    params.finish()?;

    let before = cursor
        .map(|cursor| version_before(&cursor).ok_or(ReadError::InvalidCursor))
        .transpose()?;
    // The event before the page shows that the cursor is one of ours; one more than is shown,
    // whether there are more.
    let wanted = limit + 1 + usize::from(before.is_some());

    let read = api
        .ports
        .history
        .events(service, id, before.unwrap_or(1), wanted);

    let mut events = reads::run(api, read).await?;
    if let Some(before) = before {
        if events.first().is_none_or(|event| event.version != before) {
            return Err(ReadError::InvalidCursor.into());
        }
        events.remove(0);
    }

    let next = events.get(limit).map(|event| event.version.to_string());

    events.truncate(limit);
    // A version that exists: readers with a token of another version would wait for ever.
    let seen = events
        .last()
        .map(|event| event.version)
        .or(before)
        .unwrap_or(0);

    let body = Events {
        events: events.into_iter().map(Into::into).collect(),
        next,
    };

    answer((request, api), service, id, seen, &body)
}

/// The version before the one that a cursor names; `None` when it is not written as the service
/// writes it.
fn version_before(cursor: &str) -> Option<u64> {
    let version: u64 = cursor
        .parse()
        .ok()
        .filter(|version: &u64| version.to_string() == cursor)?;
    version.checked_sub(1).filter(|before| *before > 0)
}
