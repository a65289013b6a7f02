//! What all queries share: the methods they are asked with, the consistency tokens the caller
//! sends, how long to wait, and the bound on reads in flight.

use std::time::Duration;

use actix_web::{HttpRequest, Route, guard, web};

use super::headers::CONSISTENCY_TOKEN;
use super::prefer::Prefer;
use super::{Api, Problem};
use crate::ports::{Freshness, ReadFuture};
use crate::shutdown;

/// A route that answers `GET`, and `HEAD` alike: the server leaves the body of the answer away by
/// itself.
pub fn route() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// How new the answer must be, and which preferences that honours.
///
/// # Errors
/// A `Prefer` or a `Consistency-Token` that cannot be read.
pub fn freshness(request: &HttpRequest, api: &Api) -> Result<(Freshness, Prefer), Problem> {
    let prefer = Prefer::of(request, api.waits)?;
    // Their number is bounded by what the server takes as the head of a request.
    let mut tokens = Vec::new();

    for value in request.headers().get_all(CONSISTENCY_TOKEN) {
        let text = value
            .to_str()
            .map_err(|_| Problem::invalid_field("Consistency-Token", "must be ASCII"))?;
        tokens.extend(
            text.split(',')
                .map(str::trim)
                .filter(|token| !token.is_empty())
                .map(str::to_owned),
        );
    }
    // Without a token there is nothing to wait for, and no preference is honoured.
    let applied = if tokens.is_empty() {
        Prefer::default()
    } else {
        prefer
    };

    let wait = prefer.wait.unwrap_or(api.waits.of_reads);

    Ok((
        Freshness {
            tokens,
            wait,
            lenient: prefer.lenient,
        },
        applied,
    ))
}

/// Runs a read that does not wait for a view.
///
/// # Errors
/// What the read answers, or that the node is overloaded.
pub async fn run<T>(api: &Api, read: ReadFuture<'_, T>) -> Result<T, Problem> {
    let _permit = api.reads.enter()?;
    Ok(read.await?)
}

/// Runs a query. One that waits when the node ends waits no longer: it is asked again, and answered
/// as if its wait were over.
///
/// # Errors
/// What the query answers, or that the node is overloaded.
pub async fn query<'a, T>(
    api: &'a Api,
    freshness: Freshness,
    read: impl Fn(Freshness) -> ReadFuture<'a, T>,
) -> Result<T, Problem> {
    let _permit = api.reads.enter()?;

    if freshness.tokens.is_empty() {
        return Ok(read(freshness).await?);
    }

    let at_once = Freshness {
        wait: Duration::ZERO,
        ..freshness.clone()
    };

    tokio::select! {
        biased;
        answer = read(freshness) => Ok(answer?),
        () = shutdown::requested(api.shutdown.clone()) => Ok(read(at_once).await?),
    }
}
