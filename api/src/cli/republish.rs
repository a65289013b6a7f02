//! The arguments of `counterfoil republish`.

use clap::Args;
use domain::Service;
use store::kafka::Republication;

use crate::app;
use crate::config::{Config, SettingFlags};

/// With nodes running or none. An event that comes twice is the same: whoever follows a topic
/// drops it.
#[derive(Debug, Args)]
pub(super) struct RepublishCommand {
    #[command(flatten)]
    pub(super) settings: SettingFlags,
    /// The service whose events are published; all by default
    #[arg(long, value_parser = service)]
    service: Option<Service>,
    /// One shard of the service, by its number; all by default
    #[arg(long, value_name = "N", requires = "service")]
    shard: Option<u16>,
    /// From this sequence of each shard on. By default the topic is read, and what is published is
    /// all from the first event of each shard that it lacks
    #[arg(long, value_name = "N")]
    from_sequence: Option<u64>,
    /// Print what was published as JSON, an object a line for each service
    #[arg(long)]
    json: bool,
}

impl RepublishCommand {
    pub(super) fn run(&self, config: &Config) -> anyhow::Result<()> {
        let events = Republication {
            shard: self.shard,
            from: self.from_sequence,
        };
        app::republish::run(config, self.service, events, self.json)
    }
}

fn service(name: &str) -> Result<Service, String> {
    let found = domain::SERVICES
        .into_iter()
        .find(|each| each.name() == name);
    found.ok_or_else(|| {
        let names = domain::SERVICES.map(|service| service.name());
        format!("allowed: {}", names.join(", "))
    })
}
