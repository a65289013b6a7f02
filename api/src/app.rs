//! The wiring of a node: the one place where backends are chosen and the parts are joined.

use crate::config::Config;

/// Runs a node until it is asked to end.
///
/// # Errors
/// What keeps the node from starting, or from ending in order.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    anyhow::bail!("this build has no parts to serve {} with", config.listen)
}
