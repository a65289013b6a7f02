//! What all queries share: their methods, the caller's consistency tokens, how long to wait, and
//! the bounds on reads in flight, on those that wait, and on their time.

#[cfg(test)]
mod tests;

use std::task::Poll;
use std::time::Duration;

use actix_web::{HttpRequest, Route, guard, web};

use super::headers::CONSISTENCY_TOKEN;
use super::prefer::Prefer;
use super::{Api, Problem};
use crate::ports::{Freshness, QueryFuture, ReadError, ReadFuture, ViewAnswer};
use crate::shutdown;

/// Gives a read of a store up after this time.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// A route that answers `GET`, and `HEAD` alike: the server omits the body of the answer by itself.
pub fn route() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// How new the answer must be, and which preferences that honours.
///
/// # Errors
/// A `Consistency-Token` that cannot be read.
pub fn freshness(request: &HttpRequest, api: &Api) -> Result<(Freshness, Prefer), Problem> {
    let prefer = Prefer::of(request, api.waits);
    // The largest head of a request that the server takes bounds their number.
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
    // Without a token there is nothing to wait for, and no preference to honour.
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
/// What the read answers, that the store does not answer in time, or that the node is overloaded.
pub async fn run<T>(api: &Api, read: ReadFuture<'_, T>) -> Result<T, Problem> {
    let _permit = api.reads.enter()?;
    in_time(read).await
}

/// Runs a query: waits for its view, if it must, and reads then. Only the reading counts as work.
/// When the node ends, a waiting query stops waiting and gets the answer as if its wait were over.
///
/// # Errors
/// What the query answers, that the view's store does not answer in time, that too many callers
/// wait, or that the node is overloaded.
pub async fn query<'a, T>(
    api: &'a Api,
    freshness: Freshness,
    read: impl Fn(Freshness) -> QueryFuture<'a, T>,
) -> Result<ViewAnswer<T>, Problem> {
    let reading = if freshness.tokens.is_empty() {
        in_time(read(freshness)).await?
    } else {
        when_seen(api, freshness, read).await?
    };

    let _permit = api.reads.enter()?;
    in_time(reading).await
}

/// Waits until the view shows what the caller has seen; most often it does already, and the caller
/// takes no place.
async fn when_seen<'a, T>(
    api: &'a Api,
    freshness: Freshness,
    read: impl Fn(Freshness) -> QueryFuture<'a, T>,
) -> Result<ReadFuture<'a, ViewAnswer<T>>, Problem> {
    let at_once = Freshness {
        wait: Duration::ZERO,
        ..freshness.clone()
    };
    let longest = freshness.wait.saturating_add(READ_WITHIN);

    let mut waiting = read(freshness);
    if let Poll::Ready(reading) = futures_util::poll!(&mut waiting) {
        return Ok(reading?);
    }

    let _place = api.waiting_reads.enter(&at_once.tokens)?;
    tokio::select! {
        biased;
        reading = tokio::time::timeout(longest, waiting) => match reading {
            Ok(reading) => Ok(reading?),
            Err(_) => Err(not_in_time()),
        },
        () = shutdown::requested(api.shutdown.clone()) => in_time(read(at_once)).await,
    }
}

/// Bounds a read in time, whatever its store does.
async fn in_time<T>(read: ReadFuture<'_, T>) -> Result<T, Problem> {
    match tokio::time::timeout(READ_WITHIN, read).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(not_in_time()),
    }
}

fn not_in_time() -> Problem {
    tracing::warn!(
        seconds = READ_WITHIN.as_secs(),
        "a store has not answered a read in time"
    );
    ReadError::StoreUnavailable.into()
}
