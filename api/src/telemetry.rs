//! The metrics of the process: the recorder behind the `metrics` facade, its Prometheus text, and
//! what the kernel knows of us.
//!
//! The recorder must be installed before the parts register their metrics, or they count into
//! nothing.

use std::time::Duration;

use anyhow::Context;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of the buckets of all metrics in seconds: from below a commit to the longest wait.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// Samples gather in memory until somebody puts them into buckets; a scrape does it, and the node
/// must when nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(2);

const RESIDENT: &str = "process_resident_memory_bytes";
const ANONYMOUS: &str = "process_anonymous_memory_bytes";
const THREADS: &str = "process_threads";
const CPU: &str = "process_cpu_seconds_total";

/// Installs the recorder of the process.
///
/// # Errors
/// When one has been installed before.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("the metrics recorder cannot be installed")?;
    describe_gauge!(RESIDENT, "Resident memory of the process");
    describe_gauge!(ANONYMOUS, "Resident memory that is not backed by files");
    describe_gauge!(THREADS, "Threads of the process");
    describe_counter!(CPU, "Processor time used by the process, in whole seconds");
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
    observe_process();
    handle.render()
}

/// Reads what the kernel says of this process; where it says nothing (not Linux), leaves these
/// metrics out.
fn observe_process() {
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        for (field, metric, unit) in [
            ("VmRSS:", RESIDENT, 1024),
            ("RssAnon:", ANONYMOUS, 1024),
            ("Threads:", THREADS, 1),
        ] {
            if let Some(value) = status_field(&status, field) {
                gauge!(metric).set(f64::from(value) * f64::from(unit));
            }
        }
    }

    if let Ok(stat) = std::fs::read_to_string("/proc/self/stat")
        && let Some(seconds) = cpu_seconds(&stat)
    {
        counter!(CPU).absolute(seconds);
    }
}

fn status_field(status: &str, field: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

/// User and system time of `/proc/self/stat`: fields 14 and 15, in the 1/100 s that Linux shows on
/// every architecture. The name in parentheses may hold spaces, so counting begins behind it.
fn cpu_seconds(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut times = behind_name
        .split_whitespace()
        .skip(11)
        .map(str::parse::<u64>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some((user + system) / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_understood() {
        assert_eq!(
            status_field("Name:\tx\nRssAnon:\t  512 kB\n", "RssAnon:"),
            Some(512)
        );
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 100 0 0 0 250 150 0 0 20 0 4 0 100";
        assert_eq!(cpu_seconds(stat), Some(4));
    }
}
