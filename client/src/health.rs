//! `health`: whether a node can take commands, by its exit code, for supervisors and containers
//! that have no HTTP client.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::HealthArgs;
use super::http::{Freshness, Node};
use super::{ClientError, output};

/// A node that has not answered by then is no better than one that is not there. A container's
/// health check kills the command a second later.
const ANSWERS_WITHIN: Duration = Duration::from_secs(4);

/// Asks once: whoever watches a node asks again by itself. Succeeds when the node is ready, and
/// says what works less well than it should all the same.
pub async fn run(args: &HealthArgs) -> Result<ExitCode, ClientError> {
    let node = Node::named(&args.node)?.with_patience(Duration::ZERO);
    let asked = node.get(&["health", "ready"], &[], &Freshness::AsItIs);
    let answer = tokio::time::timeout(ANSWERS_WITHIN, asked)
        .await
        .unwrap_or_else(|_| Err(silent(&node)));

    if args.json {
        let (outcome, code) = match answer {
            Ok(answer) => (answer.body, ExitCode::SUCCESS),
            Err(error) => (not_ready(&error), ExitCode::FAILURE),
        };
        output::print_json(&outcome)?;
        return Ok(code);
    }
    let health = answer?.body;

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

/// A node that refuses says what is missing; any other error says why nobody knows.
fn not_ready(error: &ClientError) -> Value {
    match error {
        ClientError::Refused(problem) => json!({"status": "not ready", "detail": problem.detail}),
        error => json!({"status": "unknown", "detail": error.to_string()}),
    }
}

fn silent(node: &Node) -> ClientError {
    ClientError::Unreachable {
        url: node.url(),
        tries: 1,
        seconds: ANSWERS_WITHIN.as_secs_f64(),
        reason: "it has taken the call and says nothing".to_owned(),
    }
}
