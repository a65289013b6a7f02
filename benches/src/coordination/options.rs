//! The command line: which binary to start, and what to measure on it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Starts nodes on new data directories, measures, and prints a table.
#[derive(Debug, Clone, Parser)]
#[command(name = "coordination", version)]
pub struct Options {
    /// The binary whose nodes are measured.
    #[arg(long, default_value = "target/release/counterfoil")]
    pub counterfoil: PathBuf,
    /// What to measure.
    #[command(subcommand)]
    pub what: What,
}

/// What to measure.
#[derive(Debug, Clone, Subcommand)]
pub enum What {
    /// Choreography against orchestration.
    Ways(Ways),
    /// A bulk retry of stuck sagas beside live orders.
    Bulk(Bulk),
}

/// How to compare both ways.
#[derive(Debug, Clone, Args)]
pub struct Ways {
    /// Orders of each run that many callers send.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub requests: u64,
    /// Callers with one order under way each.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub in_flight: u32,
    /// Orders of each run that one caller sends.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub alone: u64,
    /// Runs of each way. They take turns, and the first of a round is the second of the next.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
}

/// How to measure a bulk retry.
#[derive(Debug, Clone, Args)]
pub struct Bulk {
    /// Sagas that are stuck.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub sagas: u32,
    /// Live orders per second, on a fixed schedule.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// Seconds before and after the bulk retry.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: u64,
    /// Sagas of one bulk request.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }
}
