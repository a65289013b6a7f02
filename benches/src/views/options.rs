//! The command line of the program that measures the views.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Measures the views by themselves, without HTTP and without the command side.
#[derive(Debug, Clone, Parser)]
#[command(name = "views", version)]
pub struct Options {
    /// What to measure.
    #[command(subcommand)]
    pub command: Command,
    /// Where the views are kept meanwhile.
    #[command(flatten)]
    pub place: PlaceOptions,
    /// Write the report as JSON to a file, or to standard output with `-`.
    #[arg(long, global = true, value_name = "FILE|-")]
    pub json: Option<PathBuf>,
}

/// Where the views are kept while they are measured. Everything is removed at the end.
#[derive(Debug, Clone, Args)]
pub struct PlaceOptions {
    /// Folder in which a temporary one is made. It should be on a disk: in memory a durable write
    /// costs nothing.
    #[arg(long, global = true, default_value = ".")]
    pub folder: PathBuf,
    /// A MongoDB server, as a URL without a database.
    #[arg(
        long,
        global = true,
        env = "COUNTERFOIL_TEST_MONGODB_URL",
        hide_env_values = true
    )]
    pub mongodb_url: Option<String>,
    /// An Elasticsearch server.
    #[arg(
        long,
        global = true,
        env = "COUNTERFOIL_TEST_ELASTICSEARCH_URL",
        hide_env_values = true
    )]
    pub elasticsearch_url: Option<String>,
}

/// What is measured.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Events per second into an empty view, and the rate of the bare client with the same
    /// documents.
    Throughput(Throughput),
    /// One query by API composition and by view.
    Composition(Composition),
}

/// How to measure the rate of one backend.
#[derive(Debug, Clone, Args)]
pub struct Throughput {
    /// What keeps the view.
    #[arg(long, value_enum)]
    pub backend: Backend,
    /// Orders; each is created, reserves credit, and is approved.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub orders: u64,
    /// Customers; the orders are spread over them.
    #[arg(
        long,
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000),
    )]
    pub customers: u32,
    /// Events of one commit.
    #[arg(long, default_value_t = 4_096, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub batch: u32,
    /// Orders under way at the same time: so far behind its creation an order is approved.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub under_way: u32,
    /// How the floor writes what has changed of a customer in MongoDB.
    #[arg(long, value_enum, default_value_t = CustomerWrites::Whole)]
    pub customer_writes: CustomerWrites,
    /// Seed of the made-up customers and orders.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What keeps a view: of documents the first two, of search the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// Documents, in a file.
    Sqlite,
    /// Documents, on a server.
    Mongodb,
    /// Search, in a folder.
    Tantivy,
    /// Search, on a server.
    Elasticsearch,
}

/// A customer's document in MongoDB holds up to a hundred orders, few of which change in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CustomerWrites {
    /// The whole document takes the place of the old one.
    Whole,
    /// The fields and orders that have changed are set, nothing is trimmed.
    Changes,
}

/// How to compare the ways of answering one query.
#[derive(Debug, Clone, Args)]
pub struct Composition {
    /// Orders in the data.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    pub orders: u64,
    /// Customers in the data; the orders are spread over them.
    #[arg(
        long,
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(100..=1_000_000),
    )]
    pub customers: u32,
    /// How many customers are recent; one measurement each.
    #[arg(long, value_delimiter = ',', default_values_t = [20, 100, 1_000])]
    pub recent: Vec<u32>,
    /// How often each way is asked.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// The orders service as it is, without an index by customer, is asked so often: it reads the
    /// whole table for each customer. 0 leaves it out.
    #[arg(long, default_value_t = 3)]
    pub runs_without_index: u32,
    /// Leave MongoDB out.
    #[arg(long)]
    pub no_mongodb: bool,
    /// Write a picture.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Seed of the made-up customers and orders.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
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
