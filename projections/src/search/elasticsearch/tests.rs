//! What is particular to Elasticsearch. These tests need a server; they have a namespace each,
//! which is removed.

use std::sync::Arc;

use elasticsearch::http::Method;
use serde_json::Value;
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::client::{Client, WRITE_TIMEOUT};
use super::index::Names;
use super::store::ElasticsearchStore;
use crate::ViewError;
use crate::generations::{Opened, ViewStore as _};
use crate::search::contract::Open;
use crate::search::{Search, SearchQuery, Sort};
use crate::testing::DEPLOYMENT;

mod damage;
mod faults;
mod no_server;
mod proxy;
mod time_limit;

fn address() -> String {
    std::env::var("COUNTERFOIL_TEST_ELASTICSEARCH_URL").expect(
        "COUNTERFOIL_TEST_ELASTICSEARCH_URL must name an Elasticsearch for the tests that need one",
    )
}

/// An empty place on the server, removed when it is dropped.
struct Place {
    runtime: Runtime,
    client: Client,
    namespace: String,
}

impl Place {
    fn new() -> Self {
        Place::at(&address())
    }

    /// For the tests that reach no server.
    fn without_server() -> Self {
        Place::at("http://127.0.0.1:1")
    }

    fn at(address: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let client = Client::new(address).unwrap();
        Place {
            runtime,
            client,
            namespace: format!("test-{}", Uuid::new_v4().simple()),
        }
    }

    fn store(&self) -> Arc<ElasticsearchStore> {
        Arc::new(self.store_at(&address()))
    }

    fn store_at(&self, address: &str) -> ElasticsearchStore {
        ElasticsearchStore::new(address, &self.namespace, self.runtime.handle().clone()).unwrap()
    }

    fn names(&self) -> Names {
        Names::new(&self.namespace).unwrap()
    }

    fn open(
        &self,
        store: &ElasticsearchStore,
        generation: u32,
    ) -> Result<Opened<Search>, ViewError> {
        self.runtime.block_on(store.open(generation, DEPLOYMENT))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let path = format!("/{}-*", self.namespace);
        let found = self
            .client
            .send::<Value>(Method::Get, &path, &[], None::<()>, WRITE_TIMEOUT);
        let Ok(Value::Object(indices)) = self.runtime.block_on(found) else {
            return;
        };
        for index in indices.keys() {
            self.runtime
                .block_on(self.client.delete(&format!("/{index}")))
                .unwrap();
        }
    }
}

/// For the contract.
pub(crate) fn place() -> Open {
    let place = Place::new();
    Box::new(move || place.store())
}

/// Elasticsearch looks at 128 words in a phrase, unless the prefix has postings of its own.
#[test]
#[ignore = "needs Elasticsearch: COUNTERFOIL_TEST_ELASTICSEARCH_URL"]
fn a_long_prefix_in_a_phrase_is_answered_in_full_or_refused_by_name() {
    let place = Place::new();
    let mut opened = place.open(&place.store(), 1).unwrap();

    let many = 1_100;
    for number in 1..=many {
        let created = faults::noted(&format!("ac-thelongestprefixofall{number:04}"));
        opened
            .writer
            .apply(&faults::event(number, number.into(), 1, created))
            .unwrap();
    }

    opened.writer.commit(&faults::up_to(many)).unwrap();

    for (text, expected) in [
        ("ac-thelongestprefixofa*", Some(many)),
        ("ac-thelongestprefixofal*", None),
        ("ac-thelongestprefixofall*", None),
        ("ac-thelongestprefixofall01*", Some(100)),
        ("ac-thelongestprefixofall0100*", Some(1)),
        ("ab-thelongestprefixofa*", Some(0)),
        ("thelongestprefixofall*", Some(many)),
    ] {
        for sort in [Sort::Relevance, Sort::Newest] {
            let query = SearchQuery {
                text: Some(text.to_owned()),
                sort: Some(sort),
                ..SearchQuery::default()
            };
            match (
                place.runtime.block_on(opened.reader.search(query)),
                expected,
            ) {
                (Ok(page), Some(expected)) => assert_eq!(page.total, expected, "{text}"),
                (Err(ViewError::InvalidQuery { field: "text", .. }), None) => {}
                (result, _) => panic!("{text}: {result:?}"),
            }
        }
    }
}
