//! Orders read by their ids, many at once.

use domain::OrderId;
use elasticsearch::http::Method;
use elasticsearch::http::request::JsonBody;
use serde::Deserialize;
use serde_json::json;

use super::client::{Client, ErrorCause, Failure, READ_TIMEOUT};
use super::document::{Source, Stamp};
use crate::search::damaged;
use crate::{OrderDocument, ViewError};

/// Searches, and the looks of those who wait for them, ask the same copy of the index: another one
/// is refreshed a moment earlier or later.
pub(super) const SAME_COPY: (&str, &str) = ("preference", "counterfoil");

/// How many orders one request reads at most: an order of 500 lines is about 64 KiB.
const DOCUMENTS_AT_ONCE: usize = 256;
/// How many versions one request reads at most.
const STAMPS_AT_ONCE: usize = 2_000;

/// Which state of the index is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum As {
    /// Everything that was written.
    Written,
    /// What searches find.
    Found,
}

#[derive(Deserialize)]
struct Reply {
    docs: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    found: bool,
    #[serde(default, rename = "_version")]
    version: u64,
    #[serde(rename = "_source")]
    source: Option<Source>,
    error: Option<ErrorCause>,
}

/// The stamps, in the order asked; `None` for an order that is not there.
pub(super) async fn stamps(
    client: &Client,
    index: &str,
    orders: &[OrderId],
    state: As,
) -> Result<Vec<Option<Stamp>>, Failure> {
    let mut stamps = Vec::with_capacity(orders.len());

    for orders in orders.chunks(STAMPS_AT_ONCE) {
        let items = read(client, index, orders, state, "false").await?;
        stamps.extend(
            items
                .into_iter()
                .map(|item| item.found.then(|| Stamp::read(item.version))),
        );
    }

    Ok(stamps)
}

/// The documents as they were written last, with their stamps, in the order asked.
pub(super) async fn documents(
    client: &Client,
    index: &str,
    orders: &[OrderId],
) -> Result<Vec<Option<(OrderDocument, Stamp)>>, ViewError> {
    let mut documents = Vec::with_capacity(orders.len());

    for orders in orders.chunks(DOCUMENTS_AT_ONCE) {
        for item in read(client, index, orders, As::Written, "document").await? {
            let stamp = Stamp::read(item.version);
            let source = item.source.filter(|_| item.found);
            documents.push(
                source
                    .map(|source| Ok::<_, ViewError>((document(source)?, stamp)))
                    .transpose()?,
            );
        }
    }

    Ok(documents)
}

/// The stored document.
pub(super) fn document(source: Source) -> Result<OrderDocument, ViewError> {
    serde_json::from_value(source.document)
        .map_err(|error| damaged(format_args!("a stored document: {error}")))
}

async fn read(
    client: &Client,
    index: &str,
    orders: &[OrderId],
    state: As,
    source: &str,
) -> Result<Vec<Item>, Failure> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }

    let ids: Vec<String> = orders.iter().map(|order| order.0.to_string()).collect();

    let realtime = if state == As::Written {
        "true"
    } else {
        "false"
    };
    let parameters = [("realtime", realtime), ("_source", source), SAME_COPY];
    let body = JsonBody::new(json!({ "ids": ids }));

    let path = format!("/{index}/_mget");
    let reply: Reply = client
        .send(Method::Post, &path, &parameters, Some(body), READ_TIMEOUT)
        .await?;
    if let Some(ErrorCause { kind, reason }) =
        reply.docs.iter().find_map(|item| item.error.as_ref())
    {
        return Err(Failure::Incomplete(format!("{kind}: {reason}")));
    }

    if reply.docs.len() != orders.len() {
        return Err(Failure::Incomplete(
            "not all orders asked for are answered".to_owned(),
        ));
    }

    Ok(reply.docs)
}
