//! The command line of one node.

use std::net::SocketAddr;
use std::str::FromStr;

use anyhow::{Context, ensure};
use sea_orm::sqlx::ConnectOptions;
use sea_orm::sqlx::postgres::PgConnectOptions;

use super::SHARDS;
use super::ownership::Ownership;

/// The settings of one node.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    name = "cluster_floor",
    version,
    about = "The same rows in the same durable units over PostgreSQL and Kafka, one process a node"
)]
pub struct Options {
    /// HTTP address.
    #[arg(long, default_value = "127.0.0.1:8081")]
    pub listen: SocketAddr,
    /// The database of the customers service: postgres://USER@HOST:PORT/DATABASE.
    #[arg(long)]
    pub customers_database_url: Database,
    /// The database of the orders service.
    #[arg(long)]
    pub orders_database_url: Database,
    /// The brokers: HOST:PORT, several with commas between them.
    #[arg(long, required_unless_present = "check")]
    pub kafka: Option<String>,
    /// The number of this node, from 0.
    #[arg(long, default_value_t = 0)]
    pub node: u8,
    /// How many nodes there are. Each owns the partitions whose remainder by this is its number.
    #[arg(long, default_value_t = 1)]
    pub nodes: u8,
    /// How much is done to be fast.
    #[arg(long, value_enum, default_value_t = Form::Plain)]
    pub form: Form,
    /// Partitions of each topic, for the 16 shards of each service.
    #[arg(long, default_value_t = SHARDS)]
    pub partitions: u8,
    /// The schema in both databases, and the prefix of the topics. A run needs a new one.
    #[arg(long, default_value = "cluster_floor")]
    pub namespace: Namespace,
    /// In the best form a commit begins when this share, in percent, of the sagas in flight at this
    /// node has gathered; with 0 it never waits.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub share: u8,
    /// How long the Kafka client gathers records.
    #[arg(long, default_value_t = 1)]
    pub linger_ms: u16,
    /// Threads that answer HTTP, besides the one that decides and commits.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub http_threads: u16,
    /// Check what a run has left in the databases, instead of serving.
    #[arg(long)]
    pub check: bool,
}

/// How much is done to be fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Every message through Kafka, a round trip a statement, an inbox row a pair of shards,
    /// commits as soon as they can begin.
    Plain,
    /// Messages between shards of one node in memory, a stored function a commit, an inbox row a
    /// shard, commits that wait for others under load, the new orders of a commit in one shard.
    Best,
}

impl Options {
    /// Which shards are whose.
    ///
    /// # Errors
    /// When there is a node without a partition, or no such node.
    pub fn ownership(&self) -> anyhow::Result<Ownership> {
        let (node, nodes, partitions) = (self.node, self.nodes, self.partitions);
        ensure!(
            node < nodes,
            "node: {node} of {nodes}; allowed is 0 to nodes - 1"
        );
        ensure!(
            nodes <= partitions && partitions <= SHARDS,
            "partitions: {partitions}; allowed is the number of nodes to {SHARDS}"
        );

        Ok(Ownership {
            node,
            nodes,
            partitions,
        })
    }

    /// What all nodes of a run must have in common.
    #[must_use]
    pub fn layout(&self) -> String {
        format!(
            "{} nodes, {} partitions, form {:?}",
            self.nodes, self.partitions, self.form
        )
    }
}

/// Where a database is.
#[derive(Debug, Clone)]
pub struct Database(PgConnectOptions);

impl FromStr for Database {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        PgConnectOptions::from_str(url)
            .map(Database)
            .map_err(|error| error.to_string())
    }
}

/// Set on the connection of a lane: its few statements stay prepared, are planned once, and by
/// their indexes also while the tables are empty.
const COMMITTING: [(&str, &str); 6] = [
    ("synchronous_commit", "on"),
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

impl Database {
    /// Connections that read, and that write what no lane does.
    #[must_use]
    pub fn beside_a_lane(&self, namespace: &Namespace) -> PgConnectOptions {
        self.0
            .clone()
            .options([("search_path", namespace.0.as_str())])
            .disable_statement_logging()
    }

    /// The connection of a lane.
    #[must_use]
    pub fn of_a_lane(&self, namespace: &Namespace) -> PgConnectOptions {
        self.beside_a_lane(namespace).options(COMMITTING)
    }
}

/// A name that stands in SQL and in names of topics as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace(pub String);

impl FromStr for Namespace {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, anyhow::Error> {
        let first = text.chars().next().context("it is empty")?;
        let is_plain = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '_');
        ensure!(
            first.is_ascii_lowercase() && text.chars().all(is_plain) && text.len() <= 40,
            "allowed are up to 40 of a-z, 0-9 and _, a letter first"
        );

        Ok(Namespace(text.to_owned()))
    }
}
