//! The auditor beside the node's work: a sample of its stores now and then, at a pace that leaves
//! the machine to the callers. What it finds is in the log and in the metrics.

use std::time::Duration;

use audit::{AuditConfig, Extent, Invariant, Pace, Report};
use metrics::{counter, gauge, histogram};
use projections::ViewStores;
use tokio::time::{Instant, sleep};

use super::observer::number;
use crate::config::Config;
use crate::metric_names as names;

/// It rests this many times as long as it works.
const REST: u32 = 9;
/// An audit that has not ended after this time is given up, and counted as failed.
const WITHIN: Duration = Duration::from_secs(3_600);

/// Shows that there was none yet, so that the first one is seen as a step from 0.
pub(super) fn show_none() {
    for outcome in ["holds", "violated", "failed"] {
        counter!(names::AUDITS, "outcome" => outcome).increment(0);
    }
}

/// Audits again and again, until it is dropped.
pub(super) async fn run(interval: Duration, audited: AuditConfig) {
    loop {
        sleep(interval).await;
        let begun = Instant::now();
        let outcome = match tokio::time::timeout(WITHIN, audit::run(&audited)).await {
            Ok(Ok(report)) => show(&report),
            Ok(Err(error)) => {
                let error = anyhow::Error::from(error);
                tracing::warn!(error = format!("{error:#}"), "the stores cannot be audited");
                "failed"
            }
            Err(_) => {
                tracing::warn!(seconds = WITHIN.as_secs(), "an audit has not ended in time");
                "failed"
            }
        };
        counter!(names::AUDITS, "outcome" => outcome).increment(1);
        histogram!(names::AUDIT_SECONDS).record(begun.elapsed());
    }
}

/// What a node audits of itself.
pub(super) fn of(config: &Config, views: ViewStores) -> AuditConfig {
    AuditConfig {
        data_dir: config.data_dir.clone(),
        customers: config.customers_database_url.home(&config.data_dir),
        orders: config.orders_database_url.home(&config.data_dir),
        shards: Some(config.shards),
        views,
        extent: Extent::Sample(config.audit_sample),
        pace: Pace { rest: REST },
        patience: audit::PATIENCE,
    }
}

/// Shows what was found, and gives it a name.
fn show(report: &Report) -> &'static str {
    for (invariant, finding) in &report.invariants {
        let name = name(*invariant);
        gauge!(names::AUDIT_CHECKED, "invariant" => name.clone()).set(number(finding.checked));
        gauge!(names::AUDIT_VIOLATIONS, "invariant" => name.clone())
            .set(number(finding.violations));

        for example in &finding.examples {
            tracing::error!(invariant = name, "the auditor finds a violation: {example}");
        }
    }

    let checked: u64 = report.invariants.values().map(|found| found.checked).sum();
    let violations = report.violations();
    tracing::info!(
        checked,
        violations,
        "the node has audited a sample of its stores"
    );
    if report.holds() { "holds" } else { "violated" }
}

/// As the report writes it.
fn name(invariant: Invariant) -> String {
    serde_json::to_value(invariant)
        .ok()
        .and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default()
}
