//! Writes documents, many at once.
//!
//! While one part is under way, the next one is made ready.

use domain::OrderId;
use elasticsearch::http::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinHandle;

use super::client::{Client, ErrorCause, Failure, WRITE_TIMEOUT, is_bad_data};
use super::document::{Indexed, Stamp};
use crate::search::VIEW;
use crate::{OrderDocument, ViewError};

/// A request carries about this many bytes.
const PART_BYTES: usize = 5 << 20;
/// Only this is wanted of the answer.
const ANSWER: &str = "items.*._id,items.*.status,items.*.error.type,items.*.error.reason";
/// The stored document is as new, or newer: what an index operation with an external version may
/// end in.
const NEWER: (u16, &str) = (409, "version_conflict_engine_exception");

/// Writes documents under the name `alias`, durable and not yet visible when it returns. What is
/// there already, or newer, stays: these orders are given.
///
/// # Errors
/// [`ViewError::Refused`] when a document is refused for what is in it. The others may be written
/// all the same.
pub(super) async fn write(
    client: &Client,
    alias: &str,
    documents: impl Iterator<Item = (&OrderDocument, Stamp)>,
) -> Result<Vec<OrderId>, ViewError> {
    let mut sender = Sender {
        client,
        alias,
        under_way: None,
        newer: Vec::new(),
    };

    let mut part = Part::default();
    for (document, stamp) in documents {
        part.add(document, stamp)?;
        if part.lines.len() >= PART_BYTES {
            sender.send(std::mem::take(&mut part)).await?;
        }
    }

    if part.documents > 0 {
        sender.send(part).await?;
    }

    sender.finish().await?;

    Ok(sender.newer)
}

/// What is sent at once.
#[derive(Default)]
struct Part {
    lines: Vec<u8>,
    documents: usize,
}

impl Part {
    fn add(&mut self, document: &OrderDocument, stamp: Stamp) -> Result<(), ViewError> {
        let order = document.order_id.0.to_string();
        let refused = |error: serde_json::Error| {
            let what = format!("order {order} cannot be stored: {error}");
            ViewError::Refused { view: VIEW, what }
        };

        let action = json!({ "index": { "_id": order, "version": stamp.external(), "version_type": "external" } });
        serde_json::to_writer(&mut self.lines, &action).map_err(refused)?;
        self.lines.push(b'\n');
        serde_json::to_writer(&mut self.lines, &Indexed::new(document)).map_err(refused)?;
        self.lines.push(b'\n');
        self.documents += 1;

        Ok(())
    }
}

struct Sender<'a> {
    client: &'a Client,
    alias: &'a str,
    under_way: Option<JoinHandle<Result<Vec<OrderId>, ViewError>>>,
    newer: Vec<OrderId>,
}

