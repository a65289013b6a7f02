//! The search view: orders found by their words, filtered, sorted and paged.
//!
//! One query model ([`query`], [`text`]) and one analysis ([`analysis`]) stand before every
//! backend, so that all of them give the same answers: a backend finds and orders documents,
//! highlights are made here from the documents it finds ([`highlight`]), and how well one matches
//! is defined here too ([`points`]). [`embedded`] keeps the index in the data folder, with tantivy;
//! [`elasticsearch`] keeps it on a server.
//!
//! What is not done here: reading the event log (the projector does) and waiting for versions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::{OrderId, Service};
use futures_util::future::BoxFuture;
use store::Positions;
use uuid::Uuid;

use crate::projection::Projection;
use crate::projector::{CommitPolicy, ViewDefinition};
use crate::shop::OrderDocument;
use crate::shop::history_fold::OrderFold;
use crate::{VersionReader, ViewError, ViewWriter};

pub mod analysis;
#[cfg(test)]
mod contract;
pub mod elasticsearch;
pub mod embedded;
mod fold;
pub mod highlight;
pub mod points;
pub mod query;
pub mod singular;
pub mod text;

pub use elasticsearch::ElasticsearchStore;
pub use embedded::{EmbeddedSearchStore, open_embedded};
pub use highlight::Highlights;
pub use query::{SearchQuery, Sort};

/// The view's name in errors, logs and metrics.
pub const VIEW: &str = "search";

/// A search that takes longer is given up. Elasticsearch is told so, and answers before its client
/// gives the request up.
pub const TIME_LIMIT: Duration = Duration::from_secs(4);

/// What is registered of the view. A commit of the index costs tens of milliseconds, whatever is in
/// it; a reader that waits asks for one at once.
pub const DEFINITION: ViewDefinition = ViewDefinition {
    name: VIEW,
    // Whoever changes what a document is made of raises it, and every node builds the view anew
    // while the old one answers.
    number: 3,
    uses: &[domain::ORDERS],
    commit: CommitPolicy {
        linger: Duration::from_secs(1),
        rush: None,
        max_events: 50_000,
    },
};

/// The search view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {}

impl Projection for Search {
    type Reader = dyn SearchReader;
    type Entity = OrderDocument;
    type Fold = OrderFold;
}

/// Both sides of an open search view.
pub type SearchView = (Box<dyn ViewWriter<OrderDocument>>, Arc<dyn SearchReader>);

/// One order found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The order.
    pub document: OrderDocument,
    /// How well the words match, larger is better; only with a text. It depends on the query and
    /// the document alone, not on what else is indexed, so that it stays what it was while orders
    /// come in.
    pub score: Option<f32>,
    /// Only with a text.
    pub highlights: Option<Highlights>,
}

/// One page of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchPage {
    /// The orders of this page, in the order asked for.
    pub hits: Vec<Hit>,
    /// How many orders match in all, exactly, whatever the page.
    pub total: u64,
    /// The cursor of the next page; `None` on the last one.
    pub next: Option<String>,
    /// What the view had reached when it answered.
    pub positions: Positions,
}

/// How searches know what they have taken in, for readers that wait.
#[derive(Debug)]
pub struct SearchVersions(pub Arc<dyn SearchReader>);

impl VersionReader for SearchVersions {
    fn versions_of<'a>(
        &'a self,
        entities: &'a [(Service, Uuid)],
    ) -> BoxFuture<'a, Result<Vec<u64>, ViewError>> {
        Box::pin(async move {
            let mut versions = Vec::with_capacity(entities.len());
            for (_, order) in entities {
                versions.push(self.0.version_of(OrderId(*order)).await?.unwrap_or(0));
            }
            Ok(versions)
        })
    }
}

/// The read side of the search view. It sees what was committed, nothing else.
pub trait SearchReader: Send + Sync + fmt::Debug {
    /// Answers a query.
    ///
    /// # Errors
    /// [`ViewError::InvalidQuery`] names the field; [`ViewError::TimedOut`] after [`TIME_LIMIT`];
    /// [`ViewError::Unavailable`] when the view store does not answer or too many searches are
    /// under way.
    fn search(&self, query: SearchQuery) -> BoxFuture<'_, Result<SearchPage, ViewError>>;

    /// The version of an order that searches find; `None` when it is not there yet.
    ///
    /// # Errors
    /// When the view store does not answer.
    fn version_of(&self, order: OrderId) -> BoxFuture<'_, Result<Option<u64>, ViewError>>;

    /// The positions of what searches find.
    ///
    /// # Errors
    /// When the view store does not answer.
    fn positions(&self) -> BoxFuture<'_, Result<Positions, ViewError>>;
}

/// What went wrong in the store of this view.
fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ViewError {
    ViewError::Unavailable {
        view: VIEW,
        source: source.into(),
    }
}

/// A search was given up.
fn timed_out() -> ViewError {
    ViewError::TimedOut {
        view: VIEW,
        limit: TIME_LIMIT,
    }
}

/// What is stored cannot be read, or is gone.
fn damaged(what: impl fmt::Display) -> ViewError {
    ViewError::Damaged {
        view: VIEW,
        what: what.to_string(),
    }
}

/// This data cannot be taken in.
fn refused(what: impl fmt::Display) -> ViewError {
    ViewError::Refused {
        view: VIEW,
        what: what.to_string(),
    }
}
