//! The floor of each backend: the documents that a batch leaves behind, written by the bare client
//! into an empty generation of the same view, with its tables and indexes.
//!
//! It leaves out what makes a projection right: folding events, guards by version, positions,
//! quarantine. It makes the documents ready before the clock starts, so that it measures only the
//! client and the store.

pub mod elasticsearch;
pub mod mongodb;
pub mod sqlite;
pub mod tantivy;

use std::collections::BTreeSet;
use std::time::Duration;

use projections::OrderDocument;
use uuid::Uuid;

use super::options::{Backend, Throughput};
use super::place::Place;

/// What a batch has changed.
pub struct Changed {
    /// Customers that the batch has changed.
    pub customers: BTreeSet<Uuid>,
    /// As the batch leaves them.
    pub orders: Vec<OrderDocument>,
    /// The orders among them that an earlier batch has written.
    pub known: BTreeSet<Uuid>,
}

/// Writes the documents of one batch after the other, durable and visible as the view's own.
pub trait Floor {
    /// How long the writing took. The view has committed the batch already.
    fn write(&mut self, changed: &Changed) -> anyhow::Result<Duration>;
}

/// The floor of a backend.
pub fn open<'a>(place: &'a Place<'a>, asked: &Throughput) -> anyhow::Result<Box<dyn Floor + 'a>> {
    Ok(match asked.backend {
        Backend::Sqlite => Box::new(sqlite::SqliteFloor::open(place.folder())?),
        Backend::Tantivy => Box::new(tantivy::TantivyFloor::open(place.folder())?),
        Backend::Mongodb => Box::new(mongodb::MongoFloor::open(place, asked.customer_writes)?),
        Backend::Elasticsearch => Box::new(elasticsearch::ElasticsearchFloor::open(place)?),
    })
}