impl Sender<'_> {
    async fn send(&mut self, part: Part) -> Result<(), ViewError> {
        self.finish().await?;
        let (client, path) = (self.client.clone(), format!("/{}/_bulk", self.alias));

        self.under_way = Some(tokio::spawn(async move {
            let parameters = [("require_alias", "true"), ("filter_path", ANSWER)];
            let Part { lines, documents } = part;
            let reply: Reply = client
                .send(Method::Post, &path, &parameters, Some(lines), WRITE_TIMEOUT)
                .await?;
            let order_of = |id: String| match id.parse() {
                Ok(order) => Ok(OrderId(order)),
                Err(_) => {
                    Err(Failure::Incomplete(format!("{id:?} is not the id of an order")).into())
                }
            };
            reply.check(documents)?.into_iter().map(order_of).collect()
        }));

        Ok(())
    }

    async fn finish(&mut self) -> Result<(), ViewError> {
        if let Some(part) = self.under_way.take() {
            self.newer.extend(
                part.await
                    .map_err(|error| Failure::Incomplete(error.to_string()))??,
            );
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: DocumentOutcome,
}

#[derive(Deserialize)]
struct DocumentOutcome {
    #[serde(default, rename = "_id")]
    id: String,
    status: u16,
    error: Option<ErrorCause>,
}

impl DocumentOutcome {
    fn is_stored(&self) -> bool {
        self.error.is_none() && (200..300).contains(&self.status)
    }

    /// Whether the same document, or a newer one, was there.
    fn is_newer(&self) -> bool {
        self.error
            .as_ref()
            .is_some_and(|error| (self.status, error.kind.as_str()) == NEWER)
    }
}

impl Reply {
    /// Every document that was sent must be answered for, whatever the answer says of all of them.
    /// Gives the ids of those that were there already.
    ///
    /// One document that can never be stored is told before any that may be stored later: it would
    /// be in the way then.
    fn check(self, sent: usize) -> Result<Vec<String>, ViewError> {
        let mut unavailable = None;
        let mut newer = Vec::new();

        if self.items.len() != sent {
            let what = format!("{} of {sent} documents are answered for", self.items.len());
            unavailable = Some(Failure::Incomplete(what));
        }

        for outcome in self.items.into_iter().map(|item| item.index) {
            if outcome.is_stored() {
                continue;
            }
            if outcome.is_newer() {
                newer.push(outcome.id);
                continue;
            }
            let DocumentOutcome { id, status, error } = outcome;
            let (kind, reason) =
                error.map_or_else(Default::default, |error| (error.kind, error.reason));
            if is_bad_data(status) {
                let what = format!("order {id} cannot be stored: {kind}: {reason}");
                return Err(ViewError::Refused { view: VIEW, what });
            }
            unavailable.get_or_insert(Failure::Refused {
                status,
                kind,
                reason,
            });
        }

        unavailable.map_or(Ok(newer), |failure| Err(failure.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(items: &[(u16, &str)]) -> Result<Vec<String>, ViewError> {
        let item = |(status, kind): &(u16, &str)| match *kind {
            "" => json!({ "index": { "_id": "x", "status": status } }),
            kind => {
                json!({ "index": { "_id": "x", "status": status, "error": { "type": kind, "reason": "r" } } })
            }
        };
        let sent = items.len();
        let items: Vec<_> = items.iter().map(item).collect();
        serde_json::from_value::<Reply>(json!({ "items": items }))
            .unwrap()
            .check(sent)
    }

    #[test]
    fn each_document_of_an_answer_is_looked_at() {
        assert_eq!(
            check(&[(201, ""), (200, "")]).unwrap(),
            Vec::<String>::new()
        );

        assert_eq!(check(&[(201, ""), NEWER]).unwrap(), ["x"]);

        for status in [404, 429, 500, 503] {
            assert!(
                check(&[NEWER, (status, "later")])
                    .unwrap_err()
                    .is_transient(),
                "{status}"
            );
        }

        assert!(matches!(
            check(&[(429, "later"), (400, "mapper")]),
            Err(ViewError::Refused { .. })
        ));
    }

    #[test]
    fn only_a_newer_version_makes_a_conflict_a_success() {
        assert!(
            check(&[(409, "some_other_exception")])
                .unwrap_err()
                .is_transient()
        );

        assert!(check(&[(409, "")]).unwrap_err().is_transient());

        assert!(
            check(&[(500, "version_conflict_engine_exception")])
                .unwrap_err()
                .is_transient()
        );

        let of_another_operation = json!({ "items": [{ "create": { "status": 409 } }] });
        assert!(serde_json::from_value::<Reply>(of_another_operation).is_err());
    }

    #[test]
    fn a_document_that_is_not_answered_for_is_not_taken_to_be_stored() {
        let reply = |items: &str| serde_json::from_str::<Reply>(items).unwrap();
        let one = r#"{ "items": [{ "index": { "_id": "x", "status": 201 } }] }"#;
        assert!(reply(one).check(1).is_ok());
        assert!(reply(one).check(2).unwrap_err().is_transient());
        assert!(reply("{}").check(1).unwrap_err().is_transient());
    }
}
