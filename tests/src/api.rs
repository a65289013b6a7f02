//! A thin HTTP client of the public contract: one method per call that tests make often, and a
//! builder for its options.
//!
//! It asserts nothing and repeats nothing by itself; [`crate::shop`] has the steps that most tests
//! begin with.

use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Method, Url};
use serde_json::{Value, json};

use crate::{Response, http};

/// Above every wait a test asks for, so that a node which never answers fails the test instead of
/// hanging it.
const ANSWER_BOUND: Duration = Duration::from_secs(60);

/// A client of one node. Each test makes its own: connections belong to the runtime that opened
/// them.
#[derive(Clone)]
pub struct Api {
    client: Client,
    url: Url,
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
            url: url.parse().expect("the node's URL"),
        }
    }

    /// Any call; the methods below make those of the contract.
    pub fn call(&self, method: Method, path: &str) -> Call {
        let url = self.url.join(path).expect("a path");
        Call {
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
        self.header("idempotency-key", key)
    }

    /// `Prefer: wait=N`.
    pub fn wait(self, seconds: u32) -> Self {
        self.header("prefer", format!("wait={seconds}"))
    }

    /// `Consistency-Token`.
    pub fn token(self, token: &str) -> Self {
        self.header("consistency-token", token)
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
    pub async fn answer(self) -> anyhow::Result<Response> {
        let call = format!("{} {}", self.method, self.url);
        let mut request = self.client.request(self.method, self.url);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        Response::read(call, request.send().await?).await
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
