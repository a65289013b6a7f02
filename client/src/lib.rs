//! The half of the command line that talks to a running node, over the public HTTP contract and
//! nothing else.
//!
//! It knows no table, no actor and no view: any other client could ask for what it prints. One
//! module per command, each with `run(args)`; `main` parses the arguments of [`args`] and hands the
//! result to [`exit_code`]. It does not start a node (`demo` gets the address of one that runs
//! already).

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::as_conversions
    )
)]

pub mod actions;
pub mod args;
mod bulk;
pub mod customers;
pub mod demo;
pub mod explain;
pub mod health;
pub mod http;
pub mod import;
pub mod quarantine;
pub mod sagas;
pub mod views;

mod error;
mod output;
mod pages;
mod table;
mod timeline;

#[cfg(test)]
mod fake;

use std::process::ExitCode;

pub use error::{ClientError, Problem};

/// Ends a command: what it returned, or its error as one line on stderr and exit code 1.
#[must_use]
pub fn exit_code(result: Result<ExitCode, ClientError>) -> ExitCode {
    result.unwrap_or_else(|error| {
        output::complain(&error.to_string());
        ExitCode::FAILURE
    })
}
