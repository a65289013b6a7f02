//! Writes documents, many at once.
//!
//! While one part is under way, the next one is made ready.

use elasticsearch::http::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinHandle;

use super::client::{Client, ErrorCause, Failure, WRITE_TIMEOUT, is_bad_data};
use super::document::{Indexed, Stamp};
use crate::search::VIEW;
use crate::search::analysis::Analyzer;
use crate::{OrderDocument, ViewError};

/// About so much is sent at once.
const PART_BYTES: usize = 5 << 20;
/// Only this is wanted of the answer.
const ANSWER: &str = "errors,items.*._id,items.*.status,items.*.error.type,items.*.error.reason";
/// The stored document is as new, or newer.
const CONFLICT: u16 = 409;

/// Writes documents under the name `alias`, durable and not yet visible when it returns. What is there already, or
/// newer, stays.
///
/// # Errors
/// [`ViewError::Corrupt`] when a document is refused for what is in it. The others may be written all the same.
pub(super) async fn write(
    client: &Client,
    alias: &str,
    documents: impl Iterator<Item = (&OrderDocument, Stamp)>,
) -> Result<(), ViewError> {
    let mut sender = Sender { client, alias, under_way: None };
    let mut analyzer = Analyzer::default();
    let mut part = Vec::new();
    for (document, stamp) in documents {
        add(&mut part, &mut analyzer, document, stamp)?;
        if part.len() >= PART_BYTES {
            sender.send(std::mem::take(&mut part)).await?;
        }
    }
    if !part.is_empty() {
        sender.send(part).await?;
    }
    sender.finish().await
}

fn add(part: &mut Vec<u8>, analyzer: &mut Analyzer, document: &OrderDocument, stamp: Stamp) -> Result<(), ViewError> {
    let order = document.order_id.0.to_string();
    let refused = |error: serde_json::Error| {
        let what = format!("order {order} cannot be stored: {error}");
        ViewError::Corrupt { view: VIEW, what }
    };
    let action = json!({ "index": { "_id": order, "version": stamp.external(), "version_type": "external" } });
    serde_json::to_writer(&mut *part, &action).map_err(refused)?;
    part.push(b'\n');
    serde_json::to_writer(&mut *part, &Indexed::new(analyzer, document)).map_err(refused)?;
    part.push(b'\n');
    Ok(())
}

struct Sender<'a> {
    client: &'a Client,
    alias: &'a str,
    under_way: Option<JoinHandle<Result<(), ViewError>>>,
}

impl Sender<'_> {
    async fn send(&mut self, part: Vec<u8>) -> Result<(), ViewError> {
        self.finish().await?;
        let (client, path) = (self.client.clone(), format!("/{}/_bulk", self.alias));
        self.under_way = Some(tokio::spawn(async move {
            let parameters = [("require_alias", "true"), ("filter_path", ANSWER)];
            let reply: Reply = client.send(Method::Post, &path, &parameters, Some(part), WRITE_TIMEOUT).await?;
            reply.check()
        }));
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), ViewError> {
        match self.under_way.take() {
            Some(part) => part.await.map_err(|error| Failure::Incomplete(error.to_string()))?,
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct Reply {
    errors: bool,
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default, rename = "_id")]
    id: String,
    status: u16,
    error: Option<ErrorCause>,
}

impl Reply {
    /// One document that can never be stored is told before any that may be stored later: it would be in the way then.
    fn check(self) -> Result<(), ViewError> {
        if !self.errors {
            return Ok(());
        }
        let mut unavailable = None;
        for Outcome { id, status, error } in self.items.into_iter().map(|item| item.index) {
            let Some(ErrorCause { kind, reason }) = error.filter(|_| status != CONFLICT) else { continue };
            if is_bad_data(status) {
                let what = format!("order {id} cannot be stored: {kind}: {reason}");
                return Err(ViewError::Corrupt { view: VIEW, what });
            }
            unavailable.get_or_insert(Failure::Refused { status, kind, reason });
        }
        unavailable.map_or(Ok(()), |failure| Err(failure.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(items: &[(u16, &str)]) -> Result<(), ViewError> {
        let item = |(status, kind): &(u16, &str)| match *kind {
            "" => json!({ "index": { "_id": "x", "status": status } }),
            kind => json!({ "index": { "_id": "x", "status": status, "error": { "type": kind, "reason": "r" } } }),
        };
        let errors = items.iter().any(|(_, kind)| !kind.is_empty());
        let items: Vec<_> = items.iter().map(item).collect();
        serde_json::from_value::<Reply>(json!({ "errors": errors, "items": items })).unwrap().check()
    }

    #[test]
    fn each_document_of_an_answer_is_looked_at() {
        assert!(check(&[(201, ""), (200, "")]).is_ok());
        assert!(check(&[(201, ""), (409, "version_conflict_engine_exception")]).is_ok());
        for status in [404, 429, 500, 503] {
            assert!(check(&[(409, "newer"), (status, "later")]).unwrap_err().is_transient(), "{status}");
        }
        assert!(matches!(check(&[(429, "later"), (400, "mapper")]), Err(ViewError::Corrupt { .. })));
    }
}
