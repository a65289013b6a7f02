//! The command line of the program that measures lag.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::load::options::{Options as LoadOptions, Target};

/// Measures how far the views of a running node are behind its commits, while orders come in at a
/// fixed rate.
#[derive(Debug, Clone, Parser)]
#[command(name = "lag", version)]
pub struct Options {
    /// The node.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub url: Target,
    /// What is measured, in this order.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_values_t = [Phase::Waiting, Phase::Unaided, Phase::Search],
    )]
    pub phases: Vec<Phase>,
    /// Orders per second in the background, on a fixed schedule; 0 for none.
    #[arg(long, default_value_t = 1_000)]
    pub rate: u32,
    /// Connections of the background.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub in_flight: u32,
    /// Customers of the background.
    #[arg(
        long,
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000),
    )]
    pub customers: u32,
    /// Lines of each order; their names are what the texts of the search phase find.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=500))]
    pub lines: u32,
    /// Seconds of a phase; of a rebuild, seconds of reading before it begins.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: u64,
    /// Seconds before the phases waiting and unaided in which the same is done and no time is
    /// recorded: the customers are new, and views take in a thousand of them at once.
    #[arg(long, default_value_t = 3)]
    pub warmup: u64,
    /// Callers that send an order and read it, one after the other.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub probes: u32,
    /// Milliseconds that a caller rests between two orders.
    #[arg(long, default_value_t = 20)]
    pub pause: u64,
    /// Callers that search, or read while a view is rebuilt, one request after the other.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub readers: u32,
    /// Texts to search for, one a line, instead of the built-in ones.
    #[arg(long, value_name = "FILE")]
    pub queries: Option<PathBuf>,
    /// Views to rebuild, one after the other.
    #[arg(long, value_delimiter = ',', default_values = ["documents", "search"])]
    pub rebuild: Vec<String>,
    /// What they are rebuilt from.
    #[arg(long, value_enum, default_value_t = From::History)]
    pub from: From,
    /// Seconds that a rebuild may take.
    #[arg(long, default_value_t = 3_600)]
    pub rebuild_timeout: u64,
    /// Name of this run in its report.
    #[arg(long, default_value = "")]
    pub label: String,
    /// Write the report as JSON to a file, or to standard output with `-`.
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<PathBuf>,
}

/// One part of a run, and what is done in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Phase {
    /// Orders are sent, and read with the token of their answer.
    Waiting,
    /// Orders are sent, and read without a token until they show.
    Unaided,
    /// A fixed set of texts is searched for.
    Search,
    /// Orders are read before and while views are rebuilt.
    Rebuild,
}

/// What a view is rebuilt from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// All events.
    History,
    /// The entities as they stand, then the events since.
    Entities,
}

impl Options {
    /// The background as the load generator understands it.
    pub fn background(&self) -> Result<LoadOptions, clap::Error> {
        self.load(self.customers, 30)
    }

    /// The callers' customers and orders: an order is acknowledged as soon as it is committed.
    pub fn probing(&self) -> Result<LoadOptions, clap::Error> {
        self.load(self.probes, 0)
    }

    fn load(&self, customers: u32, wait: u32) -> Result<LoadOptions, clap::Error> {
        let settings = [
            ("--url", self.url.to_string()),
            ("--customers", customers.to_string()),
            ("--in-flight", self.in_flight.to_string()),
            ("--lines", self.lines.to_string()),
            ("--wait", wait.to_string()),
        ];
        let settings = settings
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value]);
        LoadOptions::try_parse_from(std::iter::once("load".to_owned()).chain(settings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_the_background_understands_it() {
        use clap::CommandFactory;
        Options::command().debug_assert();
        let options =
            Options::try_parse_from(["lag", "--customers", "7", "--probes", "3"]).unwrap();
        assert_eq!(options.background().unwrap().customers, 7);
        let probing = options.probing().unwrap();
        assert_eq!((probing.customers, probing.wait), (3, 0));
    }
}
