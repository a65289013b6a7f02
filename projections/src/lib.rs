//! The query side: events become views, views answer queries.
//!
//! ```text
//! Log ──► projector ──► ViewWriter ──► store of the view ──► reader ──► query
//!             │                                                 ▲
//!             └── after each commit ──► waiting ◄── token ──────┘
//! ```
//!
//! Start at [`views`], where it is put together, and at [`projection`], what a view is. A view is
//! disposable: it can be made again from the events at any time, so nothing here is durable beyond
//! what saves time.
//!
//! The mechanism knows no service. The shop's two views, `documents` and `search`, and what they
//! have in common (`shop`), are there with the feature `shop` only; they use nothing of the
//! mechanism that views of another team could not use as well.

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
pub mod background;
pub mod entity_rows;
pub mod error;
pub mod files;
pub mod generations;
pub mod metrics;
pub mod port;
pub mod positions;
pub mod projection;
pub mod projector;
#[cfg(any(test, feature = "testing"))]
pub mod simulated;
pub mod slices;
pub mod token;
pub mod views;
pub mod waiting;

#[cfg(feature = "shop")]
pub mod documents;
#[cfg(feature = "shop")]
pub mod search;
#[cfg(feature = "shop")]
pub mod shop;

#[cfg(all(test, feature = "shop"))]
mod testing;

pub use entity_rows::{EntityRanges, EntityRows, NoRows, ServiceRanges};
pub use error::ViewError;
pub use port::{Applied, QuarantinedEntity, VersionReader, ViewWriter};
pub use projection::{EntityFold, Projection, ViewEntity};
pub use token::ConsistencyToken;
pub use views::{Registration, Views, ViewsConfig};

#[cfg(feature = "shop")]
pub use documents::DocumentReader;
#[cfg(feature = "shop")]
pub use shop::{
    CustomerDocument, CustomerOrder, Document, OrderDocument, ShopViews, StoredRows, ViewStores,
};
