//! The floor of Elasticsearch: documents with the fields of the view's index, by `_bulk` and one
//! refresh per batch.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use elasticsearch::Elasticsearch;
use elasticsearch::http::Method;
use elasticsearch::http::headers::HeaderMap;
use elasticsearch::http::request::Body;
use projections::OrderDocument;
use projections::search::analysis;
use projections::search::points::{self, POINT_BITS};
use projections::search::singular::singular;
use serde_json::{Value, json};

use super::{Changed, Floor};
use crate::views::place::Place;
use crate::views::throughput::FLOOR;

/// Sends about this many bytes at once, as the view does.
const PART_BYTES: usize = 5 << 20;
const TIMEOUT: Duration = Duration::from_secs(30);

/// Writes documents by the bare client.
pub struct ElasticsearchFloor<'a> {
    place: &'a Place<'a>,
    client: Elasticsearch,
    index: String,
}

impl<'a> ElasticsearchFloor<'a> {
    /// Opens the index of another generation.
    pub fn open(place: &'a Place<'a>) -> anyhow::Result<Self> {
        let index = format!("{}-orders-{FLOOR}", place.namespace);
        Ok(ElasticsearchFloor {
            place,
            client: place.elasticsearch()?,
            index,
        })
    }

    /// The bodies of the requests of a batch.
    fn parts(&self, orders: &[OrderDocument]) -> anyhow::Result<Vec<Vec<u8>>> {
        let mut parts = vec![Vec::new()];

        for order in orders {
            if parts
                .last()
                .is_some_and(|part: &Vec<u8>| part.len() >= PART_BYTES)
            {
                parts.push(Vec::new());
            }
            let Some(part) = parts.last_mut() else {
                continue;
            };
            serde_json::to_writer(&mut *part, &json!({"index": {"_id": order.order_id}}))?;
            part.push(b'\n');
            serde_json::to_writer(&mut *part, &document(order))?;
            part.push(b'\n');
        }

        Ok(parts)
    }

    async fn send(&self, path: &str, body: Option<impl Body>) -> anyhow::Result<()> {
        let filter = [("filter_path", "errors,_shards.failed")];

        let answer = self
            .client
            .send(
                Method::Post,
                path,
                HeaderMap::new(),
                Some(&filter),
                body,
                Some(TIMEOUT),
            )
            .await?;
        let status = answer.status_code();
        let said: Value = answer.json().await?;
        let failed = said.pointer("/errors") == Some(&Value::Bool(true));
        ensure!(status.is_success() && !failed, "{path}: {status} {said}");

        Ok(())
    }
}

/// As the view sends it: the words of each value, their singulars, and the digits of their points.
fn document(order: &OrderDocument) -> Value {
    let (mut singulars, mut words) = (Vec::new(), Vec::new());
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    let mut count = 0;

    let lines = order
        .lines
        .iter()
        .flat_map(|line| [line.name.as_str(), line.sku.as_str()]);

    for text in lines
        .chain(order.note.as_deref())
        .chain(order.customer_name.as_deref())
    {
        let (mut of_text, mut as_written) = (Vec::new(), Vec::new());
        for word in analysis::words(text) {
            let singular = singular(&word.text).into_owned();
            *times.entry(singular.clone()).or_default() += 1;
            let same = singular == word.text;
            count += if same { 1 } else { 2 };
            as_written.push(if same { "-".to_owned() } else { word.text });
            of_text.push(singular);
        }
        singulars.push(of_text.join(" "));
        words.push(as_written.join(" "));
    }

    let length = points::length(count);
    let digits = times.iter().flat_map(|(word, times)| {
        let points = points::of_word(*times, length);
        (0..POINT_BITS)
            .filter(move |digit| points >> digit & 1 == 1)
            .map(move |digit| format!("{digit}{word}"))
    });

    json!({
        "id": order.order_id,
        "created": order.creation_time.micros(),
        "total": order.order_total.cents(),
        "state": order.state.name(),
        "customer": order.customer_id,
        "singulars": singulars,
        "words": words,
        "points": digits.collect::<Vec<_>>(),
        "document": order,
    })
}

impl Floor for ElasticsearchFloor<'_> {
    fn write(&mut self, changed: &Changed) -> anyhow::Result<Duration> {
        let parts = self.parts(&changed.orders)?;

        let (bulk, refresh) = (
            format!("/{}/_bulk", self.index),
            format!("/{}/_refresh", self.index),
        );

        self.place.runtime.block_on(async {
            let begun = Instant::now();
            for part in parts.into_iter().filter(|part| !part.is_empty()) {
                self.send(&bulk, Some(part)).await?;
            }
            self.send(&refresh, None::<()>).await?;
            Ok(begun.elapsed())
        })
    }
}
