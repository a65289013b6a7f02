//! A thin HTTP client of the public contract: one method per call that tests make often, and a
//! builder for its options.
//!
//! It asserts nothing and repeats nothing by itself; [`crate::shop`] has the steps that most tests
//! begin with.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Method, Url};
use serde_json::{Value, json};

use crate::beside::Tokens;
use crate::{Response, http};

/// Above every wait a test asks for, so that a node which never answers fails the test instead of
/// hanging it.
const ANSWER_BOUND: Duration = Duration::from_secs(60);

const TOKEN: &str = "consistency-token";
const KEY: &str = "idempotency-key";

/// A client of one node. Each test makes its own: connections belong to the runtime that opened
/// them.
#[derive(Clone)]
pub struct Api {
    client: Client,
    urls: Arc<[Url]>,
    turn: Arc<AtomicUsize>,
    /// Where a node is several processes.
    tokens: Option<Arc<Tokens>>,
}

impl Api {
    /// A client of the node at `url`.
    pub fn new(url: &str) -> Self {
        let client = http::client()
            .timeout(ANSWER_BOUND)
            .build()
            .expect("an HTTP client");
        Self {
            client,
            urls: Arc::new([url.parse().expect("the node's URL")]),
            turn: Arc::default(),
            tokens: None,
        }
    }

    /// A client that asks one of these processes after the other, and reads what anybody with these
    /// tokens has seen.
    pub(crate) fn of_several(urls: &[&str], tokens: Arc<Tokens>) -> Self {
        let parse = |url: &&str| url.parse().expect("the node's URL");
        Self {
            urls: urls.iter().map(parse).collect(),
            tokens: Some(tokens),
            ..Self::new(urls[0])
        }
    }

    /// Any call; the methods below make those of the contract.
    pub fn call(&self, method: Method, path: &str) -> Call {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let url = &self.urls[turn % self.urls.len()];
        let url = url.join(path).expect("a path");
        Call {
            tokens: self.tokens.clone(),
            client: self.client.clone(),
            method,
            url,
            headers: Vec::new(),
            body: None,
        }
    }

    /// `GET path`.
    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// `POST path`.
    pub fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    /// `POST /customers`; `limit` is an amount such as `100.00`.
    pub fn new_customer(&self, name: &str, limit: &str) -> Call {
        self.post("/customers")
            .json(json!({"name": name, "creditLimit": {"amount": limit}}))
    }

    /// `POST /orders` with a total alone.
    pub fn new_order(&self, customer: &str, total: &str) -> Call {
        self.post("/orders")
            .json(json!({"customerId": customer, "orderTotal": {"amount": total}}))
    }

    /// `POST /orders/{id}/cancel`.
    pub fn cancel(&self, order: &str) -> Call {
        self.post(&format!("/orders/{order}/cancel"))
    }

    /// `POST /orders/{id}/ship`.
    pub fn ship(&self, order: &str) -> Call {
        self.post(&format!("/orders/{order}/ship"))
    }

    /// `GET /customers/{id}`.
    pub fn customer(&self, id: &str) -> Call {
        self.get(&format!("/customers/{id}"))
    }

    /// `GET /orders/{id}`.
    pub fn order(&self, id: &str) -> Call {
        self.get(&format!("/orders/{id}"))
    }

    /// `GET /sagas/{id}`.
    pub fn saga(&self, id: &str) -> Call {
        self.get(&format!("/sagas/{id}"))
    }
}

/// One call being put together; awaiting it sends it and panics when there is no answer.
#[must_use]
#[derive(Clone)]
pub struct Call {
    tokens: Option<Arc<Tokens>>,
    client: Client,
    method: Method,
    url: Url,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<Vec<u8>>,
}

impl Call {
    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        let value = HeaderValue::from_bytes(value.as_ref()).expect("a header value");
        self.headers.push((HeaderName::from_static(name), value));
        self
    }

    /// `Idempotency-Key`.
    pub fn key(self, key: &str) -> Self {
        self.header(KEY, key)
    }

    /// `Prefer: wait=N`.
    pub fn wait(self, seconds: u32) -> Self {
        self.header("prefer", format!("wait={seconds}"))
    }

    /// `Consistency-Token`.
    pub fn token(self, token: &str) -> Self {
        self.header(TOKEN, token)
    }

    /// Adds a parameter of the query string.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    /// A JSON body.
    pub fn json(self, body: Value) -> Self {
        self.text("application/json", &body.to_string())
    }

    /// A body exactly as given, with the content type it claims.
    pub fn text(mut self, content_type: &str, body: &str) -> Self {
        self.body = Some(body.as_bytes().to_vec());
        self.header("content-type", content_type)
    }

    /// Sends the call; an error means that no (complete) answer came.
    ///
    /// Where it goes to several processes, one that meets a 503 is repeated once, as the contract
    /// asks of callers, if it is a query or has a key: the shards of a process that was killed are
    /// nobody's for longer than a call waits.
    pub async fn answer(self) -> anyhow::Result<Response> {
        let has_key = self.headers.iter().any(|(name, _)| name == KEY);
        let may_repeat = self.tokens.is_some() && (has_key || self.method == Method::GET);
        let again = may_repeat.then(|| self.clone());

        let answer = self.answered().await?;
        match again {
            Some(again) if answer.status == 503 => again.answered().await,
            _ => Ok(answer),
        }
    }

    async fn answered(mut self) -> anyhow::Result<Response> {
        let call = format!("{} {}", self.method, self.url);
        let names_tokens = self.headers.iter().any(|(name, _)| name == TOKEN);
        let seen = self.tokens.as_ref().and_then(|tokens| tokens.all());
        if self.method == Method::GET
            && !names_tokens
            && let Some(seen) = seen
        {
            self = self.token(&seen);
        }

        let mut request = self.client.request(self.method, self.url);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        let response = Response::read(call, request.send().await?).await?;
        if let Some(tokens) = &self.tokens {
            tokens.note(response.header(TOKEN));
        }
        Ok(response)
    }
}

impl IntoFuture for Call {
    type Output = Response;
    type IntoFuture = Pin<Box<dyn Future<Output = Response> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let call = format!("{} {}", self.method, self.url);
            match self.answer().await {
                Ok(response) => response,
                Err(error) => panic!("{call}: no answer: {error:#}"),
            }
        })
    }
}
