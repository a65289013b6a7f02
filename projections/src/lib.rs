//! The query side: events become views, views answer queries.
//!
//! ```text
//! Log ──► projector ──► ViewWriter ──► store of the view ──► DocumentReader ──► query
//!             │                                                    ▲
//!             └── after each commit ──► waiting ◄── token ─────────┘
//! ```
//!
//! Start at [`views`], where it is put together. A view is disposable: it can be made again from
//! the events at any time, so nothing here is durable beyond what saves time.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::as_conversions
    )
)]

mod alarm;
pub mod audit;
mod background;
pub mod document;
pub mod documents;
pub mod entity_documents;
pub mod error;
mod files;
mod fold;
pub mod generations;
mod metrics;
pub mod port;
pub mod positions;
pub mod projector;
pub mod rows;
pub mod search;
mod stored_rows;
pub mod token;
pub mod views;
pub mod waiting;

#[cfg(test)]
mod testing;

pub use document::{CustomerDocument, CustomerOrder, Document, OrderDocument};
pub use documents::DocumentReader;
pub use error::ViewError;
pub use port::{Applied, Event, Payload, QuarantinedEntity, VersionReader, ViewWriter};
pub use rows::EntityRows;
pub use stored_rows::StoredRows;
pub use token::ConsistencyToken;
pub use views::{ViewStores, Views, ViewsConfig};
