//! The way to the server: where it is, and what becomes of a request.
//!
//! Every request has a time after which it is given up, so that a server that hangs is one that
//! does not answer. An answer that is an HTTP error is an error here. Nothing is tried again: the
//! callers know what to repeat.

use std::time::Duration;

use elasticsearch::Elasticsearch;
use elasticsearch::auth::Credentials;
use elasticsearch::http::headers::HeaderMap;
use elasticsearch::http::request::Body;
use elasticsearch::http::transport::{SingleNodeConnectionPool, TransportBuilder};
use elasticsearch::http::{Method, Url};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::ViewError;
use crate::search::{VIEW, damaged};

/// For requests that a reader waits for.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// For requests that move or make a lot.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// The user name that says that the password is an API key, encoded as Elasticsearch hands it out.
const API_KEY: &str = "ApiKey";
/// There is no index, or alias, of the name.
pub(super) const NO_INDEX: &str = "index_not_found_exception";
/// Keeps this many characters of an error's text.
const MAX_REASON: usize = 500;

/// The server cannot be used as it is named.
#[derive(Debug, thiserror::Error)]
pub enum InvalidAddress {
    /// The address is none of a server.
    #[error(
        "must be http(s)://[user:password@]host[:port][/path]; an API key goes as https://ApiKey:key@host"
    )]
    Url,
    /// The namespace cannot begin the name of an index.
    #[error(
        "must be made of lower-case letters, digits, - and _, and begin with a letter or digit"
    )]
    Namespace,
    /// The client refuses the address, or the credentials in it.
    #[error("the connection cannot be made: {0}")]
    Connection(String),
}

/// Why a request has failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the request has failed")]
    Transport(#[from] elasticsearch::Error),
    #[error("the server answers {status}: {kind}: {reason}")]
    Refused {
        status: u16,
        kind: String,
        reason: String,
    },
    #[error("{0}")]
    Incomplete(String),
}

impl Failure {
    pub(super) fn is(&self, status: u16) -> bool {
        matches!(self, Failure::Refused { status: found, .. } if *found == status)
    }

    /// Whether this is part of the reason that the server gives.
    pub(super) fn says(&self, text: &str) -> bool {
        matches!(self, Failure::Refused { reason, .. } if reason.contains(text))
    }

    pub(super) fn is_kind(&self, kind: &str) -> bool {
        matches!(self, Failure::Refused { kind: found, .. } if found == kind)
    }
}

/// Whether a status says that the data is at fault, and would be the next time.
pub(super) fn is_bad_data(status: u16) -> bool {
    matches!(status, 400 | 413 | 422)
}

impl From<Failure> for ViewError {
    fn from(failure: Failure) -> Self {
        match failure {
            // Nothing of ours ever makes an index by writing to it, or asks for one that was never
            // there.
            failure if failure.is_kind(NO_INDEX) => damaged(failure),
            Failure::Refused { status, .. } if is_bad_data(status) => ViewError::Refused {
                view: VIEW,
                what: failure.to_string(),
            },
            failure => ViewError::Unavailable {
                view: VIEW,
                source: Box::new(failure),
            },
        }
    }
}

/// A document that is stored by its id, and what tells whether it has changed since.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Found<T> {
    #[serde(rename = "_source")]
    pub(super) source: T,
    #[serde(rename = "_seq_no")]
    pub(super) seq_no: u64,
    #[serde(rename = "_primary_term")]
    pub(super) primary_term: u64,
}

#[derive(Deserialize)]
struct ErrorReply {
    error: Refusal,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(flatten)]
    cause: ErrorCause,
    /// Of a search, the cause itself says no more than that it has failed.
    #[serde(default)]
    root_cause: Vec<ErrorCause>,
}

impl Refusal {
    fn into_failure(self, status: u16) -> Failure {
        let ErrorCause { kind, mut reason } = self.cause;

        if let Some(root) = self
            .root_cause
            .into_iter()
            .next()
            .filter(|root| root.reason != reason)
        {
            reason = format!("{reason}: {}", root.reason);
        }

        let reason = reason.chars().take(MAX_REASON).collect();

        Failure::Refused {
            status,
            kind,
            reason,
        }
    }
}

/// How Elasticsearch describes an error.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorCause {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) reason: String,
}

/// A client of one server, or of what stands before several.
#[derive(Clone)]
pub(super) struct Client(Elasticsearch);

