//! How one call is sent, and repeated when it fails and a repeat is safe.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use serde_json::Value;
use tokio::time::Instant;

use super::access::unsafe_because;
use super::retry::{self, Backoff};
use super::{CONSISTENCY_TOKEN, Node, NodeAnswer};
use crate::error::{ClientError, Problem};

/// One call, ready to be sent as often as needed.
pub(super) struct Call {
    /// GET, POST and so on.
    pub method: Method,
    /// The whole address, with its query.
    pub url: Url,
    /// Besides the credentials, which every call carries.
    pub headers: HeaderMap,
    /// JSON.
    pub body: Option<Bytes>,
    /// A repeat can do no harm.
    pub repeatable: bool,
}

/// Why one sending of a call failed.
enum Failure {
    /// Nothing usable came back.
    Transport(reqwest::Error),
    /// No encrypted connection came about.
    Unsafe {
        reason: String,
    },
    /// The node answered with a 4xx or 5xx.
    Refused {
        problem: Problem,
        retry_after: Option<Duration>,
    },
    Unreadable(ClientError),
}

impl Failure {
    fn is_transient(&self) -> bool {
        match self {
            Self::Transport(error) => !error.is_builder() && !error.is_redirect(),
            Self::Refused { problem, .. } => problem.status >= 500,
            Self::Unsafe { .. } | Self::Unreadable(_) => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Node {
    /// Sends a call, again and again where that is safe, until it is answered or the patience is
    /// over.
    pub(super) async fn send(&self, call: Call) -> Result<NodeAnswer, ClientError> {
        let started = Instant::now();
        // The patience runs from the first failure: a granted wait of 30 s that ends with a dead
        // node has used up none of it.
        let mut failing_since: Option<Instant> = None;

        let mut backoff = Backoff::new(self.patience);

        loop {
            let failure = match self.send_once(&call).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if failure.is_transient() {
                self.pushed_back.fetch_add(1, Ordering::Relaxed);
            }
            let failing_for = failing_since.get_or_insert_with(Instant::now).elapsed();
            let pause = (call.repeatable && failure.is_transient())
                .then(|| backoff.pause(failing_for, failure.retry_after()))
                .flatten();
            let Some(pause) = pause else {
                return Err(self.give_up(failure, backoff.tries(), started.elapsed()));
            };
            tracing::debug!(url = %call.url, pause = ?pause, "call failed, it is repeated");
            tokio::time::sleep(pause).await;
        }
    }

    async fn send_once(&self, call: &Call) -> Result<NodeAnswer, Failure> {
        let mut request = self
            .http
            .request(call.method.clone(), call.url.clone())
            .headers(call.headers.clone());

        if let Some(body) = &call.body {
            request = request.body(body.clone());
        }

        let response = request.send().await.map_err(not_sent)?;
        let status = response.status();

        let token = response
            .headers()
            .get(CONSISTENCY_TOKEN)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);

        let retry_after = retry::retry_after(response.headers());
        let body = response.bytes().await.map_err(Failure::Transport)?;

        if !status.is_success() {
            return Err(Failure::Refused {
                problem: Problem::read(status.as_u16(), &body),
                retry_after,
            });
        }

        let url = call.url.to_string();

        let body = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).map_err(|error| {
                Failure::Unreadable(ClientError::Answer {
                    url: url.clone(),
                    reason: error.to_string(),
                })
            })?
        };

        Ok(NodeAnswer {
            status,
            token,
            body,
            url,
        })
    }

    fn give_up(&self, failure: Failure, tries: u32, elapsed: Duration) -> ClientError {
        match failure {
            Failure::Transport(error) => ClientError::Unreachable {
                url: self.url(),
                tries: tries.max(1),
                seconds: elapsed.as_secs_f64(),
                reason: causes(&error.without_url()),
            },
            Failure::Unsafe { reason } => ClientError::Unsafe {
                url: self.url(),
                reason,
            },
            // A node has more to say: this is the proxy in front of it.
            Failure::Refused { problem, .. } if problem.status == 401 && problem.is_bare() => {
                ClientError::Credentials {
                    url: self.url(),
                    given: self.has_credentials,
                }
            }
            Failure::Refused { problem, .. } => ClientError::Refused(problem),
            Failure::Unreadable(error) => error,
        }
    }
}

fn not_sent(error: reqwest::Error) -> Failure {
    match unsafe_because(&error) {
        Some(reason) => Failure::Unsafe { reason },
        None => Failure::Transport(error),
    }
}

/// The innermost cause says what happened (`Connection refused`); the outer ones only where.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
