//! An entity's past: its events page by page, and the point in time a caller asks for.

use actix_web::{HttpRequest, HttpResponse};
use actors::Seen;
use domain::Service;
use serde::Serialize;
use uuid::Uuid;

use super::documents::Events;
use super::headers::CONSISTENCY_TOKEN;
use super::params::{Params, path_id};
use super::{Api, Problem, reads};
use crate::ports::{AsOf, ReadError};

/// The most events of one answer, and the default.
const MAX_EVENTS: usize = 1_000;

/// The point in the past that the query string asks for.
///
/// # Errors
/// Unknown or wrong parameters, or both points at once; not found before the first version.
pub fn as_of(request: &HttpRequest, what: &'static str) -> Result<Option<AsOf>, Problem> {
    let mut params = Params::of(request, &["asOfVersion", "asOf"])?;
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
pub fn answer(api: &Api, service: Service, entity: Uuid, version: u64, body: &impl Serialize) -> HttpResponse {
    let token = api.ports.queries.token_of(&[Seen { service, entity, version }]);
    HttpResponse::Ok().insert_header((CONSISTENCY_TOKEN, token)).json(body)
}

/// The events of the entity in the path, oldest first. The cursor is the version that comes next.
///
/// # Errors
/// Wrong parameters; an entity without events.
pub async fn events(request: &HttpRequest, api: &Api, service: Service) -> Result<HttpResponse, Problem> {
    let id = path_id(request)?;
    let mut params = Params::of(request, &["limit", "cursor"])?;
    let limit = params.limit(MAX_EVENTS).unwrap_or(MAX_EVENTS);
    let cursor = params.cursor();
    params.finish()?;
    let from_version = match cursor.as_deref().map(str::parse::<u64>) {
        None => 1,
        Some(Ok(version)) if version > 1 => version,
        Some(_) => return Err(ReadError::InvalidCursor.into()),
    };
    // One more than is shown tells whether there are more.
    let read = api.ports.history.events(service, id, from_version, limit + 1);
    let mut events = reads::run(api, false, read).await?;
    let next = events.get(limit).map(|event| event.version.to_string());
    events.truncate(limit);
    let seen = events.last().map_or(from_version - 1, |event| event.version);
    let body = Events { events: events.into_iter().map(Into::into).collect(), next };
    Ok(answer(api, service, id, seen, &body))
}
