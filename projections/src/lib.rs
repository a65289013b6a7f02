//! The query side: events become views, views answer queries.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions))]

pub mod document;
pub mod error;
pub mod port;
pub mod search;

pub use document::{CustomerDocument, CustomerOrder, OrderDocument};
pub use error::ViewError;
pub use port::{Applied, Event, Payload, ViewWriter};
