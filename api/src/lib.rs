//! The binary `counterfoil`: configuration, HTTP routes, command line and the wiring of the parts.
//!
//! Which store and which actors stand behind the routes is decided once, in [`app`].
//! Nothing here decides business questions: that is the `domain` crate.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions))]

pub mod app;
pub mod cli;
pub mod config;
pub mod logging;
pub mod shutdown;
