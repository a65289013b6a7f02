//! A small typed client of one node: JSON in and out, keys, waits, tokens, problems as errors, and
//! repeats that are safe.
//!
//! A call is repeated only when a repeat cannot do harm: a `GET`, or a `POST` that carries an
//! `Idempotency-Key` (so every `POST` here must have one). `DELETE` is sent once. Repeats are
//! bounded by a patience, back off exponentially with jitter, and wait as long as `Retry-After`
//! asks. It knows paths and headers, not what the answers mean.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::args::NodeArgs;
use super::error::ClientError;
use access::{Token, masked};
use sending::{Call, causes};

mod access;
mod retry;
mod sending;

pub use access::builder;

/// How long commands a person waits for try to reach a node.
pub const INTERACTIVE_PATIENCE: Duration = Duration::from_secs(5);
/// Longer than the longest `Prefer: wait` a node grants, so that a granted wait never looks like a
/// dead connection.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(75);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PREFER: HeaderName = HeaderName::from_static("prefer");
const CONSISTENCY_TOKEN: HeaderName = HeaderName::from_static("consistency-token");

/// A node, by its address. Cheap to clone: clones share the connections.
#[derive(Debug, Clone)]
pub struct Node {
    http: reqwest::Client,
    /// Without credentials, which the client sends.
    base: Url,
    has_credentials: bool,
    patience: Duration,
    /// Calls that were refused with a 5xx, or not answered.
    pushed_back: Arc<AtomicU64>,
}

/// A successful answer.
#[derive(Debug)]
pub struct NodeAnswer {
    /// The HTTP status, a 2xx.
    pub status: StatusCode,
    /// What the caller has now seen; a later read that carries it shows at least this.
    pub token: Option<String>,
    /// The JSON body; `null` when there is none.
    pub body: Value,
    url: String,
}

impl NodeAnswer {
    /// The body as a type of the caller's.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        serde_json::from_value(self.body).map_err(|error| ClientError::Answer {
            url: self.url,
            reason: error.to_string(),
        })
    }
}

/// How fresh the answer of a query must be.
#[derive(Debug, Clone, Default)]
pub enum Freshness {
    /// What the view shows now.
    #[default]
    AsItIs,
    /// At least what the token names, waiting for it.
    AtLeast {
        /// The `Consistency-Token` of an answer, or several joined by commas.
        token: String,
        /// How long the node may wait for it.
        wait: Duration,
    },
}

