//! The read side: answers queries from what the newest refresh shows.
//!
//! A search comes first and the reach after it, so that the token made of an answer never asks for
//! less than was shown.

use std::fmt;
use std::sync::Arc;

use domain::{OrderId, Service};
use elasticsearch::http::Method;
use elasticsearch::http::request::JsonBody;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use store::Positions;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::client::{Client, READ_TIMEOUT};
use super::document::Source;
use super::index::{MAX_INDEXED_PREFIX, Names};
use super::lookup::search_body;
use super::mget::{self, As};
use super::state;
use crate::search::highlight::highlight;
use crate::search::points::{rank_of, score_of};
use crate::search::query::{Prepared, Sort, SortKey, write_cursor};
use crate::search::{Hit, SearchPage, SearchQuery, SearchReader, timed_out, unavailable};
use crate::{OrderDocument, VersionReader, ViewError};

/// At most this many requests are under way at a time; the next one is refused.
const MAX_UNDER_WAY: usize = 256;
/// How Elasticsearch says that a prefix in a phrase fits more words than it looks at (128). It
/// happens only to those that are longer than the prefixes that have postings of their own.
const TOO_MANY_WORDS: &str = "expanded to too many terms";

/// How Elasticsearch says that it has given a search up, when it may not answer with a part.
const OUT_OF_TIME: &str = "Time exceeded";

#[derive(Clone)]
pub(super) struct ElasticsearchReader {
    generation: Generation,
    runtime: Handle,
    admitted: Arc<Semaphore>,
}

/// The generation that is read.
#[derive(Clone)]
struct Generation {
    client: Client,
    names: Names,
    number: u32,
}

impl fmt::Debug for ElasticsearchReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ElasticsearchReader")
            .field("generation", &self.generation.number)
            .finish_non_exhaustive()
    }
}

impl ElasticsearchReader {
    pub(super) fn new(client: Client, names: Names, number: u32, runtime: Handle) -> Self {
        let generation = Generation {
            client,
            names,
            number,
        };
        ElasticsearchReader {
            generation,
            runtime,
            admitted: Arc::new(Semaphore::new(MAX_UNDER_WAY)),
        }
    }

    /// Runs `work` where the connections belong. It ends there, also when nobody waits for it any
    /// more.
    async fn run<T, F>(&self, work: impl FnOnce(Generation) -> F) -> Result<T, ViewError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ViewError>> + Send + 'static,
    {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned();
        let admitted = admitted.map_err(|_| unavailable("too many searches are under way"))?;

        let work = work(self.generation.clone());
        let task = self.runtime.spawn(async move {
            let result = work.await;
            drop(admitted);
            result
        });
        task.await.map_err(unavailable)?
    }
}

fn too_many_words() -> ViewError {
    let message = format!(
        "must have no prefix of more than {MAX_INDEXED_PREFIX} characters behind another word of its phrase that fits so \
         many words; make it longer, or {MAX_INDEXED_PREFIX} characters at most"
    );
    ViewError::InvalidQuery {
        field: "text",
        message,
    }
}

impl SearchReader for ElasticsearchReader {
    fn search(&self, query: SearchQuery) -> BoxFuture<'_, Result<SearchPage, ViewError>> {
        async move {
            let prepared = query.prepare()?;
            // It asks more than once: bounded one by one, the requests could take a multiple of
            // what one may.
            let search = |generation: Generation| {
                tokio::time::timeout(READ_TIMEOUT, generation.search(prepared))
            };
            self.run(move |generation| async { search(generation).await.map_err(unavailable)? })
                .await
        }
        .boxed()
    }

    fn version_of(&self, order: OrderId) -> BoxFuture<'_, Result<Option<u64>, ViewError>> {
        async move {
            let versions = self
                .run(move |generation| generation.versions(vec![order]))
                .await?;
            Ok(versions.into_iter().next().flatten())
        }
        .boxed()
    }

    fn positions(&self) -> BoxFuture<'_, Result<Positions, ViewError>> {
        self.run(|generation| async move { Ok(generation.state().await?.positions) })
            .boxed()
    }
}

