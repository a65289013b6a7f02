//! What all queries share: the methods they are asked with, the consistency tokens the caller sends, how long to wait, and the bound on reads in flight.

use actix_web::{HttpRequest, Route, guard, web};

use super::headers::CONSISTENCY_TOKEN;
use super::prefer::Prefer;
use super::{Api, Problem};
use crate::ports::{Freshness, ReadFuture};
use crate::shutdown;

/// A route that answers `GET`, and `HEAD` alike: the server leaves the body of the answer away by itself.
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
        let text = value.to_str().map_err(|_| Problem::invalid_field("Consistency-Token", "must be ASCII"))?;
        tokens.extend(text.split(',').map(str::trim).filter(|token| !token.is_empty()).map(str::to_owned));
    }
    // Without a token there is nothing to wait for, and no preference is honoured.
    let applied = if tokens.is_empty() { Prefer::default() } else { prefer };
    let wait = prefer.wait.unwrap_or(api.waits.of_reads);
    Ok((Freshness { tokens, wait, lenient: prefer.lenient }, applied))
}

/// Runs a read. One that may wait for its view ends when the node does.
///
/// # Errors
/// What the read answers, or that the node is overloaded or ending.
pub async fn run<T>(api: &Api, may_wait: bool, read: ReadFuture<'_, T>) -> Result<T, Problem> {
    let _permit = api.reads.enter()?;
    if !may_wait {
        return Ok(read.await?);
    }
    tokio::select! {
        biased;
        answer = read => Ok(answer?),
        () = shutdown::requested(api.shutdown.clone()) => Err(Problem::unavailable("the node is ending")),
    }
}
