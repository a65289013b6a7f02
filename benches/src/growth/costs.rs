//! What things cost, as they were measured on one machine (docs/cluster.md, benches/README.md);
//! what noted heads cost is assumed.

use clap::Args;

/// Processor time in microseconds, and how many processors there are.
#[derive(Args, Clone, Copy, Debug)]
pub struct Costs {
    /// A commit, on the database's server, whatever is in it.
    #[arg(long, default_value_t = 2_360)]
    pub commit: u64,

    /// A unit in it.
    #[arg(long, default_value_t = 28)]
    pub unit: u64,

    /// Until the server's log is on disk: nobody's processor time.
    #[arg(long, default_value_t = 500)]
    pub disk: u64,

    /// A unit, on its node.
    #[arg(long, default_value_t = 70)]
    pub node_unit: u64,

    /// A request, on the broker, whatever is in it.
    #[arg(long, default_value_t = 200)]
    pub request: u64,

    /// A record in it.
    #[arg(long, default_value_t = 4)]
    pub record: u64,

    /// From a broker to the node that waits for it: nobody's processor time.
    #[arg(long, default_value_t = 500)]
    pub hop: u64,

    /// A thousand bytes of noted heads, written or read, on the database's server.
    #[arg(long, default_value_t = 4)]
    pub note_kilobyte: u64,

    /// Cores of the database's server.
    #[arg(long, default_value_t = 16)]
    pub database_cores: usize,

    /// Cores of the broker.
    #[arg(long, default_value_t = 16)]
    pub broker_cores: usize,

    /// Cores of a node.
    #[arg(long, default_value_t = 2)]
    pub node_cores: usize,

    /// Partitions of each service's topic, at most; fewer where there are fewer nodes.
    #[arg(long, default_value_t = 64)]
    pub partitions: usize,

    /// Everything shares so many cores of one machine.
    #[arg(long)]
    pub machine: Option<usize>,
}
