//! The binary `counterfoil`: configuration, HTTP routes, command line and the wiring of the parts.
//!
//! The routes call the narrow traits of [`ports`]; which store and which actors stand behind them
//! is decided once, in [`app`]. Nothing here decides business questions: that is the `domain`
//! crate.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::as_conversions
    )
)]

pub mod app;
pub mod cli;
pub mod config;
pub mod http;
pub mod logging;
pub mod ports;
pub mod shutdown;
pub mod telemetry;
