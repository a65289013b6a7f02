//! What a node that has started logs of itself.

use anyhow::anyhow;
use store::faults::FaultPlan;

use crate::app::folder;
use crate::config::Config;
use crate::http::Listening;

/// Logs where the node listens, and whether its shards are open.
pub(super) fn say_where(listening: &Listening, config: &Config, open: bool) -> anyhow::Result<()> {
    let address = *listening
        .addresses
        .first()
        .ok_or_else(|| anyhow!("the server listens nowhere"))?;
    let folder = config.data_dir.display();

    if open {
        tracing::info!(address = %address, data_dir = %folder, "counterfoil is ready");
    } else {
        tracing::error!(
            address = %address, data_dir = %folder,
            "counterfoil listens and is not ready; /health/ready tells why"
        );
    }
    Ok(())
}

/// Logs what must not be so where others reach the node, or its machine.
pub(super) fn warn_of_dangers(config: &Config) {
    folder::warn_of_others(&config.data_dir);
    if !config.listen.ip().is_loopback() {
        tracing::warn!(
            address = %config.listen, allowed_hosts = ?config.allowed_hosts,
            "other machines reach this node, and it asks nobody who he is: let only those reach it \
             who may do everything, or put a proxy in front that asks; name the hosts it is called \
             by in allowed_hosts, so that no web page can pretend to be one of them"
        );
    }

    if config.faults != FaultPlan::default() {
        tracing::warn!(
            faults = ?config.faults,
            "faults are injected, as a test may want it; nobody else should"
        );
    }
}
