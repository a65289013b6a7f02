//! The index as an auditor reads it: every order that searches find, by id, page by page.

use domain::{OrderId, Service};
use elasticsearch::http::Method;
use elasticsearch::http::request::JsonBody;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use store::snapshot::IdRange;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::client::{Client, READ_TIMEOUT};
use super::document::{Source, Stamp};
use super::index::Names;
use super::{mget, state};
use crate::ViewError;
use crate::search::{damaged, unavailable};
use crate::shop::OrderDocument;
use crate::shop::document::beside_order;
use crate::slices::{Slice, Stored, ViewAudit};

/// Orders read at once: more than auditors ask for, so that one answer has the whole range.
const PAGE: usize = 2_500;

/// A generation opened to be read in whole.
#[derive(Clone)]
pub(super) struct ElasticsearchAudit {
    pub(super) client: Client,
    pub(super) names: Names,
    pub(super) generation: u32,
    pub(super) runtime: Handle,
}

impl ViewAudit<OrderDocument> for ElasticsearchAudit {
    fn slice(
        &self,
        _: Service,
        range: IdRange,
    ) -> BoxFuture<'_, Result<Slice<OrderDocument>, ViewError>> {
        let audit = self.clone();
        self.run(async move {
            // The positions come first: what is read after them shows at least what they say.
            let (state, _) = state::load(&audit.client, &audit.names, audit.generation).await?;

            Ok(Slice {
                entities: audit.read(range).await?,
                positions: state.positions,
                quarantined: state.quarantined,
            })
        })
        .boxed()
    }
}

impl ElasticsearchAudit {
    /// Runs `work` where the connections belong.
    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ViewError>> + Send + 'static,
    ) -> Result<T, ViewError> {
        let task = self.runtime.spawn(work);
        task.await.map_err(unavailable)?
    }

    async fn read(&self, range: IdRange) -> Result<Vec<Stored<OrderDocument>>, ViewError> {
        let path = format!("/{}/_search", self.names.orders(self.generation));

        let parameters = [
            ("allow_partial_search_results", "false"),
            ("filter_path", "hits.hits"),
        ];

        let mut orders: Vec<Stored<OrderDocument>> = Vec::new();

        let mut after = range.after;
        loop {
            let body = Some(JsonBody::new(body(after, range.up_to)));
            let found: Found = self
                .client
                .send(Method::Post, &path, &parameters, body, READ_TIMEOUT)
                .await?;
            let found = found.hits.hits;
            let is_last = found.len() < PAGE;
            for hit in found {
                let order = stored(hit)?;
                after = Some(order.id);
                // The server's own key is the same id, so one can be there twice only when that has
                // gone wrong.
                match orders.last_mut().filter(|last| last.id == order.id) {
                    Some(last) => last.hits += 1,
                    None => orders.push(order),
                }
            }
            if is_last {
                return Ok(orders);
            }
        }
    }
}

/// The next page of a range.
fn body(after: Option<Uuid>, up_to: Option<Uuid>) -> Value {
    let bounds = [("gt", after), ("lte", up_to)].into_iter();

    let bounds: Map<String, Value> = bounds
        .filter_map(|(name, id)| Some((name.to_owned(), Value::from(id?.to_string()))))
        .collect();

    let query = if bounds.is_empty() {
        json!({ "match_all": {} })
    } else {
        json!({ "range": { "id": bounds } })
    };
    // The source in whole: picking a part of it costs the server more than sending it.
    json!({
        "query": query,
        "sort": ["id"],
        "size": PAGE,
        "version": true,
        "track_total_hits": false,
        "docvalue_fields": ["id", "total"],
    })
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    hits: Hits,
}

#[derive(Default, Deserialize)]
struct Hits {
    #[serde(default)]
    hits: Vec<FoundHit>,
}

#[derive(Deserialize)]
struct FoundHit {
    #[serde(rename = "_version")]
    version: u64,
    #[serde(rename = "_source")]
    source: Source,
    fields: Columns,
}

#[derive(Deserialize)]
struct Columns {
    id: Vec<Uuid>,
    total: Vec<i64>,
}

fn stored(hit: FoundHit) -> Result<Stored<OrderDocument>, ViewError> {
    let FoundHit {
        version,
        source,
        fields,
    } = hit;

    let (Some(id), Some(total_cents)) = (fields.id.first(), fields.total.first()) else {
        return Err(damaged("a document without its fields"));
    };

    let document = mget::document(source).and_then(|document| {
        // What is found under the id of another order is not this one.
        let right = document.order_id == OrderId(*id);
        right.then_some(document).ok_or_else(|| {
            damaged(format_args!(
                "order {id} is stored with the document of another"
            ))
        })
    });
    let version = u64::from(Stamp::read(version).version);

    Ok(Stored {
        disagreements: beside_order(&document, version, *total_cents),
        ..Stored::once(*id, document)
    })
}

#[cfg(test)]
mod tests {
    use domain::{CustomerId, Money, OrderState, Timestamp};

    use super::*;

    /// A hit as the server answers it, for an order at version 1 of 7.00.
    fn hit(version: u32, total: i64) -> FoundHit {
        let id = Uuid::from_u128(2);
        let document = OrderDocument {
            order_id: OrderId(id),
            customer_id: CustomerId(Uuid::from_u128(1)),
            customer_name: None,
            order_total: Money::from_cents(700),
            state: OrderState::Pending,
            rejection_reason: None,
            lines: Vec::new(),
            note: None,
            creation_time: Timestamp::from_micros(1),
            version: 1,
        };
        let stamp = Stamp::new(0, u64::from(version)).unwrap();
        let hit = json!({
            "_version": stamp.external(),
            "_source": { "document": document },
            "fields": { "id": [id], "total": [total] },
        });
        serde_json::from_value(hit).unwrap()
    }

    #[test]
    fn what_stands_beside_an_order_and_says_otherwise_is_told() {
        assert_eq!(stored(hit(1, 700)).unwrap().disagreements, []);

        let wrong = stored(hit(9, 800)).unwrap().disagreements;
        let told: Vec<_> = wrong.iter().map(|told| told.what).collect();
        assert_eq!(told, ["version", "total"]);
    }
}