impl Node {
    /// A client for the node at `url`. Nothing is sent yet.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        Self::with_token(url, None)
    }

    /// A client for the node that the arguments name, with their credentials. Nothing is sent yet.
    pub fn named(args: &NodeArgs) -> Result<Self, ClientError> {
        Self::with_token(&args.url, Token::of(args)?.as_ref())
    }

    fn with_token(url: &str, token: Option<&Token>) -> Result<Self, ClientError> {
        let refuse = |reason: String| ClientError::Url {
            url: masked(url),
            reason,
        };

        let mut base = Url::parse(url).map_err(|error| refuse(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(refuse(format!("{} is not spoken here", base.scheme())));
        }

        let authorization = access::authorization(&mut base, token)?;
        let has_credentials = authorization.is_some();
        let always = authorization.map(|value| (AUTHORIZATION, value));
        let http = builder(&base)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .tcp_nodelay(true)
            .default_headers(always.into_iter().collect())
            .build()
            .map_err(|error| ClientError::Unsafe {
                url: base.to_string(),
                reason: causes(&error),
            })?;

        Ok(Self {
            http,
            base,
            has_credentials,
            patience: INTERACTIVE_PATIENCE,
            pushed_back: Arc::default(),
        })
    }

    /// The same node, with another patience for repeats.
    #[must_use]
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self {
            patience,
            ..self.clone()
        }
    }

    /// How often the node, or the way to it, has pushed back so far: a call was refused with a 5xx
    /// or not answered, and may have been repeated. Clones count together.
    #[must_use]
    pub fn pushed_back(&self) -> u64 {
        self.pushed_back.load(Ordering::Relaxed)
    }

    /// The address without credentials, for messages.
    #[must_use]
    pub fn url(&self) -> String {
        self.base.to_string()
    }

    /// A query. `path` is given in segments, which are escaped.
    pub async fn get(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        freshness: &Freshness,
    ) -> Result<NodeAnswer, ClientError> {
        let url = self.address_with(path, query)?;

        let mut headers = HeaderMap::new();
        if let Freshness::AtLeast { token, wait } = freshness {
            headers.insert(CONSISTENCY_TOKEN, header("Consistency-Token", token)?);
            headers.insert(PREFER, prefer_wait(*wait)?);
        }

        self.send(Call {
            method: Method::GET,
            url,
            headers,
            body: None,
            repeatable: true,
        })
        .await
    }

    /// A command, repeatable by its key; a `null` body is none. With `wait` the node answers when
    /// the saga has ended, or after that time.
    pub async fn post(
        &self,
        path: &[&str],
        body: &Value,
        key: &str,
        wait: Option<Duration>,
    ) -> Result<NodeAnswer, ClientError> {
        self.send_body(Method::POST, self.address(path)?, body, key, wait)
            .await
    }

    /// Puts something into the place of what is there, repeatable by its key.
    pub async fn put(
        &self,
        path: &[&str],
        body: &Value,
        key: &str,
    ) -> Result<NodeAnswer, ClientError> {
        self.send_body(Method::PUT, self.address(path)?, body, key, None)
            .await
    }

    /// A command with parameters.
    pub async fn post_with(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        body: &Value,
        key: &str,
    ) -> Result<NodeAnswer, ClientError> {
        let url = self.address_with(path, query)?;
        self.send_body(Method::POST, url, body, key, None).await
    }

    async fn send_body(
        &self,
        method: Method,
        url: Url,
        body: &Value,
        key: &str,
        wait: Option<Duration>,
    ) -> Result<NodeAnswer, ClientError> {
        let body = (!body.is_null()).then(|| Bytes::from(body.to_string()));
        let mut headers = HeaderMap::new();
        headers.insert(IDEMPOTENCY_KEY, header("Idempotency-Key", key)?);

        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }

        if let Some(wait) = wait {
            headers.insert(PREFER, prefer_wait(wait)?);
        }

        self.send(Call {
            method,
            url,
            headers,
            body,
            repeatable: true,
        })
        .await
    }

    /// Removes something, repeatable by its key.
    pub async fn delete(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        key: &str,
    ) -> Result<NodeAnswer, ClientError> {
        let url = self.address_with(path, query)?;
        self.send_body(Method::DELETE, url, &Value::Null, key, None)
            .await
    }

    fn address_with(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, ClientError> {
        let mut url = self.address(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    fn address(&self, path: &[&str]) -> Result<Url, ClientError> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| ClientError::Url {
                url: self.url(),
                reason: "it has no path".to_owned(),
            })?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }
}

fn header(name: &str, value: &str) -> Result<HeaderValue, ClientError> {
    HeaderValue::from_str(value).map_err(|_| ClientError::Answer {
        url: name.to_owned(),
        reason: format!("{value:?} cannot be sent as a header"),
    })
}

fn prefer_wait(wait: Duration) -> Result<HeaderValue, ClientError> {
    header("Prefer", &format!("wait={}", wait.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_address_is_not_printed() {
        let node = Node::new("http://ada:secret@127.0.0.1:8080").unwrap();
        assert_eq!(node.url(), "http://127.0.0.1:8080/");
        assert!(!format!("{node:?}").contains("secret"), "{node:?}");

        let refused = Node::new("ftp://ada:secret@127.0.0.1:8080").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "url must be http(s)://[USER:PASSWORD@]HOST[:PORT], got \"ftp://***@127.0.0.1:8080\": \
             ftp is not spoken here"
        );
    }
}
