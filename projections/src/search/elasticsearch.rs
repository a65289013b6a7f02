//! The search view on Elasticsearch.
//!
//! Texts are analysed here, by the one [`analysis`](crate::search::analysis), and Elasticsearch is
//! given the words that come out (`document`); scores are sums of constants that were computed here
//! as well (`lookup`). So it finds, and puts in order, what the embedded index does, whatever its
//! version and plugins are, and no text of a caller is ever query syntax.
//!
//! # What becomes visible when
//!
//! The index is refreshed by the writer's commit and by nothing else. A commit takes four steps,
//! each durable before the next: it stores up to where it *reaches*, writes the documents,
//! refreshes the index, and stores the *positions*; the last together with the first of the next
//! commit, when that comes at once. So at any moment, crashes included,
//!
//! - searches find all that the positions say: who waits for those sees it;
//! - what a search finds is at most what the reach says, when that is read after the search: a
//!   token made of it never asks for less than was shown. It may ask for a little more, and then
//!   its reader waits for the commit under way.
//!
//! A crash between the steps leaves the positions behind the documents. The events come again, and
//! the stored versions make them duplicates.
//!
//! # Versions
//!
//! Documents are written with external versions: Elasticsearch refuses one that is not newer than
//! what it has (409), which is success, since an order's document has one source. A whole order
//! that is put over a newer one must win all the same, so the external version is made of two
//! numbers (`document::Stamp`): how often the document was put, and the order's own version.
//!
//! What is stored besides the orders, the catalog and the state of each generation, is one document
//! each in an index of its own (`state`). Two writers of one generation are told apart there: the
//! state is written only over the state that was read.

mod bulk;
mod catalog;
mod client;
mod document;
mod index;
mod index_slices;
mod lookup;
mod mget;
mod ownership;
mod reader;
mod state;
mod store;
mod writer;

pub use client::InvalidAddress;
pub use store::ElasticsearchStore;

/// What stores the view, in `GET /views`.
pub const BACKEND: &str = "elasticsearch";

#[cfg(test)]
pub(crate) mod tests;
