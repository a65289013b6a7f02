//! The query side: events become views, views answer queries.

pub mod document;
pub mod error;
pub mod port;

pub use document::{CustomerDocument, CustomerOrder, OrderDocument};
pub use error::ViewError;
pub use port::{Applied, Event, Payload, ViewWriter};
