//! What nodes and shards cost that are added, by simulation, where nobody has that many machines.
//!
//! Callers order one thing after another, each at the node that it finds. An order is three units:
//! created, its credit reserved, approved, in lanes that commit one batch at a time and gather the
//! next one meanwhile. Between nodes a message goes through a broker, in one request for each
//! partition. What stands beside the work is there too: heads that are noted and read each second,
//! and what nodes tell each other.
//!
//! What is simulated is who waits for whom; what each thing costs is measured elsewhere but for the
//! notes, and given as [`Costs`]. Events to views, answers to questions and fetches are left out.
//! With `--machine 2` everything shares two cores, as where three nodes were measured: so the
//! simulation can be compared with what is known.

mod costs;
mod processors;
mod world;

use clap::Parser;

pub use costs::Costs;
use world::{Figures, World};

/// A cluster, and how much is asked of it.
#[derive(Clone, Copy, Debug)]
struct Cluster {
    nodes: usize,
    /// Of each service.
    shards: usize,
    callers: usize,
}

/// Which clusters, and what things cost.
#[derive(Debug, Parser)]
pub struct Options {
    /// How many nodes, each in turn.
    #[arg(long, value_delimiter = ',', default_value = "1,3,10,64,1000")]
    nodes: Vec<usize>,

    /// How many shards each service has, each in turn.
    #[arg(long, value_delimiter = ',', default_value = "64,10000")]
    shards: Vec<usize>,

    /// How many callers order at once, each in turn.
    #[arg(long, value_delimiter = ',', default_value = "64,512,5000,50000")]
    callers: Vec<usize>,

    /// How long it goes on, in simulated seconds; the first second is not counted.
    #[arg(long, default_value_t = 10)]
    seconds: u64,

    /// Heads are noted by what has changed, in the place of all of them.
    #[arg(long)]
    notes_by_change: bool,

    /// What things cost.
    #[command(flatten)]
    costs: Costs,
}

/// Simulates each cluster, and prints a line for it.
pub fn run(options: &Options) {
    println!(
        "{:>6} {:>7} {:>8} | {:>9} {:>9} {:>9} | {:>7} {:>11} {:>11} | {:>9} {:>7}",
        "nodes",
        "shards",
        "callers",
        "orders/s",
        "p50 ms",
        "p99 ms",
        "units",
        "database us",
        "of notes us",
        "broker us",
        "busy"
    );

    for &shards in &options.shards {
        for &nodes in &options.nodes {
            for &callers in &options.callers {
                let cluster = Cluster {
                    nodes,
                    shards,
                    callers,
                };
                let world = World::new(cluster, options.costs, options.notes_by_change);
                print(cluster, &world.run(options.seconds));
            }
        }
    }
}

fn print(cluster: Cluster, figures: &Figures) {
    println!(
        "{:>6} {:>7} {:>8} | {:>9.0} {:>9.1} {:>9.1} | {:>7.1} {:>11.0} {:>11.0} | {:>9.0} {:>7}",
        cluster.nodes,
        cluster.shards,
        cluster.callers,
        figures.orders_per_second,
        figures.p50_ms,
        figures.p99_ms,
        figures.units_per_commit,
        figures.database_us,
        figures.notes_us,
        figures.broker_us,
        figures.busiest
    );
}
