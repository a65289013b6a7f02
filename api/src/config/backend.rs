//! Where the data of each store lies: embedded in the data folder, or with a server that a URL
//! names.
//!
//! It checks a URL as far as it can without asking anybody; whether the server answers shows later.
//! A URL may hold a password, so only what connects to the server sees it whole.

use std::fmt;
use std::path::Path;

use mongodb::options::ConnectionString;
use reqwest::Url;
use store::{Home, PostgresAddress};

use super::value::Refusal;

/// What a setting says for the store in the data folder.
const EMBEDDED: &str = "embedded";

/// The database of a service.
#[derive(Clone, Debug)]
pub enum DatabaseBackend {
    /// SQLite, in the data folder.
    Embedded,
    /// On a PostgreSQL server.
    Postgres(PostgresAddress),
}

impl DatabaseBackend {
    /// Where that is, for a node with this data folder.
    #[must_use]
    pub fn home(&self, data_dir: &Path) -> Home {
        match self {
            DatabaseBackend::Embedded => Home::Folder(data_dir.to_owned()),
            DatabaseBackend::Postgres(address) => Home::Postgres(address.clone()),
        }
    }
}

/// The log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogBackend {
    /// The outboxes themselves: one node.
    Embedded,
    /// The same, and Kafka between nodes: `host:port,host:port`.
    Kafka(String),
}

/// The store of the document view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentsBackend {
    /// SQLite, in the data folder.
    Embedded,
    /// A MongoDB.
    MongoDb(SecretUrl),
}

/// The store of the search view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchBackend {
    /// Tantivy, in the data folder.
    Embedded,
    /// An Elasticsearch.
    Elasticsearch(SecretUrl),
}

/// A URL that may hold a password. Shown, it has none.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// The URL as it was given, for whoever connects.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked(&self.0))
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", masked(&self.0))
    }
}

/// A value without its secrets: of what stands before the host of a URL it shows only the user's
/// name.
pub(super) fn masked(value: &str) -> String {
    let Some((before, host)) = value.rsplit_once('@') else {
        return value.to_owned();
    };

    let (scheme, user) = before
        .split_once("://")
        .map_or(("", before), |(scheme, user)| (scheme, user));
    // Without a scheme it is no URL, and nobody knows which part is secret.
    let name = if scheme.is_empty() {
        ""
    } else {
        user.split_once(':').map_or(user, |(name, _)| name)
    };
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{name}:***@{host}")
}

pub(super) fn log(text: &str) -> Result<LogBackend, Refusal> {
    if text == EMBEDDED {
        return Ok(LogBackend::Embedded);
    }

    let brokers = text.strip_prefix("kafka://").ok_or(Refusal::NotAllowed)?;
    let is_broker = |broker: &str| {
        let parts = broker.rsplit_once(':');
        parts.is_some_and(|(host, port)| {
            let plain = !host.is_empty() && !host.contains(['/', '@', ' ']);
            plain && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    match brokers.split(',').all(is_broker) {
        true => Ok(LogBackend::Kafka(brokers.to_owned())),
        false => Err(Refusal::NotAllowed),
    }
}

pub(super) fn database(text: &str) -> Result<DatabaseBackend, Refusal> {
    if text == EMBEDDED {
        return Ok(DatabaseBackend::Embedded);
    }
    // The driver's own reader; it asks no server.
    let address = PostgresAddress::parse(text).map_err(|_| Refusal::NotAllowed)?;
    Ok(DatabaseBackend::Postgres(address))
}

pub(super) fn documents(text: &str) -> Result<DocumentsBackend, Refusal> {
    if text == EMBEDDED {
        return Ok(DocumentsBackend::Embedded);
    }
    // The driver's own reader, which knows every option; it asks no name server.
    ConnectionString::parse(text).map_err(|_| Refusal::NotAllowed)?;
    Ok(DocumentsBackend::MongoDb(SecretUrl(text.to_owned())))
}

pub(super) fn search(text: &str) -> Result<SearchBackend, Refusal> {
    if text == EMBEDDED {
        return Ok(SearchBackend::Embedded);
    }
    server(text).map(SearchBackend::Elasticsearch)
}

/// Where traces go; nowhere when it is empty.
pub(super) fn collector(text: &str) -> Result<Option<SecretUrl>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    server(text).map(Some)
}

/// A server that speaks HTTP.
fn server(text: &str) -> Result<SecretUrl, Refusal> {
    let url: Url = text.parse().map_err(|_| Refusal::NotAllowed)?;
    let plain = url.query().is_none() && url.fragment().is_none();
    if matches!(url.scheme(), "http" | "https") && url.has_host() && plain {
        Ok(SecretUrl(text.to_owned()))
    } else {
        Err(Refusal::NotAllowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_no_client_could_use_is_refused() {
        for text in [
            "",
            "mongodb://",
            "mongodb:host",
            "http://host",
            "mongodb://host/?replicaSet",
            "mongodb://host:port",
        ] {
            assert_eq!(documents(text), Err(Refusal::NotAllowed), "{text}");
        }
        for text in [
            "",
            "http://",
            "host:9200",
            "mongodb://host",
            "http://host:99999",
            "http://host/?pretty",
        ] {
            assert_eq!(search(text), Err(Refusal::NotAllowed), "{text}");
        }
    }

    #[test]
    fn a_url_reaches_its_client_as_it_was_given() {
        for text in [
            "mongodb://ada:hu%40sh@a:1,b:2/shop?replicaSet=rs0&w=majority",
            "mongodb+srv://host.example.com",
        ] {
            let Ok(DocumentsBackend::MongoDb(url)) = documents(text) else {
                panic!("{text} is refused")
            };
            assert_eq!(url.expose(), text);
        }
        for text in [
            "http://127.0.0.1:9200",
            "https://elastic:hush@search.example.com/below",
        ] {
            let Ok(SearchBackend::Elasticsearch(url)) = search(text) else {
                panic!("{text} is refused")
            };
            assert_eq!(url.expose(), text);
        }
    }

    #[test]
    fn no_way_of_showing_a_url_shows_its_password() {
        let Ok(backend) = search("https://elastic:hush@host:9200") else {
            panic!("refused")
        };

        assert_eq!(
            format!("{backend:?}"),
            r#"Elasticsearch("https://elastic:***@host:9200")"#
        );

        for (text, shown) in [
            (
                "mongodb://ada:hu@sh@a:1,b:2/?replicaSet=rs0",
                "mongodb://ada:***@a:1,b:2/?replicaSet=rs0",
            ),
            ("mongodb://host/shop", "mongodb://host/shop"),
            ("mongodb:/ada:hush@host", ":***@host"),
            ("http://:hush@host", "http://:***@host"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }
}