impl VersionReader for ElasticsearchReader {
    fn versions_of<'a>(
        &'a self,
        entities: &'a [(Service, Uuid)],
    ) -> BoxFuture<'a, Result<Vec<u64>, ViewError>> {
        let orders = entities.iter().map(|(_, order)| OrderId(*order)).collect();
        async move {
            let versions = self
                .run(move |generation| generation.versions(orders))
                .await?;
            Ok(versions
                .into_iter()
                .map(|version| version.unwrap_or(0))
                .collect())
        }
        .boxed()
    }
}

impl Generation {
    async fn search(self, query: Prepared) -> Result<SearchPage, ViewError> {
        let path = format!("/{}/_search", self.names.orders(self.number));

        let parameters = [
            ("allow_partial_search_results", "false"),
            ("filter_path", "hits,timed_out"),
            mget::SAME_COPY,
        ];

        let body = Some(JsonBody::new(search_body(&query)));

        let found: Found = match self
            .client
            .send(Method::Post, &path, &parameters, body, READ_TIMEOUT)
            .await
        {
            Err(failure) if failure.says(TOO_MANY_WORDS) => return Err(too_many_words()),
            Err(failure) if failure.says(OUT_OF_TIME) => return Err(timed_out()),
            found => found?,
        };
        if found.timed_out {
            return Err(timed_out());
        }

        let positions = self.state().await?.reach;
        // Highlights are made of long texts.
        tokio::task::spawn_blocking(move || answer(&query, found, positions))
            .await
            .map_err(unavailable)?
    }

    async fn versions(self, orders: Vec<OrderId>) -> Result<Vec<Option<u64>>, ViewError> {
        let index = self.names.orders(self.number);
        let stamps = mget::stamps(&self.client, &index, &orders, As::Found).await?;
        Ok(stamps
            .into_iter()
            .map(|stamp| Some(u64::from(stamp?.version)))
            .collect())
    }

    async fn state(&self) -> Result<state::GenerationState, ViewError> {
        Ok(state::load(&self.client, &self.names, self.number).await?.0)
    }
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    timed_out: bool,
    hits: Hits,
}

#[derive(Deserialize)]
struct Hits {
    total: Total,
    #[serde(default)]
    hits: Vec<FoundHit>,
}

#[derive(Deserialize)]
struct Total {
    value: u64,
}

#[derive(Deserialize)]
struct FoundHit {
    #[serde(rename = "_score")]
    score: Option<f32>,
    #[serde(rename = "_source")]
    source: Source,
}

fn answer(query: &Prepared, found: Found, positions: Positions) -> Result<SearchPage, ViewError> {
    let has_more = found.hits.hits.len() > query.limit;
    let mut hits = Vec::with_capacity(query.limit);
    let mut last = None;

    for FoundHit { score, source } in found.hits.hits.into_iter().take(query.limit) {
        let document = mget::document(source)?;
        let key = key_of(query, &document, score.unwrap_or(0.0));
        let highlights = query
            .terms
            .as_ref()
            .map(|terms| highlight(terms, &document));
        hits.push(Hit {
            score: query.is_scored().then(|| score_of(key.rank)),
            highlights,
            document,
        });
        last = Some(key);
    }

    let next = last
        .filter(|_| has_more)
        .map(|key| write_cursor(query.sort, key));

    Ok(SearchPage {
        hits,
        total: found.hits.total.value,
        next,
        positions,
    })
}

fn key_of(query: &Prepared, document: &OrderDocument, score: f32) -> SortKey {
    let created = document.creation_time.micros();
    let rank = match query.sort {
        Sort::Relevance if query.is_scored() => rank_of(score),
        Sort::Total => document.order_total.cents(),
        Sort::Relevance | Sort::Newest => created,
    };
    SortKey {
        rank,
        created,
        id: document.order_id.0.as_u128(),
    }
}
