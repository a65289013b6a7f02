//! What the process tells of itself: metrics, and traces where somebody wants them (`traces`).
//!
//! Of the metrics these are the recorder behind the `metrics` facade, its Prometheus text, and what
//! the kernel knows of us.
//!
//! The recorder must be installed before the parts register their metrics, or they count into
//! nothing.

pub mod below;
mod process;
mod traces;

use std::time::Duration;

use anyhow::Context;
use metrics::gauge;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry_sdk::trace::SdkTracer;

use crate::metric_names;

pub use self::traces::Traces;

/// Upper bounds of the buckets of all metrics in seconds: from below a commit to the longest wait.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// The same for sagas, which may wait for their deadline and beyond.
const SAGA_SECONDS: [f64; 14] = [
    0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 900.0,
];

/// Samples gather in memory until somebody puts them into buckets; a scrape does it, and the node
/// must when nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(2);

/// What routes measure and trace with.
#[derive(Default)]
pub struct Telemetry {
    /// Absent in tests: a process has one recorder.
    pub prometheus: Option<PrometheusHandle>,
    /// Absent unless traces are on.
    pub tracer: Option<SdkTracer>,
}

/// Installs the recorder of the process, with the help texts of all metrics.
///
/// # Errors
/// When one has been installed before.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    let of_sagas = Matcher::Full(actors::metric_names::SAGA_SECONDS.to_owned());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(of_sagas, &SAGA_SECONDS))
        .and_then(PrometheusBuilder::install_recorder)
        .context("the metrics recorder cannot be installed")?;

    store::metric_names::describe();
    actors::metric_names::describe();
    projections::metrics::describe();
    metric_names::describe();
    gauge!(metric_names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1);

    Ok(handle)
}

/// Keeps the memory of the recorder bounded; runs until it is dropped.
pub async fn keep_up(handle: PrometheusHandle) {
    let mut tick = tokio::time::interval(UPKEEP);
    loop {
        tick.tick().await;
        handle.run_upkeep();
    }
}

/// Prometheus text of everything counted so far, the process itself included.
#[must_use]
pub fn render(handle: &PrometheusHandle) -> String {
    process::observe();
    handle.render()
}
