//! The indices: their names, how they are made, and what is in their fields.

use std::collections::HashMap;

use elasticsearch::http::Method;
use elasticsearch::http::request::JsonBody;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::{Client, Failure, InvalidAddress, READ_TIMEOUT, WRITE_TIMEOUT};
use crate::search::analysis;

/// Prefixes up to this length have postings of their own, so that a short one is found as quickly
/// as a word. It is the longest that Elasticsearch allows.
pub(super) const MAX_INDEXED_PREFIX: u8 = 19;

/// The names of all that this view has on the server.
#[derive(Clone, Debug)]
pub(super) struct Names {
    namespace: String,
}

impl Names {
    pub(super) fn new(namespace: &str) -> Result<Self, InvalidAddress> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let first = namespace.bytes().next().is_some_and(allowed);
        if !first
            || !namespace
                .bytes()
                .all(|byte| allowed(byte) || matches!(byte, b'-' | b'_'))
        {
            return Err(InvalidAddress::Namespace);
        }
        Ok(Names {
            namespace: namespace.to_owned(),
        })
    }

    /// The index of a generation's orders.
    pub(super) fn orders(&self, generation: u32) -> String {
        format!("{}-orders-{generation}", self.namespace)
    }

    /// The name under which a generation's orders are written. An index that somebody has deleted
    /// is not made again by writing to it, with whatever fields that would have: there is nothing
    /// of this name then.
    pub(super) fn orders_to_write(&self, generation: u32) -> String {
        format!("{}-orders-{generation}-write", self.namespace)
    }

    /// The name under which people find the generation that answers.
    pub(super) fn live(&self) -> String {
        format!("{}-orders", self.namespace)
    }

    /// The index of what is stored besides the orders.
    pub(super) fn views(&self) -> String {
        format!("{}-views", self.namespace)
    }

    /// The name under which that is written, for the same reason.
    pub(super) fn views_to_write(&self) -> String {
        format!("{}-views-write", self.namespace)
    }
}

/// The fields of an order; see [`document`](super::document).
fn order_fields() -> Value {
    let words = json!({
        "type": "text",
        "analyzer": "whitespace",
        "norms": false,
        "index_prefixes": { "min_chars": 1, "max_chars": MAX_INDEXED_PREFIX },
    });
    json!({
        "dynamic": false,
        // An index of another one holds other words.
        "_meta": { "analysis": analysis::NAME },
        // They can be made again from the document.
        "_source": { "excludes": ["singulars", "words", "points"] },
        "properties": {
            "id": { "type": "keyword" },
            "created": { "type": "long" },
            "total": { "type": "long" },
            "state": { "type": "keyword", "doc_values": false },
            "customer": { "type": "keyword", "doc_values": false },
            "singulars": words,
            "words": words,
            "points": { "type": "keyword", "doc_values": false },
            "document": { "type": "object", "enabled": false },
        },
    })
}

fn settings() -> Value {
    json!({
        "index.number_of_shards": 1,
        "index.auto_expand_replicas": "0-1",
        // The writer refreshes; nothing becomes visible in between.
        "index.refresh_interval": "-1",
    })
}

/// Makes the index for what is stored besides the orders, if it is not there, and gives it the name
/// under which it is written, if somebody has taken that away.
pub(super) async fn ensure_views(client: &Client, names: &Names) -> Result<(), Failure> {
    let (index, alias) = (names.views(), names.views_to_write());

    let Some(found) = describe(client, &index).await? else {
        let body = json!({ "settings": settings(), "mappings": { "dynamic": false }, "aliases": { alias: {} } });
        return create(client, &index, body).await;
    };
    if found.aliases.contains_key(&alias) {
        return Ok(());
    }

    let path = format!("/{index}/_alias/{alias}");
    client
        .send::<Value>(Method::Put, &path, &[], None::<()>, WRITE_TIMEOUT)
        .await?;
    Ok(())
}

/// Makes the index of a generation.
pub(super) async fn create_orders(
    client: &Client,
    names: &Names,
    generation: u32,
) -> Result<(), Failure> {
    let alias = names.orders_to_write(generation);
    let body =
        json!({ "settings": settings(), "mappings": order_fields(), "aliases": { alias: {} } });
    create(client, &names.orders(generation), body).await
}

/// An index as the server describes it.
#[derive(Deserialize)]
pub(super) struct Described {
    /// Its own name, whatever it was asked for by.
    #[serde(skip)]
    name: String,
    aliases: Map<String, Value>,
    mappings: Value,
    settings: IndexSettings,
}

