//! `import FILE|-`: plays a file of customers and orders through the public API, in order per
//! customer, many customers at once.
//!
//! Each line's `ref` is its `Idempotency-Key`, so an interrupted import is simply run again: what
//! has happened already answers as it did, and the summary comes out the same. The way of a line:
//! `source` reads it, `line` checks it, `book` resolves its references, `schedule` puts it behind
//! the other lines of its customer, `pace` says how many go at once, `player` sends it, `tally`
//! counts it, and `confirm` makes sure in the end that the views show it. `engine` is the loop
//! around all that, also used by `demo`.

mod book;
mod confirm;
pub(super) mod engine;
pub(super) mod line;
mod pace;
mod player;
pub(super) mod progress;
mod schedule;
pub(super) mod source;
mod tally;

#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::time::Duration;

use super::args::ImportArgs;
use super::http::{Freshness, Node};
use super::{ClientError, output};
use engine::{Engine, Options};
use progress::Progress;

/// Runs an import and prints its summary, also when it was stopped by a bad line or by a node that
/// went away.
pub async fn run(args: &ImportArgs) -> Result<ExitCode, ClientError> {
    let node = Node::named(&args.node)?;
    let input = source::open(&args.file)?;
    // Asked first with little patience, so that a wrong address is told at once and not after the
    // patience of an import.
    node.get(&["health", "live"], &[], &Freshness::AsItIs)
        .await?;

    let node = node.with_patience(Duration::from_secs(args.patience));
    let options = Options {
        most_at_once: usize::from(args.concurrency),
        keep_going: args.keep_going,
    };
    let progress = Progress::for_stderr(input.length);
    let lines = source::read_in_background(input);
    let report = Engine::new(node, options, progress).play(lines).await;

    if args.json {
        output::print(&report.summary.to_json()?)?;
    } else {
        output::print(&report.summary.to_text())?;
    }
    let Some(failure) = report.failure else {
        return Ok(ExitCode::SUCCESS);
    };
    if failure.is_transient() {
        output::note("the import is not complete: run it again to go on from where it stopped");
    }
    Err(match failure {
        stopped @ ClientError::ImportStopped { .. } => ClientError::InFile {
            path: args.file.display().to_string(),
            source: Box::new(stopped),
        },
        failure => failure,
    })
}
