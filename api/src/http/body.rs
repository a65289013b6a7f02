//! Takes in the bodies of commands, within bounds of size, time and number.

use std::rc::Rc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;

use super::Problem;
use super::commands::Takes;
use super::encoding::Encoding;
use super::fields::Fields;
use super::limits::{InFlight, Permit};
use super::server::Under;
use crate::shutdown::{self, Shutdown};

/// Bodies are at most this large, where a command does not say otherwise.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// This many bodies beyond that size may be in memory at a time.
const LARGE_AT_A_TIME: usize = 64;

/// The bounds on bodies, besides that of their size.
pub struct Limits {
    /// A body must have arrived within this time.
    within: Duration,
    /// The large ones on their way or in use.
    large: InFlight,
}

impl Limits {
    /// A body must arrive within this time.
    pub fn new(within: Duration) -> Self {
        Limits {
            within,
            large: InFlight::new(LARGE_AT_A_TIME),
        }
    }
}

/// A body, and the right to hold it where it is a large one.
#[derive(Debug)]
pub struct Body {
    bytes: Bytes,
    large: Option<Permit>,
}

impl Body {
    /// The fields of the JSON object that the body is. One that may be left out says the same when
    /// it is `{}` or `null`.
    ///
    /// # Errors
    /// A body that is no JSON object.
    pub fn fields(&self, takes: Takes, request: &HttpRequest) -> Result<Fields<'_>, Problem> {
        if matches!(takes, Takes::Object(_)) {
            return Fields::parse(&self.bytes);
        }

        if self.bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Fields::default());
        }
        expect_json(request)?;
        if self.bytes.trim_ascii() == b"null" {
            return Ok(Fields::default());
        }
        Fields::parse(&self.bytes)
    }
}

/// Reads the body as far as it is allowed to go.
///
/// A slow body holds none of the places for work in flight: a caller takes one when the body is
/// there. The size of bodies and the number of connections bound the memory of bodies still on
/// their way; only few large ones may come at a time.
///
/// # Errors
/// A body that is not said to be JSON though it must be, is coded in an unknown way, is too large
/// or takes too long, or a connection that breaks. That the node ends.
pub async fn take(
    takes: Takes,
    request: &HttpRequest,
    payload: Payload,
    limits: &Limits,
    shutdown: &Shutdown,
) -> Result<Body, Problem> {
    // What a form of a web page sends is refused whatever is in it, even nothing.
    if request.headers().contains_key(header::CONTENT_TYPE) || matches!(takes, Takes::Object(_)) {
        expect_json(request)?;
    }
    let most = match takes {
        Takes::AtMostAnObject => MAX_BODY_BYTES,
        Takes::Object(most) => most,
    };

    let encoding = Encoding::of(request)?;

    let length = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());

    if length.is_some_and(|length: usize| length > most) {
        return Err(Problem::too_large(most));
    }

    let under = request.conn_data::<Rc<Under>>();
    if let Some(under) = under {
        under.receives();
    }
    let body = tokio::select! {
        biased;
        body = collect_within(limits.within, payload, most, &limits.large) => body,
        () = shutdown::requested(shutdown.clone()) => Err(Problem::ending()),
    };
    if let Some(under) = under {
        under.works();
    }
    body?.decoded(encoding, most, &limits.large)
}

async fn collect_within(
    limit: Duration,
    payload: Payload,
    most: usize,
    large: &InFlight,
) -> Result<Body, Problem> {
    match tokio::time::timeout(limit, collect(payload, most, large)).await {
        Ok(body) => body,
        Err(_) => Err(Problem::too_slow(limit)),
    }
}

/// Most bodies come in one piece, which needs no copy; it allocates nothing beyond what has come.
async fn collect(mut payload: Payload, most: usize, large: &InFlight) -> Result<Body, Problem> {
    let mut body = Body::empty();
    let mut gathered = BytesMut::new();

    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|_| Problem::malformed("the body ended too early"))?;
        let size = body.bytes.len() + gathered.len() + piece.len();

        if size > most {
            return Err(Problem::too_large(most));
        }
        if size > MAX_BODY_BYTES && body.large.is_none() {
            body.large = Some(large.enter()?);
        }

        if size == piece.len() {
            body.bytes = piece;
        } else {
            gathered.extend_from_slice(&std::mem::take(&mut body.bytes));
            gathered.extend_from_slice(&piece);
        }
    }

    if !gathered.is_empty() {
        body.bytes = gathered.freeze();
    }
    Ok(body)
}

impl Body {
    /// The body as its sender meant it, which may be a large one now.
    fn decoded(
        mut self,
        encoding: Encoding,
        most: usize,
        large: &InFlight,
    ) -> Result<Self, Problem> {
        self.bytes = encoding.decode(self.bytes, most)?;
        if self.bytes.len() > MAX_BODY_BYTES && self.large.is_none() {
            self.large = Some(large.enter()?);
        }
        Ok(self)
    }

    const fn empty() -> Self {
        Body {
            bytes: Bytes::new(),
            large: None,
        }
    }
}

/// Checks that the body is said to be JSON.
fn expect_json(request: &HttpRequest) -> Result<(), Problem> {
    let value = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = value.map(|value| value.split(';').next().unwrap_or_default().trim());
    if media_type.is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/json")) {
        Ok(())
    } else {
        Err(Problem::unsupported_media_type())
    }
}

#[cfg(test)]
mod tests;