#[derive(Deserialize)]
struct IndexSettings {
    index: IndexIdentity,
}

#[derive(Deserialize)]
struct IndexIdentity {
    uuid: String,
}

impl Described {
    /// What tells it from another index of the same name.
    pub(super) fn id(&self) -> &str {
        &self.settings.index.uuid
    }

    /// Why it is not the index of a generation, if it is not.
    pub(super) fn is_wrong(&self, names: &Names, generation: u32) -> Option<String> {
        let index = names.orders(generation);
        if self.name != index {
            return Some(format!("{index} is an alias of index {}", self.name));
        }
        if !self
            .aliases
            .contains_key(&names.orders_to_write(generation))
        {
            return Some(format!("index {index} has no name to be written under"));
        }
        let has_fields = has_all_of(&self.mappings, &order_fields());
        (!has_fields).then(|| format!("index {index} has other fields"))
    }
}

/// Whether a description has at least what was asked for. The server adds defaults, and writes
/// booleans as texts in some places.
fn has_all_of(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted.iter().all(|(key, wanted)| {
            found
                .get(key)
                .is_some_and(|found| has_all_of(found, wanted))
        }),
        (Value::String(found), Value::Bool(wanted)) => *found == wanted.to_string(),
        (found, wanted) => found == wanted,
    }
}

/// The index of this name, or the one that it is an alias of; `None` when there is none.
pub(super) async fn describe(client: &Client, index: &str) -> Result<Option<Described>, Failure> {
    let path = format!("/{index}");
    let found = client
        .send::<HashMap<String, Described>>(Method::Get, &path, &[], None::<()>, READ_TIMEOUT)
        .await;

    match found {
        Ok(found) => Ok(found
            .into_iter()
            .next()
            .map(|(name, found)| Described { name, ..found })),
        Err(failure) if failure.is(404) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The numbers of the generations that have an index.
pub(super) async fn numbers(client: &Client, names: &Names) -> Result<Vec<u32>, Failure> {
    let prefix = format!("{}-", names.live());
    let path = format!("/{prefix}*/_alias");
    let found: HashMap<String, Value> = client
        .send(Method::Get, &path, &[], None::<()>, READ_TIMEOUT)
        .await?;
    let number = |index: &String| index.strip_prefix(&prefix)?.parse().ok();
    Ok(found.keys().filter_map(number).collect())
}

async fn create(client: &Client, index: &str, body: Value) -> Result<(), Failure> {
    let path = format!("/{index}");

    match client
        .send::<Value>(
            Method::Put,
            &path,
            &[],
            Some(JsonBody::new(body)),
            WRITE_TIMEOUT,
        )
        .await
    {
        Ok(_) => Ok(()),
        Err(failure) if failure.is_kind("resource_already_exists_exception") => Ok(()),
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_may_have_more_than_was_asked_for_and_never_less() {
        let wanted = json!({ "dynamic": false, "properties": { "id": { "type": "keyword" } } });
        let more = json!({
            "dynamic": "false",
            "properties": { "id": { "type": "keyword", "ignore_above": 9 }, "x": {} },
        });
        assert!(has_all_of(&more, &wanted));

        for less in [
            json!({}),
            json!({ "dynamic": "true", "properties": { "id": { "type": "keyword" } } }),
            json!({ "dynamic": "false", "properties": { "id": { "type": "text" } } }),
            json!({ "dynamic": "false", "properties": {} }),
        ] {
            assert!(!has_all_of(&less, &wanted), "{less}");
        }
    }

    #[test]
    fn an_index_of_another_analysis_is_wrong() {
        let mut other = order_fields();
        assert!(has_all_of(&other, &order_fields()));
        *other.pointer_mut("/_meta/analysis").unwrap() = json!("order_text_2");
        assert!(!has_all_of(&other, &order_fields()));
    }

    #[test]
    fn a_namespace_that_no_index_can_have_is_refused() {
        for namespace in ["counterfoil", "a", "7-shop_2"] {
            assert!(Names::new(namespace).is_ok(), "{namespace}");
        }
        for namespace in ["", "Shop", "-shop", "_shop", "a b", "a/b", "a*", "é"] {
            assert!(
                matches!(Names::new(namespace), Err(InvalidAddress::Namespace)),
                "{namespace}"
            );
        }
    }
}
