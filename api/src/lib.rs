//! The binary `counterfoil`: configuration, HTTP routes, command line and the wiring of the parts.
//!
//! The routes call the narrow traits of [`ports`]; [`app`] alone decides which store and which
//! actors stand behind them. Nothing here decides business questions: the `domain` crate does.

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
pub mod files;
pub mod http;
pub mod logging;
pub mod metric_names;
mod output;
pub mod ports;
pub mod shutdown;
pub mod telemetry;
