//! `health`: whether a node can take commands, by its exit code, for supervisors and containers
//! that have no HTTP client.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use super::args::HealthArgs;
use super::http::{Freshness, Node};
use super::{ClientError, output};

/// Asks once: whoever watches a node asks again by itself. Succeeds when the node is ready, and
/// says what works less well than it should all the same.
pub async fn run(args: &HealthArgs) -> Result<ExitCode, ClientError> {
    let node = Node::new(&args.node.url)?.with_patience(Duration::ZERO);
    let health = node
        .get(&["health", "ready"], &[], &Freshness::AsItIs)
        .await?
        .body;

    let degraded = health
        .get("degraded")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();

    let degraded: Vec<&str> = degraded.iter().filter_map(Value::as_str).collect();
    let without = if degraded.is_empty() {
        String::new()
    } else {
        format!(", without: {}", degraded.join(", "))
    };
    output::print(&format!("ready{without}"))?;

    Ok(ExitCode::SUCCESS)
}
