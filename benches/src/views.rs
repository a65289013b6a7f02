//! The views measured by themselves, without HTTP and without the command side.
//!
//! - [`throughput`]: how many events per second the writer of a view takes in, beside a [`floor`]
//!   that writes the same documents to the same store with the bare client;
//! - [`composition`]: *recent, valuable customers*, asked of the services' own databases and joined
//!   by the asker, and asked of the document view.

pub mod composition;
pub mod floor;
pub mod options;
pub mod place;
pub mod shop;
pub mod throughput;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

use self::options::{Command, Options};

/// Runs what the command line asks for. The exit code is 1 when what was measured is wrong.
pub fn run(options: Options) -> anyhow::Result<ExitCode> {
    // As a node has it: connections on a runtime of two threads, the writer of a view on a thread
    // of its own.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;

    match options.command {
        Command::Throughput(asked) => {
            let report = throughput::measure(&runtime, &options.place, &asked)?;
            tell(&report, options.json.as_deref())?;
        }
        Command::Composition(asked) => {
            let report = composition::measure(&runtime, &options.place, &asked)?;
            if let Some(picture) = &asked.svg {
                let svg = composition::plot::svg(&report);
                std::fs::write(picture, svg)
                    .with_context(|| format!("svg: cannot write {}", picture.display()))?;
            }
            tell(&report, options.json.as_deref())?;
        }
    }

    Ok(ExitCode::SUCCESS)
}

/// Prints a report, and writes it as JSON where that was asked for.
fn tell(report: &(impl std::fmt::Display + Serialize), json: Option<&Path>) -> anyhow::Result<()> {
    let Some(path) = json else {
        print!("{report}");
        return Ok(());
    };
    eprint!("{report}");
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    if path == Path::new("-") {
        print!("{text}");
        return Ok(());
    }
    std::fs::write(path, text).with_context(|| format!("json: cannot write {}", path.display()))
}