impl Client {
    /// Connects to nothing yet.
    pub(super) fn new(address: &str) -> Result<Self, InvalidAddress> {
        let mut url = Url::parse(address).map_err(|_| InvalidAddress::Url)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || url.query().is_some() {
            return Err(InvalidAddress::Url);
        }

        let credentials = credentials(&url)?;
        // What is left in the address would be sent, and shown in errors, as well.
        url.set_username("").map_err(|()| InvalidAddress::Url)?;

        url.set_password(None).map_err(|()| InvalidAddress::Url)?;

        let mut builder = TransportBuilder::new(SingleNodeConnectionPool::new(url));
        if let Some(credentials) = credentials {
            builder = builder.auth(credentials);
        }

        let transport = builder
            .build()
            .map_err(|error| InvalidAddress::Connection(error.to_string()))?;

        Ok(Client(Elasticsearch::new(transport)))
    }

    /// Sends a request and reads the answer.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        parameters: &[(&str, &str)],
        body: Option<impl Body>,
        timeout: Duration,
    ) -> Result<T, Failure> {
        let response = self
            .0
            .send(
                method,
                path,
                HeaderMap::new(),
                Some(parameters),
                body,
                Some(timeout),
            )
            .await?;

        let status = response.status_code();
        if status.is_success() {
            return Ok(response.json().await?);
        }

        let text = response.text().await?;

        let status = status.as_u16();
        Err(match serde_json::from_str::<ErrorReply>(&text) {
            Ok(reply) => reply.error.into_failure(status),
            Err(_) => Failure::Refused {
                status,
                kind: "no description".to_owned(),
                reason: String::new(),
            },
        })
    }

    /// The newest version of a stored document, refreshed or not; `None` when it is not there. That
    /// its index is not there is an error: somebody has deleted it.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        index: &str,
        id: &str,
    ) -> Result<Option<Found<T>>, Failure> {
        let path = format!("/{index}/_doc/{id}");

        match self
            .send(Method::Get, &path, &[], None::<()>, READ_TIMEOUT)
            .await
        {
            Ok(found) => Ok(Some(found)),
            Err(failure) if failure.is(404) && !failure.is_kind(NO_INDEX) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Deletes an index or a document; one that is not there is deleted already.
    pub(super) async fn delete(&self, path: &str) -> Result<(), Failure> {
        match self
            .send::<serde_json::Value>(Method::Delete, path, &[], None::<()>, WRITE_TIMEOUT)
            .await
        {
            Ok(_) => Ok(()),
            Err(failure) if failure.is(404) => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}

fn credentials(url: &Url) -> Result<Option<Credentials>, InvalidAddress> {
    let decoded = |text| {
        percent_decode_str(text)
            .decode_utf8()
            .map_err(|_| InvalidAddress::Url)
    };
    let user = decoded(url.username())?;

    let password = decoded(url.password().unwrap_or_default())?;
    if user.is_empty() && password.is_empty() {
        return Ok(None);
    }

    if user != API_KEY {
        return Ok(Some(Credentials::Basic(
            user.into_owned(),
            password.into_owned(),
        )));
    }
    // It becomes a header as it is.
    if password.is_empty()
        || !password
            .chars()
            .all(|character| character.is_ascii_graphic())
    {
        return Err(InvalidAddress::Url);
    }

    Ok(Some(Credentials::EncodedApiKey(password.into_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_or_refused_and_never_shown_with_its_secrets() {
        for address in [
            "http://localhost:9200",
            "https://search.example/path",
            "https://ada:p%40ss@search.example:9243",
            "https://ApiKey:c2VjcmV0@search.example",
        ] {
            assert!(Client::new(address).is_ok(), "{address}");
        }
        for address in [
            "",
            "localhost:9200",
            "ftp://host",
            "http://",
            "https://ApiKey:a%0Ab@host",
            "https://ApiKey@host",
        ] {
            assert!(
                matches!(Client::new(address), Err(InvalidAddress::Url)),
                "{address}"
            );
        }
    }

    #[test]
    fn credentials_are_read_as_they_were_meant() {
        let read = |address: &str| credentials(&Url::parse(address).unwrap()).unwrap();
        assert!(read("http://host").is_none());
        let Some(Credentials::Basic(user, password)) = read("http://ada:p%40s%3As@host") else {
            panic!()
        };
        assert_eq!((user.as_str(), password.as_str()), ("ada", "p@s:s"));
        let Some(Credentials::EncodedApiKey(key)) = read("http://ApiKey:c2VjcmV0%3D@host") else {
            panic!()
        };
        assert_eq!(key, "c2VjcmV0=");
    }
}
